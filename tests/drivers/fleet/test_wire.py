"""What a message may be; everything else is refused with its reason and changes nothing."""

import json
import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import Refused
from drivers.fleet import wire
from drivers.fleet.keys import PrivateKey

KEY = PrivateKey(bytes(range(32)))
KEYS = {"controller": KEY.public_key()}
AGENT_KEYS = {"hall-a": KEY.public_key()}
ECHO = wire.Echo(boot="b1", boottime_ms=5)
INVENTORY_ID = "00ff" * 4
SET = wire.Set(
    v=2,
    site="demo",
    agent="hall-a",
    key="controller",
    epoch=3,
    seq=7,
    ttl_ms=30_000,
    echo=ECHO,
    head="a-head",
    inventory=INVENTORY_ID,
    setpoints_w=[3500, 0],
)
REPORT = wire.Report(
    v=2,
    site="demo",
    agent="hall-a",
    key="hall-a",
    echo=ECHO,
    epoch=3,
    accepted_seq=7,
    applied_seq=6,
    lease_left_ms=29_000,
    lapsed=False,
    inventory=INVENTORY_ID,
    applied_w=[3500, 25],
    measured_w=[3480, None],
    measured_by="dn",
    state="pl",
    proof="bn",
    activity="rn",
    head_seen="a-head",
    head_stored=None,
    refused=None,
)
INVENTORY = wire.Inventory(
    v=2,
    site="demo",
    agent="hall-a",
    key="hall-a",
    echo=ECHO,
    inventory=INVENTORY_ID,
    devices=[
        wire.InventoryDevice(
            id="s21-001",
            model="antminer-s21",
            max_w=3500,
            off_w=25,
            ranges=[wire.Range(from_w=1400, to_w=3500)],
            up_ms=60_000,
            down_ms=10_000,
            failsafe_w=25,
            proof=wire.Proof.BOTH,
            measured_by=wire.MeasuredBy.PDU,
            dead_man=wire.DeadMan(after_ms=60_000, falls_to_w=0),
        )
    ],
)
STATUS = wire.Status(v=2, site="demo", agent="hall-a", state=wire.Presence.ONLINE)


def signed(text: bytes) -> bytes:
    return KEY.sign(text) + text


def body(**changes) -> bytes:
    fields = json.loads(msgspec.json.encode(SET)) | changes
    return signed(json.dumps({k: v for k, v in fields.items() if v is not ...}).encode())


def open_set(payload: bytes) -> wire.Set:
    return wire.open_set(payload, KEYS, site="demo", agent="hall-a")


def test_what_is_signed_is_opened() -> None:
    assert open_set(wire.sign(SET, KEY)) == SET
    assert wire.open_report(wire.sign(REPORT, KEY), AGENT_KEYS, site="demo", agent="hall-a") == REPORT
    assert wire.open_inventory(wire.sign(INVENTORY, KEY), AGENT_KEYS, site="demo", agent="hall-a") == INVENTORY
    assert wire.open_status(wire.encode_status(STATUS), site="demo", agent="hall-a") == STATUS


def test_any_key_of_the_controller_may_sign_under_its_own_name() -> None:
    next_key = PrivateKey.generate()
    keys = KEYS | {"controller-2": next_key.public_key()}
    renamed = msgspec.structs.replace(SET, key="controller-2")
    assert wire.open_set(wire.sign(renamed, next_key), keys, site="demo", agent="hall-a") == renamed
    with pytest.raises(Refused, match="names the key 'controller'"):
        wire.open_set(wire.sign(SET, next_key), keys, site="demo", agent="hall-a")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ttl_ms": "30000"}, "Expected `int`, got `str`"),
        ({"ttl_ms": 0}, ">= 1"),
        ({"ttl_ms": 120_001}, "<= 120000"),
        ({"ttl_ms": 1.5}, "Expected `int`, got `float`"),
        ({"epoch": -1}, ">= 0"),
        ({"seq": 2**60}, "<= 9007199254740991"),
        ({"seq": True}, "Expected `int`, got `bool`"),
        ({"setpoints_w": [-1]}, ">= 0"),
        ({"setpoints_w": [10_000_001]}, "<= 10000000"),
        ({"setpoints_w": [1.5]}, "got `float`"),
        ({"setpoints_w": ["3500"]}, "got `str`"),
        ({"setpoints_w": [None]}, "got `null`"),
        ({"setpoints_w": {"s21-001": 1}}, "got `object`"),
        ({"setpoints_w": [math.nan]}, "malformed"),
        ({"setpoints_w": [math.inf]}, "malformed"),
        ({"setpoints_w": None}, "exactly one"),
        ({"inventory": "0123"}, "regex"),
        ({"inventory": ...}, "missing required field `inventory`"),
        ({"head": ""}, "length >= 1"),
        ({"head": "x" * 501}, "length <= 500"),
        ({"head": ...}, "missing required field `head`"),
        ({"same_as": 3}, "exactly one"),
        ({"unknown": 1}, "unknown field `unknown`"),
        ({"v": 1}, "Invalid enum value 1"),
        ({"v": ...}, "missing required field `v`"),
        ({"echo": ...}, "missing required field `echo`"),
        ({"echo": {"boot": "b1"}}, "missing required field `boottime_ms`"),
        ({"echo": {"boot": "", "boottime_ms": 1}}, "length >= 1"),
        ({"echo": {"boot": "b", "boottime_ms": -1}}, ">= 0"),
        ({"site": "other"}, "is for other/hall-a"),
        ({"agent": "hall-b"}, "is for demo/hall-b"),
        ({"key": "someone"}, "names the key 'someone'"),
    ],
)
def test_a_signed_body_that_breaks_the_contract_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(Refused, match=reason.replace("(", r"\(")):
        open_set(body(**changes))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "payload of 0 bytes"),
        (b"x" * 64, "payload of 64 bytes"),
        (b"x" * (wire.MAX_PAYLOAD_BYTES + 1), "payload of 1048577 bytes"),
        (b"x" * 65, "no known key"),
        (wire.sign(SET, PrivateKey.generate()), "no known key"),
        (signed(b"null"), "Expected `object`, got `null`"),
        (signed(b"\xff\xfe"), "malformed"),
        (signed(b"[" * 100_000), "no valid set"),
        (signed(msgspec.json.encode(SET) + b"x"), "trailing"),
        (wire.sign(REPORT, KEY), "no valid set"),
    ],
)
def test_bytes_that_are_no_set_are_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        open_set(payload)


