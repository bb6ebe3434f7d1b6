"""Random bytes for DLMS/COSEM: whatever comes is an answer that stands in it, or a loss; a sealed message opens whole or not."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from drivers.errors import ConfigError, DriverLoss
from drivers.meters.codec import Dropped
from drivers.meters.dlms import acse, hdlc, wrapper, xdlms
from drivers.meters.dlms.cursor import ByteCursor
from drivers.meters.dlms.data import data
from drivers.meters.dlms.profiles import load_dlms_profile, parse_dlms_profile
from drivers.meters.dlms.protection import Keys, NotGenuine, Protection
from drivers.meters.dlms.values import MeterClock, value_of
from drivers.meters.dlms.xdlms import Attribute, Denied
from drivers.quantities import QuantityKind
from simulators.substation.dlms_server import framed

_KEYS: Final = Keys(encryption=bytes(range(16)), authentication=bytes(range(16, 32)))
#: What each kind of input begins with; the rest is put together by chance.
_SEEDS: Final = tuple(
    bytes.fromhex(text)
    for text in (
        "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040000501f01f40007",
        "6142a109060760857405080103a203020100a305a10302010ea40a0408475258000000000188020780890760857405080205aa0a80080001020304050607",
        "0800065f1f040000501f01f40007",
        "c401c10006000004d2",
        "c401c10002020f02161b",
        "c403c2020011050104",
        "c402c1000000000100020102",
        "c701c100010009110102030405060708090a0b0c0d0e0f1011",
        "d80102",
        "0e010601",
        "0203020109040a0141170000000018000000000000000015ffffffffffffffff",
        "090c07e801010100000000ff800000",
    )
)
_PROFILE: Final = """\
id: fuzzed
vendor: Us
model: One
confidence: partial
sources: [a manual]
makers: [LGZ]
quantities:
  active_power_w: {code: 1-0:1.7.0, subtract: 1-0:2.7.0, class: 3}
  energy_import_wh: {code: 1-0:1.8.0.255, class: 4}
