"""Every bundled profile: raw numbers into registers by an encoder written apart, over a real socket, through the driver.

What must come out is reckoned here, in fractions and from the profile's plain YAML: neither the decoder nor the loaded
profile is asked. It must come out to the last bit of a float64, which is finer than the last digit of any register.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
import struct
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest
import yaml

from drivers.meters.profiles import Profile, bind, bundled_profiles, load_profile, parse_profile
from simulators.substation.encoder import encode, identity, read_data
from simulators.substation.modbus_server import Unit
from tests.drivers.meters.wire import on_the_wire

FULL_SCALE_W = 108_682_560.0
PREFIXES = {"": 1, "m": Fraction(1, 1000), "k": 10**3, "M": 10**6, "G": 10**9}
LARGEST_FLOAT32 = 3.4028234663852886e38

#: The least and the greatest number that types of integers tell. A signed one at either end and any other at its top says
#: "saturated", an accumulator at 0 "none yet". A LIN3 tells nothing at its ends, where a dead meter is.
REACH = {
    "int": lambda bits: (2 - 2 ** (bits - 1), 2 ** (bits - 1) - 2),
    "sm": lambda bits: (2 - 2 ** (bits - 1), 2 ** (bits - 1) - 2),
    "uint": lambda bits: (0, 2**bits - 2),
    "acc": lambda bits: (1, 2**bits - 2),
    "bcd": lambda bits: (0, 10 ** (bits // 4) - 2),
    "mod10000_": lambda bits: (0, 10 ** (bits // 4) - 2),
}


class Quantity:
    """One row of a profile, and the numbers that its registers can show."""

    def __init__(self, data: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        self.row = row
        self.kind, bits = re.fullmatch(r"(mod10000_|[a-z]+)(\d+)", row["type"]).groups()
        self.bits = int(bits)
        marks = data.get("invalid", {}).get(row["type"], [])
        self.marks = [mark if isinstance(mark, list) else [mark, mark] for mark in marks]
        prefix, _ = re.fullmatch(r"(.?)(Wh|W|var|Hz|V|A)", row["unit"]).groups()
        self.per_raw = Fraction(str(row.get("scale", 1))) * PREFIXES[prefix] * row.get("sign", 1)
        self.at_zero = Fraction(0)
        if "lin3" in row:
            full = Fraction(FULL_SCALE_W) / PREFIXES[prefix]
            low, high = (-full, full) if row["lin3"] == "full_scale" else (Fraction(str(end)) for end in row["lin3"])
            self.at_zero, self.per_raw = low * self.per_raw, (high - low) / 9999 * self.per_raw

    def value(self, raw: Fraction, exponent: int = 0) -> Fraction:
        return self.at_zero + raw * self.per_raw * Fraction(10) ** exponent

    def draw(self, rng: random.Random, at: str, exponent: int) -> Fraction:
        """Return the value of some raw number, or of the ``lowest`` or ``highest``, that is neither mark nor nonsense."""
        low, high = self._float_reach() if self.kind == "float" else self._integer_reach()
        if "plausible" in self.row:
            zero, one = self.value(Fraction(0), exponent), self.value(Fraction(1), exponent)
            ends = sorted((Fraction(str(end)) - zero) / (one - zero) for end in self.row["plausible"])
            low, high = max(low, ends[0]), min(high, ends[1])
        if at == "lowest":
            raw = low if self.kind == "float" else self._unmarked(math.ceil(low), 1)
        elif at == "highest":
            raw = high if self.kind == "float" else self._unmarked(math.floor(high), -1)
        else:
            raw = self._random_float(rng, low, high) if self.kind == "float" else self._unmarked(
                rng.randint(math.ceil(low), math.floor(high)), 1 if rng.random() < 0.5 else -1
            )  # fmt: skip
        return self.value(Fraction(raw), exponent)

    def _float_reach(self) -> tuple[Fraction, Fraction]:
        top = Fraction(LARGEST_FLOAT32 if self.bits == 32 else 2.0**990)
        return -top, top

    def _integer_reach(self) -> tuple[Fraction, Fraction]:
        low, high = (1, 9998) if "lin3" in self.row else REACH[self.kind](self.bits)
        return Fraction(-high if "subtract" in self.row else low), Fraction(high)

    def _unmarked(self, raw: int, step: int) -> int:
        """Return the nearest number in the direction of `step` that is no mark; ends of ranges are jumped over."""
        while mark := next((mark for mark in self.marks if mark[0] <= raw % 2**self.bits <= mark[1]), None):
            raw += step * (mark[1] - mark[0] + 1)
        return raw

    def _random_float(self, rng: random.Random, low: Fraction, high: Fraction) -> Fraction:
        """Return a float32 with any bits, or a float64 with some bits to spare, as sums of two are shared out exactly."""
        while True:
            number = struct.unpack(">f", rng.randbytes(4))[0]
            if "plausible" in self.row:
                number = struct.unpack(">f", struct.pack(">f", rng.uniform(float(low), float(high))))[0]
            elif self.bits == 64:
                number = rng.randint(-(2**50), 2**50) * 2.0 ** rng.randint(-20, 20)
            if math.isfinite(number) and low <= Fraction(number) <= high:
                return Fraction(number)


#: Quantity to its exact value in SI units; None where the meter shows its mark for no value.
Shown = Mapping[str, Fraction | None]


def sets_of_values(data: Mapping[str, Any]) -> list[Shown]:
    """Return what the meter shows, one after the other: at random, at both ends, and with marks here and there."""
    rng = random.Random(data["id"])
    quantities = {name: Quantity(data, row) for name, row in data["registers"].items()}

    def draw(at: str) -> dict[str, Fraction]:
        scales = {row.get("scale_address"): rng.randint(-2, 0 if "plausible" in row else 5) for row in rows}
        return {
            name: quantity.draw(
                rng, at, scales[quantity.row["scale_address"]] if "scale_address" in quantity.row else 0
            )
            for name, quantity in quantities.items()
        }

    rows = list(data["registers"].values())
    names = list(quantities)
    with_marks = [{**draw("random"), **dict.fromkeys(missing)} for missing in (names[::2], names[1::2])]
    return [draw(at) for at in ("lowest", "highest", *["random"] * 8)] + with_marks


def all_come_out(data: Mapping[str, Any], loaded: Profile) -> None:
    """Serve one set of values after the other; what the driver publishes must be exactly these."""
    profile = bind(loaded, FULL_SCALE_W if loaded.needs_full_scale else None)
    image = encode(data, {}, full_scale_w=FULL_SCALE_W)

    async def scenario() -> None:
        unit = Unit(lambda: image, largest_block=profile.largest_block, alone=identity(data))
        async with on_the_wire(unit, profile) as wire:
            for shown in sets_of_values(data):
                told = {name: math.nan if value is None else value for name, value in shown.items()}
                image.update(encode(data, told, full_scale_w=FULL_SCALE_W))
                read = await wire.read()
                assert read.values == {name: float(value) for name, value in shown.items() if value is not None}
                assert read.invalid.keys() == {name for name, value in shown.items() if value is None}

    asyncio.run(scenario())


@pytest.mark.parametrize("profile_id", bundled_profiles())
def test_every_quantity_comes_out_as_it_was_to_the_last_digit(profile_id):
    all_come_out(read_data(profile_id), load_profile(profile_id))


#: Every way to write a number that a profile may name, by quantity.
EVERY_WAY = {
    "active_power_w": {"type": "int32", "subtract": [2], "scale": 0.1, "unit": "W"},
    "reactive_power_var": {"type": "sm16", "unit": "kvar", "scale": 0.001},
    "frequency_hz": {"type": "uint16", "lin3": [45, 65], "unit": "Hz"},
    "energy_import_wh": {"type": "mod10000_48", "unit": "kWh"},
    "energy_export_wh": {"type": "mod10000_64", "unit": "Wh", "scale": 0.01},
    "active_power_l1_w": {"type": "int16", "unit": "kW", "sign": -1},
    "active_power_l2_w": {"type": "uint16", "lin3": "full_scale", "unit": "W"},
    "active_power_l3_w": {"type": "int64", "unit": "W", "scale": 0.001},
    "voltage_l1_n_v": {"type": "bcd16", "unit": "V", "scale": 0.1},
    "voltage_l2_n_v": {"type": "bcd32", "unit": "V"},
    "voltage_l3_n_v": {"type": "bcd64", "unit": "kV", "scale": 0.001},
    "voltage_l1_l2_v": {"type": "uint32", "unit": "V"},
    "voltage_l2_l3_v": {"type": "uint64", "unit": "V", "scale": 0.001},
    "voltage_l3_l1_v": {"type": "mod10000_32", "unit": "V"},
    "current_l1_a": {"type": "float32", "unit": "mA"},
    "current_l2_a": {"type": "float64", "unit": "A", "word_order": "little"},
    "current_l3_a": {"type": "uint32", "unit": "A", "address": [120, 124, 128]},
}

#: The same for what only SunSpec has: exponents beside the numbers, accumulators.
EVERY_SUNSPEC_WAY = {
    "active_power_w": {"type": "int16", "unit": "W", "scale_address": 110},
    "reactive_power_var": {"type": "int32", "unit": "var", "scale_address": 111},
    "frequency_hz": {"type": "uint16", "unit": "Hz", "scale_address": 112},
    "energy_import_wh": {"type": "acc32", "unit": "Wh", "scale_address": 113},
    "energy_export_wh": {"type": "acc64", "unit": "Wh"},
}


@pytest.mark.parametrize("byte_order", ["big", "little"])
@pytest.mark.parametrize("word_order", ["big", "little"])
@pytest.mark.parametrize("ways", [EVERY_WAY, EVERY_SUNSPEC_WAY], ids=["every_way", "sunspec"])
def test_every_way_to_write_a_number_in_every_order(ways, word_order, byte_order):
    data = {
        "id": "own",
        "vendor": "Us",
        "model": "One",
        "confidence": "partial",
        "sources": ["this test"],
        "word_order": word_order,
        "byte_order": byte_order,
        "largest_gap": 124,
        "registers": {name: {"fc": 3, "address": 6 * at, **row} for at, (name, row) in enumerate(ways.items())},
    }
    all_come_out(data, parse_profile(yaml.safe_dump(data), "own"))