@given(index=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(deadline=None)
def test_any_flipped_bit_is_refused(index: int, bit: int) -> None:
    payload = bytearray(wire.sign(SET, KEY))
    payload[index % len(payload)] ^= 1 << bit
    with pytest.raises(Refused):
        open_set(bytes(payload))


@given(
    text=st.binary(max_size=300)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
@settings(deadline=None)
def test_nothing_but_refused_comes_out_of_a_strange_body(text: bytes) -> None:
    with pytest.raises(Refused):
        open_set(signed(text))
    with pytest.raises(Refused):
        wire.open_status(text, site="demo", agent="hall-a")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "p"}, "different lengths"),
        ({"proof": "bnn"}, "different lengths"),
        ({"state": "pz"}, "regex"),
        ({"state": "p\n"}, "a line break is no letter"),
        ({"measured_by": "d\n"}, "a line break is no letter"),
        ({"activity": "r\n"}, "a line break is no letter"),
        ({"activity": "R "}, "regex"),
        ({"measured_by": ["d", "n"]}, "got `array`"),
        ({"measured_w": [3480.5, None]}, "got `float`"),
        ({"applied_w": [3500, None]}, "got `null`"),
        ({"lease_left_ms": 120_001}, "<= 120000"),
        ({"head_stored": ...}, "missing required field `head_stored`"),
    ],
)
def test_a_report_that_breaks_the_contract_is_refused(changes: dict[str, object], reason: str) -> None:
    fields = json.loads(msgspec.json.encode(REPORT)) | changes
    text = json.dumps({k: v for k, v in fields.items() if v is not ...}).encode()
    with pytest.raises(Refused, match=reason):
        wire.open_report(signed(text), AGENT_KEYS, site="demo", agent="hall-a")


@pytest.mark.parametrize("name", ["id", "model"])
def test_a_name_that_ends_in_a_line_break_is_refused(name: str) -> None:
    fields = json.loads(msgspec.json.encode(INVENTORY))
    fields["devices"][0][name] += "\n"
    with pytest.raises(Refused, match="ends in a line break"):
        wire.open_inventory(signed(json.dumps(fields).encode()), AGENT_KEYS, site="demo", agent="hall-a")


def test_a_device_that_is_listed_twice_is_refused() -> None:
    fields = json.loads(msgspec.json.encode(INVENTORY))
    twice = json.dumps(fields | {"devices": fields["devices"] * 2}).encode()
    with pytest.raises(Refused, match="named twice"):
        wire.open_inventory(signed(twice), AGENT_KEYS, site="demo", agent="hall-a")


def test_another_device_another_sequence_or_another_fact_has_another_inventory_id() -> None:
    (one,) = INVENTORY.devices
    other = msgspec.structs.replace(one, id="s21-002")
    names = [wire.inventory_id(devices) for devices in ([one], [one, other], [other, one], [other])]
    names.append(wire.inventory_id([msgspec.structs.replace(one, max_w=1)]))
    assert len(set(names)) == 5
    assert wire.inventory_id([one]) == names[0]


def test_every_letter_stands_once_in_its_column() -> None:
    for letters in (wire.Follow, wire.Proof, wire.MeasuredBy, wire.Activity):
        assert all(len(letter) == 1 for letter in letters)
        assert len({letter.value for letter in letters}) == len(letters)


def test_what_would_be_refused_is_not_signed() -> None:
    with pytest.raises(Refused, match=">= 0"):
        wire.sign(msgspec.structs.replace(SET, setpoints_w=[-5]), KEY)
    with pytest.raises(Refused, match="got `float`"):
        wire.sign(msgspec.structs.replace(SET, setpoints_w=[3500.5]), KEY)


def test_a_status_is_refused_when_it_is_long_or_of_another() -> None:
    with pytest.raises(Refused, match="payload"):
        wire.open_status(b"x" * (wire.MAX_PAYLOAD_BYTES + 1), site="demo", agent="hall-a")
    with pytest.raises(Refused, match="is for"):
        wire.open_status(wire.encode_status(STATUS), site="demo", agent="hall-b")


def test_topics() -> None:
    assert wire.topic("demo", "hall-a", "set") == "surplus/v2/demo/hall-a/set"
    assert wire.parse_topic("surplus/v2/demo/hall-a/report", "demo") == ("hall-a", wire.Leaf.REPORT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "surplus/v2/demo/hall-a",
        "surplus/v1/demo/hall-a/set",
        "surplus/v2/other/hall-a/set",
        "surplus/v2/demo/a/x",
        "surplus/v2/demo/a/set/x",
    ],
)
def test_a_topic_of_nobody_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="the topic"):
        wire.parse_topic(text, "demo")