"""
_MEASURED: Final = load_dlms_profile("dlms_electricity").quantities["active_power_w"]


def dlms(seed: int, inputs: int) -> int:
    """Feed `inputs` pieces to all that decodes; return how many were taken."""
    dice, accepted = random.Random(seed), 0
    kinds: tuple[Callable[[random.Random], bool], ...] = (_value, _answer, _frame, _wrapped, _sealed, _number)
    for _ in range(inputs):
        kind = _profile if dice.random() < 0.002 else dice.choice(kinds)
        accepted += kind(dice)
    return accepted


def _spoilt(dice: random.Random, content: bytes) -> bytes:
    """Return bytes with up to four faults."""
    spoilt = bytearray(content)
    for _ in range(dice.choice((0, 1, 1, 2, 4))):
        at = dice.randrange(len(spoilt) + 1)
        kind = dice.randrange(4)
        if kind == 0:
            spoilt[at:at] = dice.randbytes(dice.choice((1, 1, 4, 40)))
        elif kind == 1:
            del spoilt[at : at + dice.choice((1, 1, 8))]
        elif kind == 2 and at < len(spoilt):
            spoilt[at] = dice.choice((0, 1, 2, 0x7F, 0x80, 0x81, 0x84, 0xFF, dice.randrange(256)))
        else:
            spoilt[at:] = dice.choice(_SEEDS)
    return bytes(spoilt)


def _piece(dice: random.Random) -> bytes:
    return dice.randbytes(dice.randrange(60)) if dice.random() < 0.2 else _spoilt(dice, dice.choice(_SEEDS))


def _value(dice: random.Random) -> bool:
    content = _piece(dice)
    cursor = ByteCursor(content)
    try:
        data(cursor)
    except DriverLoss:
        return False
    assert 0 <= cursor.left < len(content)
    return True


def _answer(dice: random.Random) -> bool:
    read = dice.choice((xdlms.response, acse.answer, xdlms.initiate_response))
    try:
        read(_piece(dice))
    except DriverLoss:
        return False
    return True


def _frame(dice: random.Random) -> bool:
    """A frame that is taken stands in the stream as another implementation writes it."""
    info = dice.randbytes(dice.choice((0, 1, 8, 100)))
    sent = framed(b"\x21", dice.choice((b"\x03", b"\x02\x23", b"\x00\x02\x00\x23")), dice.randrange(256), info)
    noise = dice.randbytes(dice.randrange(6)) if dice.random() < 0.5 else b""
    stream = noise + (sent if dice.random() < 0.5 else _spoilt(dice, sent))
    received, frame, at = bytearray(), None, 0
    try:
        while at < len(stream) and frame is None:
            size = dice.choice((1, 3, 300))
            received += stream[at : at + size]
            at += size
            frame = hdlc.take(received)
    except DriverLoss:
        return False
    if frame is None:
        return False
    again = framed(frame.to, frame.sender, frame.control, frame.info, segmented=frame.segmented)
    assert again[:-1] in stream, f"{frame} was not sent in {stream.hex()}"
    return True


def _wrapped(dice: random.Random) -> bool:
    apdu = _piece(dice)
    received = bytearray(_spoilt(dice, wrapper.wrapped(1, 16, apdu)))
    before = bytes(received)
    try:
        found = wrapper.take(received)
    except DriverLoss:
        return False
    if found is None:
        assert bytes(received) == before
        return False
    assert before.startswith(wrapper.wrapped(*found))
    return True


def _sealed(dice: random.Random) -> bool:
    """What is opened is what was sealed, and nothing that was spoilt is opened."""
    ours, theirs = Protection(_KEYS, 0, b"OURSOURS"), Protection(_KEYS, dice.randrange(2**32), b"THEIRS!!")
    ours.meet(b"THEIRS!!")
    plain = bytes([xdlms.GET_REQUEST]) + dice.randbytes(dice.randrange(200))
    sealed = bytes([0xC8]) + theirs.seal(plain)[1:]
    spoilt = sealed if dice.random() < 0.3 else _spoilt(dice, sealed)
    try:
        opened = ours.open(spoilt)
    except (NotGenuine, DriverLoss):
        assert spoilt != sealed
        return False
    assert opened == plain or spoilt[:1] in {b"\xd8", b"\x0e"}, spoilt.hex()
    return True


def _number(dice: random.Random) -> bool:
    """Whatever stands in the attributes, the value is a finite number or has a reason."""
    things = (
        *(None, True, 0, -1, 2**63, 2**64 - 1, 1e308, -1e308, float("nan"), float("inf"), "12", b"\x00" * 12, ()),
        *((0, 27), (12, 27), (-12, 27), (13, 27), (0, 30), ("0", 27), (0,), (True, 27), (0, 27, 1)),
        *(
            Denied(4, "no such object"),
            dice.randrange(-(2**31), 2**31),
            (dice.randrange(-128, 128), dice.randrange(256)),
        ),
    )
    got = {each: dice.choice(things) for number in _MEASURED.numbers for each in (number.value, number.scaler_unit)}
    value = value_of(_MEASURED, QuantityKind.POWER, got)
    MeterClock().taken_s(dice.choice(things), 1.0)
    if isinstance(value, Dropped):
        assert value.reason
        return False
    assert abs(value) < float("inf")
    return True


def _profile(dice: random.Random) -> bool:
    lines = _PROFILE.splitlines()
    for _ in range(dice.choice((1, 2))):
        at = dice.randrange(len(lines))
        column = dice.randrange(len(lines[at]) + 1)
        word = dice.choice(("1-0:256.7.0", "[", "}", "&a", "class: 7", "subtract", "~", "\x00", "é", ": ", "  "))
        lines[at] = lines[at][:column] + word + lines[at][column + dice.randrange(6) :]
    try:
        profile = parse_dlms_profile("\n".join(lines), "some.yaml")
    except ConfigError as error:
        strange = [line for line in str(error).splitlines() if not line.startswith("some.yaml")]
        assert not strange, strange
        return False
    assert all(isinstance(number.value, Attribute) for each in profile.quantities.values() for number in each.numbers)
    return True
