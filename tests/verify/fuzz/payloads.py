"""Random messages of meters that send JSON, sound and spoilt: each value is what an independent reading of the message says."""

from __future__ import annotations

import json
import math
import random
import re
from functools import cache
from typing import Any, Final

from drivers.meters.payloads.profiles import PayloadProfile, bundled_payloads, load_payload
from drivers.meters.payloads.reading import Arrival, PayloadMeter, PayloadReader
from drivers.quantities import UNITS
from drivers.readings import Loss, Sample
from simulators.substation.messages import messages, read_message_data

NOON_S: Final = 1_764_504_000.0
QUANTITIES: Final = {"w": 1e3, "var": 1e2, "hz": 50.0, "wh": 1e6, "v": 230.0, "a": 10.0}
#: What a value is replaced by, as JSON; the last are none.
ODD: Final = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1e308",
    "1e309",
    "1e400",
    "-1e400",
    "1e-400",
    "NaN",
    "Infinity",
    "-Infinity",
    "123456789012345678901234567890",
    '""',
    '"1"',
    '"1.5"',
    '"1_0"',
    '"0x1"',
    '"nan"',
    '"inf"',
    '"unavailable"',
    '"',
    '1"',
    '"1e999"',
    '"\\u0663"',
    "[]",
    "[1]",
    "[1,2,3]",
    "{}",
    '{"0":1}',
    '{"":1}',
    "01",
    "+1",
    "1.",
    ".5",
    "1,5",
    "'1'",
    "-",
]
#: Pieces that are put anywhere.
BITS: Final = (
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"\\",
    b"\x00",
    b"\xff",
    b"<",
    b" ",
    b"9" * 50,
    b"[" * 3000,
    b"\xed\xa0\x80",
)


@cache
def readers() -> tuple[tuple[dict[str, Any], PayloadProfile], ...]:
    """Return every bundled profile with its data."""
    return tuple((read_message_data(name), load_payload(name)) for name in bundled_payloads())


def payloads(seed: int, inputs: int) -> int:
    """Read `inputs` random messages; return how many gave a power."""
    dice, accepted = random.Random(seed), 0
    for _ in range(inputs):
        data, profile = dice.choice(readers())
        unit = dice.choice(("W", "kW", None))
        reader = PayloadReader(PayloadMeter(id="m", profile=profile, unit=unit), lambda: NOON_S)
        bodies = {topic: spoilt(body, dice) for topic, body in sound(data, dice).items()}
        seen = reader.read(
            bodies, Arrival(asked_s=99.0, arrived_s=100.0, date_s=dice.choice((None, NOON_S, 0.0, 1e18)))
        )
        accepted += check(data, unit, bodies, seen)
    return accepted


def sound(data: dict[str, Any], dice: random.Random) -> dict[str, bytes]:
    """Return messages of random sound values, all of one reading."""
    values = {name: QUANTITIES[name.rsplit("_", 1)[1]] * dice.uniform(-2, 2) for name in data["fields"]}
    return messages(data, values, NOON_S + dice.choice((-1e9, -50.0, -1.0, 0.0, 1.0, 50.0)))


def spoilt(body: bytes, dice: random.Random) -> bytes:
    """Return a message as it is, with an odd value in it, or with its bytes shuffled, cut and put together."""
    how = dice.random()
    if how < 0.3:
        return body
    if how < 0.7:
        numbers = list(re.finditer(rb"-?[0-9]+\.?[0-9]*(?:e[-+][0-9]+)?|true|\"[^\"]*\"", body))
        if not numbers:
            return body
        one = dice.choice(numbers)
        return body[: one.start()] + dice.choice(ODD).encode() + body[one.end() :]
    at = dice.randrange(len(body) + 1)
    if how < 0.8:
        return body[:at]
    if how < 0.9:
        return body[:at] + dice.choice(BITS) + body[at:]
    return dice.randbytes(dice.randrange(40))


def check(data: dict[str, Any], unit: str | None, bodies: dict[str, bytes], seen: Sample | Loss) -> bool:
    """Raise AssertionError where what was seen is not what the messages say; return whether there is a power."""
    if isinstance(seen, Loss):
        assert seen.reason
        assert any(plain(body, data) is None for body in bodies.values()), (bodies, seen)
        return False
    assert seen.taken_at_s <= seen.arrived_at_s, "younger than its arrival"
    assert not seen.values.keys() & seen.invalid.keys()
    assert all(type(value) is float and math.isfinite(value) for value in seen.values.values()), (bodies, seen)
    assert all(reason for reason in seen.invalid.values())
    documents = {topic: plain(body, data) for topic, body in bodies.items()}
    for name, value in seen.values.items():
        expected = shown(data, name, documents, unit)
        assert expected is not None, (name, bodies, value)
        assert value == expected or math.isclose(value, expected, rel_tol=1e-9), (name, bodies, value, expected)
    return "active_power_w" in seen.values


def plain(body: bytes, data: dict[str, Any]) -> Any:
    """Return the document by Python's own reader, None where there is none."""
    try:
        if data.get("form") == "text":
            return body.decode().strip() or None
        return [json.loads(body)]
    except (ValueError, RecursionError):
        return None


def shown(data: dict[str, Any], name: str, documents: dict[str, Any], unit: str | None) -> float | None:
    """Return what a quantity is by the data of its profile, None where the message has no number for it."""
    row = data["fields"][name]
    total = 0.0
    for spot in row["at"] if isinstance(row["at"], list) else [row["at"]]:
        raw = found(spot, documents)
        if isinstance(raw, str) and (row.get("written") or data.get("form") == "text"):
            raw = float(raw)
        if isinstance(raw, bool) or not isinstance(raw, int | float):
            return None
        total += float(raw)
    units = next(
        table
        for table in UNITS.values()
        if {"w": "W", "var": "var", "hz": "Hz", "wh": "Wh", "v": "V", "a": "A"}[name.rsplit("_", 1)[1]] in table
    )
    stated = found(row["unit_at"], documents) if "unit_at" in row else None
    own = unit if name == "active_power_w" and unit else row.get("unit")
    return total * units[stated if isinstance(stated, str) else own or "W"] * row.get("scale", 1) * row.get("sign", 1)


def found(spot: str, documents: dict[str, Any]) -> Any:
    """Return what stands at a place, None where nothing does."""
    topic, _, pointer = ("", "", spot[1:]) if spot.startswith("/") else spot.partition(" /")
    at = documents.get(topic)
    if not pointer:
        return at
    at = at[0]
    for step in pointer.split("/"):
        if isinstance(at, dict):
            at = at.get(step)
        elif isinstance(at, list) and step.isdecimal() and int(step) < len(at):
            at = at[int(step)]
        else:
            return None
    return at
