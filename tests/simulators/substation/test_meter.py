from __future__ import annotations

import asyncio

import pytest

from drivers.errors import DriverLoss
from simulators.substation.encoder import read_data
from simulators.substation.meter import SimulatedMeter
from simulators.substation.modbus_server import Faults
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


def meter(now_s: list[float] | None = None, **faults) -> SimulatedMeter:
    clock = now_s or [0.0]
    return SimulatedMeter(
        node="pcc", data=read_data("schneider_pm5xxx"), faults=Faults(**faults), clock=lambda: clock[0]
    )


def number(shown: SimulatedMeter, address: int, count: int) -> list[int]:
    return [shown.shown()[3, each] for each in range(address, address + count)]


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
    ("faults", "words"),
    [({}, [0x42C8, 0]), ({"flip_sign": True}, [0xC2C8, 0]), ({"scale_error": 1000.0}, [0x47C3, 0x5000])],
)
def test_switched_faults_show_in_the_power(faults, words):
    shown = meter(**faults)
    shown.measure(truth(100_000.0))
    assert number(shown, POWER, 2) == words


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
