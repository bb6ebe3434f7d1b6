"""The written contract equals the code."""

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from drivers.fleet import wire
from drivers.fleet.head import open_head
from drivers.fleet.keys import PrivateKey
from tests.drivers.fleet.small_agent import SmallAgent
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
        {"v": 1},
        {"extra": 1},
        {"ttl_ms": 0},
        {"ttl_ms": 120_001},
        {"setpoints_w": [-1]},
        {"setpoints_w": [1.5]},
        {"setpoints_w": {"a": 1}},
        {"setpoints_w": None},
        {"inventory": "short"},
        {"head": "x" * 501},
        {"same_as": 3},
        {"echo": {"boot": "x"}},
    ],
)
def test_what_the_code_refuses_breaks_the_schema(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate(json.loads(msgspec.json.encode(SET)) | change, "Set")


def test_the_worked_example_has_the_real_bytes() -> None:
    key = PrivateKey(bytes(range(32)))
    body = example("example-body").encode()
    payload = bytes.fromhex(example("example-payload"))
    assert f"{len(payload)} bytes in hex" in README
    assert key.public_key().raw.hex() == example("example-public-key")
    assert payload == key.sign(body) + body
    statement = wire.open_set(payload, {"controller": key.public_key()}, site="demo", agent="hall-a")
    assert wire.sign(statement, key) == payload
    validate(json.loads(body), "Set")


def test_the_worked_example_ends_as_it_says() -> None:
    key = PrivateKey(bytes(range(32)))
    payload = bytes.fromhex(example("example-payload"))
    statement = wire.open_set(payload, {"controller": key.public_key()}, site="demo", agent="hall-a")
    (device,) = INVENTORY.devices
    devices = [msgspec.structs.replace(device, id=f"s21-{k}") for k in (1, 2)]
    agent = SmallAgent(site="demo", agent="hall-a", boot="5f1c", devices=devices, now_ms=86_399_000)
    agent.inventory_id = statement.inventory
    agent.offer(statement, 86_401_250)
    assert agent.granted == [3500, 25]
    report = wire.open_report(sign_report(example("example-report"), key), keys_of(key), site="demo", agent="hall-a")
    assert report.lease_left_ms == agent.end_ms - report.echo.boottime_ms == 28_749
    assert open_head(report.head_seen, key.public_key(), site="demo").seq == 12
    assert report.head_seen == statement.head
    first, last = sorted(agent.device_end_ms(k) for k in (0, 1))
    assert (86_420_000 < first < last <= 86_430_000, last - first) == (True, 5000)


def sign_report(text: str, key: PrivateKey) -> bytes:
    return key.sign(text.encode()) + text.encode()


def keys_of(key: PrivateKey):
    return {"hall-a": key.public_key()}


def test_the_channels_are_the_topics_of_the_code() -> None:
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    addresses = {name: channel["address"] for name, channel in ASYNCAPI["channels"].items()}
    assert addresses == {leaf.value: wire.topic("{site}", "{agent}", leaf) for leaf in wire.Leaf}
    will = ASYNCAPI["servers"]["site"]["bindings"]["mqtt"]["lastWill"]
    assert will["topic"] == addresses["status"]
    offline = wire.Status(v=2, site="{site}", agent="{agent}", state=wire.Presence.OFFLINE)
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
        for body in (wire.Set, wire.Report, wire.InventoryDevice, wire.Range, wire.DeadMan)
        for name in body.__struct_fields__
    }
    for field in fields - {"v", "site", "agent", "key", "devices", "model", "id"}:
        assert f"`{field}`" in README, field
    assert f"at most {wire.MAX_HEAD} characters" in README


@pytest.mark.parametrize("letters", [wire.Follow, wire.Proof, wire.MeasuredBy, wire.Activity])
def test_every_letter_is_explained(letters: type[StrEnum]) -> None:
    for letter in letters:
        assert re.search(
            rf"`{letter.value}`[ |]+(\w+ )*{letter.name.split('_', maxsplit=1)[0].lower()}", README, re.IGNORECASE
        ), letter.name
