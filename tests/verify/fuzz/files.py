"""Mutated profile files: the loader returns a profile that reads and decodes, or raises ConfigError with the file's name."""

from __future__ import annotations

import random
import re
import time
from importlib.resources import files as resources

from drivers.errors import ConfigError
from drivers.meters.blocks import plan
from drivers.meters.codec import decode
from drivers.meters.encodings import TYPES
from drivers.meters.profiles import MOST_REGISTERS, QUANTITIES, Profile, bind, bundled_profiles, parse_profile
from tests.verify.fuzz.values import check

#: The longest that one small file may take; a hundred times the usual, for a machine that is busy elsewhere.
SLOWEST_S = 5.0

EVERY_KEY = """\
id: every_key
vendor: Us
model: One
confidence: partial
sources: [a manual]
notes: [mind]
word_order: little
byte_order: little
largest_block: 20
largest_gap: 3
shortest_poll: 0.5
unit_id: 0
secondary: true
zero_not_ready: true
identity: [{fc: 3, address: 11, words: [0x668]}]
invalid: {int16: [0x8000, [0x7FF0, 0x7FFF]], uint32: [0xFFFFFFFF]}
sunspec_models: [201, 202]
registers:
  active_power_w: {fc: 3, address: 10, subtract: [12], type: uint32, unit: W, word_order: big, doubt: which is import}
  frequency_hz: {fc: 3, address: 5, type: uint16, lin3: [45, 65], unit: Hz, plausible: [45, 65]}
  reactive_power_var: {fc: 3, address: 6, type: uint16, lin3: full_scale, unit: var, sign: -1}
  current_l1_a: {fc: 4, address: 20, type: int16, scale_address: 24, unit: A}
  energy_import_wh: {fc: 4, address: [30, 34], type: mod10000_48, scale: 0.1, unit: kWh}
"""

PLAIN_WORDS = """
big little full_scale true yes null ~ W kW kvar mHz [] {} 0 1 -1 3 4 125 126 65535 65536 1e400 1e-12 .inf -.inf .nan 0x 0o7
010 1:30 2001-02-30 &a *a !!int !!python/none !!binary << --- ... | > ' " # é
"""
ODD_WORDS = [
    "? ",
    ": ",
    "- ",
    "\x00",
    "\ud800",
    "\ufeff",
    "\u2028",
    "\t",
    "%YAML 1.1",
    "9" * 30,
    "0x" + "F" * 17,
    "[" * 60,
]
WORDS = [*QUANTITIES, *TYPES, *PLAIN_WORDS.split(), *ODD_WORDS]
TOKEN = re.compile(r"[\w.]+")


def mutated(dice: random.Random, text: str) -> str:
    """Return `text` with one to four faults."""
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        lines = text.split("\n")
        at = dice.randrange(len(lines))
        kind = dice.randrange(8)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, lines[dice.randrange(len(lines))])
        elif kind == 2:
            lines[at] = " " * dice.randrange(5) + lines[at].lstrip(" ")
        elif kind == 3:
            column = dice.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:column] + dice.choice(WORDS) + lines[at][column:]
        elif kind == 4:
            column = dice.randrange(len(lines[at]) + 1)
            lines[at] = (
                lines[at][:column]
                + chr(dice.choice((dice.randrange(128), dice.randrange(0x11000))))
                + lines[at][column + 1 :]
            )
        elif kind == 5:
            lines = lines[:at] + lines[at + dice.randrange(4) :]
        elif tokens := list(TOKEN.finditer(lines[at])):
            token = dice.choice(tokens)
            word = (
                dice.choice(WORDS)
                if kind == 6
                else str(dice.choice((dice.randrange(70000), dice.random(), -dice.randrange(9))))
            )
            lines[at] = lines[at][: token.start()] + word + lines[at][token.end() :]
        text = "\n".join(lines)
    return text


def files(seed: int, inputs: int) -> int:
    """Load `inputs` mutated files; return how many were profiles."""
    dice, accepted = random.Random(seed), 0
    seeds = texts()
    for _ in range(inputs):
        text = mutated(dice, dice.choice(seeds))
        begun_s = time.perf_counter()
        try:
            profile = parse_profile(text, "some.yaml")
        except ConfigError as error:
            wrong = [line for line in str(error).splitlines() if not line.startswith("some.yaml:")]
            assert not wrong, f"{wrong} for {text!r}"
        else:
            use(dice, profile)
            accepted += 1
        took_s = time.perf_counter() - begun_s
        assert took_s < SLOWEST_S, f"{took_s} s for {text!r}"
    return accepted


def use(dice: random.Random, profile: Profile) -> None:
    """Raise AssertionError where a profile that was accepted cannot be read or decoded."""
    ready = bind(profile, 1e6) if profile.needs_full_scale else profile
    for block in plan(ready):
        assert block.fc in {3, 4}
        assert 1 <= block.count <= min(ready.largest_block, MOST_REGISTERS)
        assert 0 <= block.address <= 65536 - block.count
    for register in ready.registers.values():
        parts = [[dice.randrange(65536) for _ in range(count)] for _, count in register.reads]
        check(register, parts, decode(register, parts))


def texts() -> list[str]:
    """Return the file with every key, often, and every bundled file with four of its quantities."""
    folder = resources("drivers.meters") / "profiles"
    bundled = [(folder / f"{name}.yaml").read_text(encoding="utf-8") for name in bundled_profiles()]
    shortened = [
        "\n".join(line for line in text.splitlines() if not re.match(r"  (voltage|current|\w+_l\d)", line))
        for text in bundled
    ]
    return [EVERY_KEY] * len(shortened) + shortened
