"""Answers of OPC UA servers with values of any type, whole and broken: what is published is what asyncua's decoder sees."""

from __future__ import annotations

import contextlib
import logging
import math
import random
import struct
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from asyncua.ua.uaerrors import UaError

from drivers.errors import DriverLoss
from drivers.meters.opcua import wire
from drivers.meters.opcua.points import Point
from drivers.meters.opcua.units import UnitRefusedError, factor
from drivers.meters.opcua.variants import Opaque
from drivers.meters.opcua.watch import Clockwork, Item, PointWatch
from drivers.readings import Loss, Quality, Sample

NOON: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
FLOATS: Final = (0.0, -0.0, 1.0, 812.5, math.inf, -math.inf, math.nan, 1.7e308, 5e-324, -1e300, 3.4e38)
STATUSES: Final = (0, 0, 0, 0x40900000, 0x40910000, 0x80000000, 0x80320000, 0x00960000, 0x00000480, 0x40000500)
_INTEGERS: Final = {
    ua.VariantType.SByte: 8, ua.VariantType.Byte: 8, ua.VariantType.Int16: 16, ua.VariantType.UInt16: 16,
    ua.VariantType.Int32: 32, ua.VariantType.UInt32: 32, ua.VariantType.Int64: 64, ua.VariantType.UInt64: 64,
}  # fmt: skip


def opcua_values(seed: int, inputs: int) -> int:
    """Decode `inputs` values in answers of some, a third of them broken; return how many came out as numbers."""
    logging.getLogger("drivers.meters").setLevel(logging.CRITICAL)  # it tells of each
    dice, accepted, done = random.Random(seed), 0, 0
    while done < inputs:
        count = min(dice.randint(1, 5), inputs - done)
        accepted += _one(dice, [_data_value(dice) for _ in range(count)])
        done += count
    return accepted


def _one(dice: random.Random, values: list[ua.DataValue]) -> int:
    response = ua.ReadResponse()
    response.Results = values
    whole = struct_to_binary(response)
    broken = dice.random() < 1 / 3
    data = _broken(dice, whole) if broken else whole
    try:
        decoded = wire.read(Buffer(data), len(values))
    except (DriverLoss, UaError) as error:
        if broken:
            return 0
        raise AssertionError(f"{values} are not broken") from error
    if not broken:
        for mine, theirs in zip(decoded, struct_from_binary(ua.ReadResponse, Buffer(whole)).Results, strict=True):
            _same(mine, theirs)
    return sum(_published(dice, value) for value in decoded)


