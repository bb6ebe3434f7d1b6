from __future__ import annotations

import argparse
import dataclasses
import math

import pytest

from simulators.substation.modbus_server import Faults, Habits
from simulators.substation.options import (
    add_fault_options,
    add_habit_options,
    add_trap_options,
    faults_of,
    habits_of,
    traps_of,
)
from simulators.substation.traps import Traps

EVERYTHING = """
    --exception 6 --mute --dead silence --delay 0.5 --late 0.2 --unit-shift 1 --transaction-shift 2 --crossed --cut-to 5
    --split 0.1 --extra aabb --leading 00 --number 0 --checksum counted --refused 2 --spoilt
    --factor frequency_hz=100 --scale-error 0.001 --limit active_power_w=1e6 --resolution active_power_w=21740 --flip-sign
    --swap-energies --counter l1 --reset-every 60 --rollover 1e9 --no-value current_l1_a --nan --zero-for inf --rhythm 1
    --frozen --address-shift 1 --moved frequency_hz=46 --swap-words --swap-bytes --coarser 1 --restless --power-factor ieee
    --sunspec-base 0 --sunspec-maker SolarEdge --sunspec-meters 3 --sunspec-nth 2
    --close-after 2 --idle 30 --connections 1 --another left --banner 2e2e
"""


def parsed(text: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_fault_options(parser)
    add_habit_options(parser)
    add_trap_options(parser)
    return parser.parse_args(text.split())


def test_nothing_misbehaves_unless_it_is_told_to():
    assert faults_of(parsed("")) == Faults()
    assert habits_of(parsed("")) == Habits()
    assert traps_of(parsed("")) == Traps(factors={"active_power_w": 1.0})


def test_every_fault_and_every_trap_has_an_option():
    told = parsed(EVERYTHING)
    for made, good in (
        (faults_of(told), Faults()),
        (traps_of(told), Traps()),
        (habits_of(told), Habits()),
    ):
        same = [
            each.name
            for each in dataclasses.fields(made)
            if each.init and getattr(made, each.name) == getattr(good, each.name)
        ]
        assert same == []
    traps = traps_of(told)
    assert traps.factors == {"frequency_hz": 100.0, "active_power_w": 0.001}
    assert traps.moved == {"frequency_hz": 46}
    assert traps.no_value == {"current_l1_a", "all"}
    assert traps.zero_for_s == math.inf
    assert faults_of(told).extra == b"\xaa\xbb"


@pytest.mark.parametrize("text", ["--factor active_power_w", "--counter day", "--extra xyz"])
def test_options_that_are_not_usable(text, capsys):
    with pytest.raises(SystemExit):
        parsed(text)
    assert text.split()[0] in capsys.readouterr().err
