"""Random registers of random words, and whole answers to every bundled profile: each value is what the reference says."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np

from drivers.meters.blocks import decode_all, plan
from drivers.meters.codec import Dropped, Register, decode
from drivers.meters.encodings import TYPES
from drivers.meters.profiles import Profile, bind, bundled_profiles, load_profile
from tests.verify.fuzz.reference import shown

#: Words at which types, digits, floats and markers change their meaning.
CORNERS = """
0 1 7f 80 ff 100 7fff 8000 8001 fffe ffff 7f7f 7f80 7fc0 ff80 7ff0 8010 fff6 fff5 a b
1388 270e 270f 2710 9999 999a 9a99 0f27 f270 4248 42c8 1027
"""
FACTORS = [
    Fraction(text) for text in ("1", "0.1", "-0.01", "1000", "-1", "10", "1e-12", "1e21", "3.7", "0.001", "-1e12")
]
#: Inputs of one register, so that its making costs little beside its decoding.
RUN = 500


def random_register(dice: random.Random) -> Register:
    """Return any register that the loader could have made, and some that it would refuse."""
    kind = dice.choice(sorted(TYPES))
    low = Fraction(dice.randint(-2000, 2000))
    ends = (low, low + dice.randint(1, 10**6)) if kind == "uint16" and dice.random() < 0.5 else None
    top = (1 << 16 * TYPES[kind].words) - 1
    marked = sorted((dice.randint(0, top), dice.choice((0, top, top // 2))))
    limit = 10.0 ** dice.randint(-3, 12)
    return Register(
        fc=3,
        addresses=tuple(range(0, 4 * dice.choice((1, 1, 1, 2, 3)), 4)),
        subtract=(20,) if dice.random() < 0.2 else (),
        type=kind,
        word_order=dice.choice(("big", "little")),
        byte_order=dice.choice(("big", "big", "little")),
        factor=dice.choice(FACTORS),
        scale_address=30 if dice.random() < 0.2 else None,
        lin3=ends,
        of_full_scale=ends is not None and dice.random() < 0.1,
        invalid=((marked[0], marked[1]),) if dice.random() < 0.2 else (),
        plausible=(-limit, limit) if dice.random() < 0.3 else None,
    )


def random_words(seed: int, rows: int, columns: int) -> list[list[int]]:
    """Return words of which a third are corners."""
    dice = np.random.default_rng(seed)
    words = dice.integers(0, 1 << 16, (rows, columns))
    corners = dice.choice([int(word, 16) for word in CORNERS.split()], (rows, columns))
    # Small numbers, so that sums and exponents of ten are often possible.
    small = dice.integers(0, 12, (rows, columns))
    pick = dice.integers(0, 6, (rows, columns))
    mixed: list[list[int]] = np.where(pick < 2, corners, np.where(pick == 5, small, words)).tolist()
    return mixed


def values(seed: int, inputs: int) -> int:
    """Decode `inputs` random values; return how many were values."""
    dice, accepted = random.Random(seed), 0
    for run in range(0, inputs, RUN):
        register = random_register(dice)
        cuts = [0]
        for _, count in register.reads:
            cuts.append(cuts[-1] + count)
        for row in random_words(seed + run, min(RUN, inputs - run), cuts[-1]):
            parts = [row[low:high] for low, high in pairwise(cuts)]
            accepted += check(register, parts, decode(register, parts))
    return accepted


def answers(seed: int, inputs: int) -> int:
    """Decode `inputs` whole answers of bundled profiles, whose values come out of their blocks; return the values."""
    dice, accepted = random.Random(seed), 0
    for run in range(0, inputs, RUN):
        profile = dice.choice(profiles())
        blocks = plan(profile)
        places = [(block.fc, block.address + index) for block in blocks for index in range(block.count)]
        for row in random_words(seed + run, min(RUN, inputs - run), len(places)):
            rest = iter(row)
            image = dict(zip(places, row, strict=True))
            decoded = decode_all(profile, {block: [next(rest) for _ in range(block.count)] for block in blocks})
            for name, register in profile.registers.items():
                parts = [
                    [image[register.fc, address + index] for index in range(count)] for address, count in register.reads
                ]
                accepted += check(register, parts, decoded[name])
    return accepted


def check(register: Register, parts: Sequence[Sequence[int]], decoded: float | Dropped) -> bool:
    """Raise AssertionError where `decoded` is not what the meter sent; return whether it is a value."""
    expected = shown(register, parts)
    if isinstance(decoded, Dropped):
        if expected is None and decoded.reason:
            return False
    elif math.isfinite(decoded) and decoded == expected:
        return True
    raise AssertionError(f"{register} with {parts}: decoded {decoded}, the meter shows {expected}")


@cache
def profiles() -> tuple[Profile, ...]:
    """Return every bundled profile."""
    found = [load_profile(name) for name in bundled_profiles()]
    return tuple(bind(profile, 1.0e8 if profile.needs_full_scale else None) for profile in found)