def _broken(dice: random.Random, data: bytes) -> bytes:
    made = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 5))):
        made[dice.randrange(len(made))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
    return bytes(made[: dice.randrange(len(made))] if dice.random() < 0.3 else made)


def _same(mine: wire.Value, theirs: ua.DataValue) -> None:
    """Raise AssertionError where two decoders disagree."""
    raw = None if theirs.Value is None else theirs.Value.Value
    assert _alike(mine.raw, raw), f"{mine} is not {theirs}"
    assert mine.status == (theirs.StatusCode.value if theirs.StatusCode is not None else 0)
    stamp = theirs.SourceTimestamp
    if stamp is None or mine.source_s is None:
        assert stamp is None or stamp.year in {1601, 9999}, f"{mine} is not {theirs}"
    else:
        assert abs(mine.source_s - (stamp - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) < 1e-3


def _alike(mine: Any, theirs: Any) -> bool:
    """Whether a value is theirs; what is opaque here says nothing but its type."""
    if isinstance(mine, list) and isinstance(theirs, list) and mine:
        flat = _flat(theirs)
        return len(mine) == len(flat) and all(map(_alike, mine, flat))
    if isinstance(theirs, datetime):
        return mine is None or mine == theirs
    return isinstance(mine, Opaque) or repr(mine) == repr(theirs)


def _flat(values: list[Any]) -> list[Any]:
    return [each for value in values for each in (_flat(value) if isinstance(value, list) else [value])]


def _published(dice: random.Random, value: wire.Value) -> bool:
    """Publish a value as a read and as a change, and as a unit; return whether there was a number."""
    now_s, seen = 1000.0, list[Sample | Loss]()
    point = Point(
        id="x", node="i=1", source_max_age_s=dice.choice((None, 5.0)), suspect_after_s=dice.choice((3.0, 1e9))
    )
    watch, clockwork = PointWatch(point, seen.append), Clockwork(lambda: now_s)
    clockwork.hear(NOON, now_s)
    item = Item(point=watch, quantity="active_power_w", node=ua.NodeId(1), factor=dice.choice((1.0, -1e3, 1e9, 1e-3)))
    for take in (lambda: item.confirm(value, clockwork, now_s, now_s), lambda: item.change(value, clockwork, now_s)):
        take()
        watch.publish(clockwork, now_s)
    for sample in seen:
        _sound(sample, value, item.factor)
    with contextlib.suppress(UnitRefusedError):
        factor(value.raw, dice.choice((None, "MW")), "W", dice.choice((None, None, "mw")))
    return any(isinstance(sample, Sample) and sample.values for sample in seen)


def _sound(sample: Sample | Loss, value: wire.Value, by: float) -> None:
    """Raise AssertionError for a value that is no number of a good status, from the future, or without its reason."""
    assert isinstance(sample, Sample), sample
    assert sample.taken_at_s <= sample.arrived_at_s, f"{value}: {sample}"
    assert bool(sample.values) is not bool(sample.invalid), f"{value}: {sample}"
    assert bool(sample.values) is (sample.quality is not Quality.BAD), f"{value}: {sample}"
    for number in sample.values.values():
        assert type(value.raw) in {int, float}, f"{value}: {sample}"
        assert math.isfinite(number), f"{value}: {sample}"
        assert number == value.raw * by, f"{value}: {sample}"
        assert value.status >> 30 < 2, f"{value}: {sample}"


def _data_value(dice: random.Random) -> ua.DataValue:
    stamps = (None, NOON, NOON - timedelta(days=4000), NOON + timedelta(days=365), _any_time(dice))
    return ua.DataValue(
        Value=None if dice.random() < 0.05 else _variant(dice),
        StatusCode=ua.StatusCode(ua.UInt32(dice.choice((*STATUSES, dice.randrange(1 << 32))))),
        SourceTimestamp=dice.choice(stamps),
        ServerTimestamp=dice.choice(stamps),
        SourcePicoseconds=dice.choice((None, 7)),
    )


def _any_time(dice: random.Random) -> datetime:
    return datetime(1, 1, 1, tzinfo=UTC) + timedelta(days=dice.randrange(3_652_000), microseconds=dice.randrange(10**9))


def _variant(dice: random.Random) -> ua.Variant:
    if dice.random() < 0.5:  # what meters have
        kind = dice.choice((ua.VariantType.Float, ua.VariantType.Double, *_INTEGERS, ua.VariantType.Boolean))
    else:
        kind = dice.choice(_KINDS)
    if dice.random() < 0.15:
        values = [_scalar(dice, kind) for _ in range(dice.choice((0, 1, 2, 6)))]
        matrix = [2, 3] if len(values) == 6 and dice.random() < 0.5 else None
        return ua.Variant(values, kind, is_array=True, Dimensions=matrix)
    return ua.Variant(_scalar(dice, kind), kind)


def _scalar(dice: random.Random, kind: ua.VariantType) -> Any:
    if kind in _INTEGERS:
        signed = "U" not in kind.name and kind.name != "Byte"
        bits = _INTEGERS[kind]
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        return dice.choice((0, low, high, dice.randint(low, high)))
    if kind is ua.VariantType.Float:
        return struct.unpack("<f", struct.pack("<I", dice.randrange(1 << 32)))[0]
    if kind is ua.VariantType.Double:
        return dice.choice((*FLOATS, dice.uniform(-1e9, 1e9)))
    return _ODD[kind](dice)


def _text(dice: random.Random) -> str | None:
    return dice.choice(
        (None, "", "mw", "[kW]", "MW el", "812.5", "".join(map(chr, dice.choices(range(32, 0x2FFF), k=9))))
    )


def _unit(dice: random.Random) -> ua.EUInformation:
    return ua.EUInformation(
        NamespaceUri=_text(dice),
        UnitId=ua.Int32(dice.choice((0, -1, 5062999, 4408652, dice.randint(-(1 << 31), (1 << 31) - 1)))),
        DisplayName=ua.LocalizedText(_text(dice), _text(dice)),
        Description=ua.LocalizedText(_text(dice)),
    )


#: Types that are no numbers -> how one is made.
_ODD: Final = {
    ua.VariantType.Boolean: lambda dice: dice.random() < 0.5,
    ua.VariantType.String: _text,
    ua.VariantType.DateTime: lambda dice: NOON + timedelta(seconds=dice.randrange(10**6)),
    ua.VariantType.Guid: lambda dice: UUID(int=dice.getrandbits(128)),
    ua.VariantType.ByteString: lambda dice: dice.randbytes(dice.randrange(9)),
    ua.VariantType.NodeId: lambda dice: ua.NodeId(ua.Int32(dice.randrange(1 << 20)), ua.Int16(dice.randrange(9))),
    ua.VariantType.StatusCode: lambda dice: ua.StatusCode(ua.UInt32(dice.choice(STATUSES))),
    ua.VariantType.QualifiedName: lambda dice: ua.QualifiedName(_text(dice) or "", ua.UInt16(dice.randrange(9))),
    ua.VariantType.LocalizedText: lambda dice: ua.LocalizedText(_text(dice), _text(dice)),
    ua.VariantType.ExtensionObject: lambda dice: dice.choice((_unit, _unit, _range, _unknown))(dice),
}
_KINDS: Final = tuple(_ODD)


def _range(dice: random.Random) -> ua.Range:
    return ua.Range(Low=dice.choice(FLOATS), High=dice.choice(FLOATS))


def _unknown(dice: random.Random) -> ua.ExtensionObject:
    """Return a structure of a model that nobody here knows."""
    return ua.ExtensionObject(
        ua.NodeId(ua.Int32(5000 + dice.randrange(99)), ua.Int16(3)), dice.randbytes(dice.randrange(12))
    )
