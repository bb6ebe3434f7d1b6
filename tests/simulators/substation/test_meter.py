from __future__ import annotations

import asyncio
import math
import os
import signal
import struct

import pytest

from drivers.errors import DriverLoss
from simulators.substation.__main__ import _trap_on_signal
from simulators.substation.encoder import read_data
from simulators.substation.meter import SimulatedMeter
from simulators.substation.traps import Traps
from simulators.worldlink import Truth

POWER, IMPORT, EXPORT = 3059, 3203, 3207


def truth(power_w: float) -> Truth:
    return Truth(
        t_s=0.0,
        ready=True,
        site_w=power_w,
        node_w={"pcc": power_w},
        surplus_w=0.0,
        export_w=0.0,
        feeder_load_w=0.0,
        frequency_hz=50.0,
        devices_by_state={},
        envelope_w=0.0,
        binding="contract",
    )


def meter(now_s: list[float] | None = None, profile_id: str = "schneider_pm5xxx", **traps) -> SimulatedMeter:
    clock = now_s or [0.0]
    return SimulatedMeter(node="pcc", data=read_data(profile_id), traps=Traps(**traps), clock=lambda: clock[0])


def number(shown: SimulatedMeter, address: int, count: int) -> list[int]:
    return [shown.shown()[3, each] for each in range(address, address + count)]


def power_w(shown: SimulatedMeter) -> float:
    return 1000 * struct.unpack(">f", struct.pack(">2H", *number(shown, POWER, 2)))[0]


def energies_wh(shown: SimulatedMeter) -> tuple[int, int]:
    return number(shown, IMPORT + 2, 2)[0] << 16 | number(shown, IMPORT + 3, 1)[0], number(shown, EXPORT + 3, 1)[0]


def test_energy_counts_up_in_the_direction_of_power():
    now_s = [0.0]
    shown = meter(now_s)
    shown.measure(truth(720_000.0))
    now_s[0] = 10.0
    shown.measure(truth(720_000.0))
    assert number(shown, IMPORT, 4) == [0, 0, 0x000F, 0x4A10]  # 1,000,000 + 2,000 Wh
    now_s[0] = 20.0
    shown.measure(truth(-360_000.0))
    assert number(shown, IMPORT, 4) == [0, 0, 0x000F, 0x4A10]
    assert number(shown, EXPORT, 4) == [0, 0, 0, 1000]


@pytest.mark.parametrize(
    ("traps", "words"),
    [
        ({}, [0x42C8, 0]),
        ({"flip_sign": True}, [0xC2C8, 0]),
        ({"factors": {"active_power_w": 1000.0}}, [0x47C3, 0x5000]),
        ({"limits": {"active_power_w": 50_000.0}}, [0x4248, 0]),
        ({"resolution": {"active_power_w": 40_000.0}}, [0x42A0, 0]),
        ({"no_value": frozenset({"active_power_w"})}, [0x7FC0, 0]),
        ({"no_value": frozenset({"all"})}, [0x7FC0, 0]),
        ({"swap_words": True}, [0, 0x42C8]),
        ({"swap_bytes": True}, [0xC842, 0]),
        ({"zero_for_s": math.inf}, [0, 0]),
    ],
)
def test_traps_show_in_the_power(traps, words):
    shown = meter(**traps)
    shown.measure(truth(100_000.0))
    assert number(shown, POWER, 2) == words


def test_traps_of_layout_move_registers():
    shown = meter(address_shift=1, moved={"frequency_hz": 46})
    shown.measure(truth(100_000.0))
    assert number(shown, POWER + 1, 2) == [0x42C8, 0]
    assert number(shown, 47, 2) == [0x4248, 0]
    pair = meter(profile_id="dzg_dvh4013", address_shift=100)
    pair.measure(truth(-100.0))
    assert number(pair, 100, 4) == [0, 0, 0, 1000]


@pytest.mark.parametrize(
    ("traps", "import_wh", "export_wh"),
    [
        ({}, 1_001_200, 0),
        ({"swap_energies": True}, 0, 1_001_200 % 65536),
        ({"counter": "partial"}, 1200, 0),
        ({"counter": "partial", "reset_every_s": 5.0}, 0, 0),
        ({"counter": "l1"}, 333_733, 0),
        ({"rollover_wh": 1_000_000.0}, 1200, 0),
    ],
)
def test_traps_of_counters(traps, import_wh, export_wh):
    now_s = [0.0]
    shown = meter(now_s, **traps)
    shown.measure(truth(720_000.0))
    now_s[0] = 6.0
    shown.measure(truth(720_000.0))
    assert energies_wh(shown) == (import_wh, export_wh)


def test_the_meters_own_rhythm_and_a_frozen_one():
    now_s, seen = [0.0], []
    shown = meter(now_s, rhythm_s=1.0)
    for quarter in range(9):
        now_s[0] = quarter / 4
        shown.traps.frozen = quarter == 8
        shown.measure(truth(1000.0 * (quarter + 1)))
        seen.append(power_w(shown))
    assert seen == [1000.0] * 4 + [5000.0] * 5


def test_zero_until_it_is_ready():
    now_s = [100.0]
    shown = meter(now_s, zero_for_s=2.0)
    shown.measure(truth(1000.0))
    assert set(shown.shown().values()) == {0}
    now_s[0] = 102.0
    shown.measure(truth(1000.0))
    assert power_w(shown) == 1000.0


def test_restless_scale_factors_change_with_every_measurement():
    shown, exponents = meter(profile_id="sunspec_203", restless=True), []
    for _ in range(4):
        shown.measure(truth(812_500.0))
        exponents.append(shown.shown()[3, 40070 + 22])
    assert exponents == [3, 2, 3, 2]


@pytest.mark.parametrize(
    ("encoding", "import_lagging", "export_lagging"),
    [("iec", 981, -981), ("ieee", -981, -981), ("percent", 32767, -32768), ("four_quadrant", 981, -981)],
)
def test_encodings_of_the_power_factor(encoding, import_lagging, export_lagging):
    shown = meter(profile_id="carlo_gavazzi_em24", power_factor=encoding)
    for power, expected in ((1000.0, import_lagging), (-1000.0, export_lagging)):
        shown.measure(truth(power))
        assert shown.shown()[4, 53] == expected % 65536


def test_without_a_world_there_is_no_reading():
    shown = meter()
    answers = [truth(1.0), None, truth(2.0)]
    images = []

    async def read() -> Truth:
        images.append(shown.shown())
        if not answers:
            raise asyncio.CancelledError
        answer = answers.pop(0)
        if answer is None:
            raise DriverLoss("gone")
        return answer

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(shown.run(read, 0.0))
    assert [image is None for image in images] == [True, False, True, False]


def test_a_signal_sets_the_traps_and_the_next_one_clears_them():
    told = meter(flip_sign=True)

    async def signalled() -> list[bool]:
        _trap_on_signal(told)
        seen = [told.traps.flip_sign]
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGUSR1)
            for _ in range(10):  # turns of the loop until it has taken the signal
                await asyncio.sleep(0)
            seen.append(told.traps.flip_sign)
        return seen

    assert asyncio.run(signalled()) == [False, True, False, True]
