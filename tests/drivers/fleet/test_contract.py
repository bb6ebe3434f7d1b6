"""The written contract equals the code."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from drivers.fleet import wire
from drivers.fleet.agent.lease import Held, LeasedDevice, LeaseHolder
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.keys import PrivateKey
from tests.drivers.fleet.test_wire import INVENTORY, REPORT, SET, STATUS

CONTRACT = Path("docs/contract")
README = (CONTRACT / "README.md").read_text()
SCHEMAS = json.loads((CONTRACT / "schemas.json").read_text())
ASYNCAPI = yaml.safe_load((CONTRACT / "asyncapi.yaml").read_text())


def validate(instance: object, name: str) -> None:
    jsonschema.Draft202012Validator(SCHEMAS | {"$ref": f"#/$defs/{name}"}).validate(instance)


def example(name: str) -> str:
    found = re.search(rf"^```\w+ {name}\n(.*?)\n```$", README, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1]


def test_the_schemas_are_schemas() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS)


@pytest.mark.parametrize("body", [SET, REPORT, INVENTORY, STATUS], ids=lambda b: type(b).__name__)
def test_what_the_code_writes_fits_the_schema(body: msgspec.Struct) -> None:
    validate(json.loads(msgspec.json.encode(body)), type(body).__name__)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"extra": 1},
        {"ttl_ms": 0},
        {"ttl_ms": 120_001},
        {"setpoints": {"a": -1}},
        {"setpoints": {"a": 1.5}},
        {"setpoints": {"A": 1}},
        {"setpoints": None},
        {"same_as": 3},
        {"echo": {"boot": "x"}},
    ],
)
def test_what_the_code_refuses_breaks_the_schema(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate(json.loads(msgspec.json.encode(SET)) | change, "Set")


def test_the_worked_example_has_the_real_bytes() -> None:
    key = PrivateKey.from_private_bytes(bytes(range(32)))
    body = example("example-body").encode()
    payload = bytes.fromhex(example("example-payload"))
    assert len(payload) == 256
    assert key.public_key().public_bytes_raw().hex() == example("example-public-key")
    assert payload == key.sign(body) + body
    statement = wire.open_set(payload, {"controller": key.public_key()}, site="demo", agent="hall-a")
    assert wire.sign(statement, key) == payload
    validate(json.loads(body), "Set")


def test_the_worked_example_ends_as_it_says() -> None:
    key = PrivateKey.from_private_bytes(bytes(range(32)))
    payload = bytes.fromhex(example("example-payload"))
    statement = wire.open_set(payload, {"controller": key.public_key()}, site="demo", agent="hall-a")
    device = LeasedDevice(model=load_catalogue()["antminer-s21"], failsafe_w=0)
    holder = LeaseHolder(
        agent="hall-a",
        boot="5f1c",
        devices={"s21-001": device, "s21-002": device},
        settle_s=15,
        held=Held(),
        now_ms=86_399_000,
    )
    holder.offer(statement, 86_401_250)
    assert holder.setpoints == {"s21-001": 3500, "s21-002": 25}
    assert holder.lease_left_ms(86_401_250) == 28_750
    first = holder.next_end_ms()
    holder.advance(first)
    last = holder.next_end_ms()
    holder.advance(last)
    assert holder.next_end_ms() is None
    assert (86_420_000 < first < last <= 86_430_000, round(last - first, -2)) == (True, 5000)


def test_the_channels_are_the_topics_of_the_code() -> None:
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    addresses = {name: channel["address"] for name, channel in ASYNCAPI["channels"].items()}
    assert addresses == {leaf.value: wire.topic("{site}", "{agent}", leaf) for leaf in wire.Leaf}
    will = ASYNCAPI["servers"]["site"]["bindings"]["mqtt"]["lastWill"]
    assert will["topic"] == addresses["status"]
    offline = wire.Status(v=1, site="{site}", agent="{agent}", state=wire.Presence.OFFLINE)
    assert will["message"].encode() == wire.encode_status(offline)


def test_the_agent_receives_sets_and_sends_the_rest() -> None:
    operations = {op["channel"]["$ref"].split("/")[-1]: op for op in ASYNCAPI["operations"].values()}
    assert {leaf: op["action"] for leaf, op in operations.items()} == {
        "set": "receive",
        "report": "send",
        "inventory": "send",
        "status": "send",
    }
    assert {leaf for leaf, op in operations.items() if op["bindings"]["mqtt"]["retain"]} == {"inventory", "status"}


def test_every_reference_of_the_document_resolves() -> None:
    def references(node: Any):
        if isinstance(node, dict):
            yield from ([node["$ref"]] if "$ref" in node else [])
            node = list(node.values())
        if isinstance(node, list):
            for child in node:
                yield from references(child)

    found = list(references(ASYNCAPI))
    assert len(found) > 15
    for reference in found:
        file, _, pointer = reference.partition("#/")
        target = SCHEMAS if file == "schemas.json" else ASYNCAPI
        for step in pointer.split("/"):
            target = target[step]


def test_the_limits_in_the_text_are_those_of_the_code() -> None:
    assert "1 048 576 bytes" in README
    assert wire.MAX_PAYLOAD_BYTES == 1_048_576
    assert "1 to 120 000 ms" in README
    assert wire.MAX_TTL_MS == 120_000
    fields = {
        name
        for body in (wire.Set, wire.Report, wire.DeviceReport, wire.InventoryDevice)
        for name in body.__struct_fields__
    }
    for field in fields - {"v", "site", "agent", "key", "devices", "model"}:
        assert f"`{field}`" in README, field
