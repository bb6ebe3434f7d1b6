"""The Modbus driver against real sockets; the meter is the simulated one, whose encoder is written apart."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import math
import time
from contextlib import asynccontextmanager

import pytest

from drivers.clock import boottime_s
from drivers.meters.modbus import ModbusMeter, read_forever
from drivers.meters.profiles import load_profile
from drivers.readings import Loss, Quality, Sample
from simulators.substation.encoder import encode, read_data
from simulators.substation.modbus_server import Faults, Unit, serve_gateway
from tests.drivers.meters.watching import Seen, running
from tests.ports import free_port

SHOWN = {
    "active_power_w": -812_500.5,
    "frequency_hz": 50.5,
    "energy_import_wh": 12_345_600.0,
    "energy_export_wh": 123_400.0,
    "reactive_power_var": 120_000.0,
    **{f"active_power_{phase}_w": -270_000.5 for phase in ("l1", "l2", "l3")},
    **{f"voltage_{phase}_n_v": 230.5 for phase in ("l1", "l2", "l3")},
    **{f"voltage_{phases}_v": 400.5 for phases in ("l1_l2", "l2_l3", "l3_l1")},
    **{f"current_{phase}_a": 100.25 for phase in ("l1", "l2", "l3")},
}


class Meter:
    """A meter under test control: its image, its faults, its server."""

    def __init__(self, profile_id: str = "schneider_pm5xxx", **faults) -> None:
        self.data = read_data(profile_id)
        self.image = encode(self.data, SHOWN)
        self.faults = Faults(**faults)
        self.profile = load_profile(profile_id)
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        unit = Unit(lambda: self.image, self.faults, self.profile.largest_block)
        self._server = await serve_gateway("127.0.0.1", self.port, units={1: unit})
        self.port = self._server.sockets[0].getsockname()[1]

    def stop_listening(self) -> None:
        self._server.close()

    def point(self, **changes) -> ModbusMeter:
        point = ModbusMeter(
            id="m", host="127.0.0.1", port=self.port, unit=1, profile=self.profile, poll_s=0.05, timeout_s=0.3
        )
        return dataclasses.replace(point, **changes)


@asynccontextmanager
async def reading(meter: Meter, **changes):
    await meter.start()
    seen = Seen()
    try:
        async with running(read_forever(meter.point(**changes), seen)):
            yield seen
    finally:
        meter.stop_listening()


def first_sample(meter: Meter, **changes) -> Sample:
    async def scenario() -> Sample:
        async with reading(meter, **changes) as seen:
            return await seen.sample()

    return asyncio.run(scenario())


def test_a_meter_is_read_over_the_wire():
    sample = first_sample(Meter())
    assert dict(sample.values) == pytest.approx(SHOWN, rel=1e-6)
    assert sample.quality is Quality.GOOD
    assert sample.invalid == {}


def test_the_sample_is_taken_in_the_middle_of_the_poll():
    before_s = boottime_s()
    sample = first_sample(Meter(delay_s=0.02))
    assert before_s < sample.taken_at_s < sample.arrived_at_s <= boottime_s()
    assert sample.arrived_at_s - sample.taken_at_s >= 0.5 * 5 * 0.02


def test_backward_transformers_negate_power_and_swap_the_counters():
    values = first_sample(Meter(), sign=-1).values
    assert values["active_power_w"] == pytest.approx(812_500.5, rel=1e-6)
    assert values["active_power_l2_w"] == pytest.approx(270_000.5, rel=1e-6)
    assert values["reactive_power_var"] == pytest.approx(-120_000.0, rel=1e-6)
    assert values["energy_import_wh"] == SHOWN["energy_export_wh"]
    assert values["energy_export_wh"] == SHOWN["energy_import_wh"]
    assert values["frequency_hz"] == SHOWN["frequency_hz"]


def test_the_transformer_ratio_scales_power_energy_and_current_but_not_voltage():
    values = first_sample(Meter(), ct_ratio=40.0).values
    assert values["active_power_w"] == pytest.approx(-40 * 812_500.5, rel=1e-6)
    assert values["energy_import_wh"] == 40 * SHOWN["energy_import_wh"]
    assert values["active_power_l3_w"] == pytest.approx(-40 * 270_000.5, rel=1e-6)
    assert values["reactive_power_var"] == pytest.approx(40 * 120_000.0, rel=1e-6)
    assert values["voltage_l1_l2_v"] == 400.5
    assert values["current_l2_a"] == 40 * 100.25
    assert values["voltage_l2_n_v"] == 230.5


def test_a_value_that_overflows_through_the_transformer_ratio_is_invalid():
    meter = Meter("siemens_pac3200_4200")
    meter.image = encode(meter.data, SHOWN | {"energy_import_wh": 1e308})
    sample = first_sample(meter, ct_ratio=1000.0)
    assert "not finite" in sample.invalid["energy_import_wh"]
    assert all(math.isfinite(value) for value in sample.values.values())


def test_a_surplus_source_carries_nothing_but_its_surplus():
    sample = first_sample(Meter(), quantity="surplus_w", sign=-1)
    assert dict(sample.values) == {"surplus_w": pytest.approx(812_500.5, rel=1e-6)}


def test_a_register_with_nan_is_invalid_and_the_others_stand():
    meter = Meter()
    meter.image = encode(meter.data, SHOWN | {"active_power_w": math.nan})
    sample = first_sample(meter)
    assert "active_power_w" not in sample.values
    assert "not finite" in sample.invalid["active_power_w"]
    assert sample.values["frequency_hz"] == 50.5
    assert sample.quality is Quality.GOOD


@pytest.mark.parametrize("quantity", ["active_power_w", "surplus_w"])
def test_a_frequency_that_cannot_be_casts_doubt_on_the_whole_sample(quantity):
    meter = Meter()
    meter.image = encode(meter.data, SHOWN | {"frequency_hz": 5050.0})
    sample = first_sample(meter, quantity=quantity)
    assert sample.quality is Quality.UNCERTAIN
    assert quantity in sample.values
    assert "frequency_hz" not in sample.values


def test_a_value_outside_its_plausible_range_is_invalid_with_the_reason():
    meter = Meter()
    meter.image = encode(meter.data, SHOWN | {"frequency_hz": 5050.0})
    assert "outside the plausible range" in first_sample(meter).invalid["frequency_hz"]


def test_the_wrong_word_order_is_noticed_by_the_frequency():
    meter = Meter()
    registers = {name: dataclasses.replace(each, word_order="little") for name, each in meter.profile.registers.items()}
    meter.profile = dataclasses.replace(meter.profile, registers=registers)

    async def scenario() -> None:
        async with reading(meter) as seen:
            sample = await seen.until(lambda each: isinstance(each, Sample))
            assert sample.quality is Quality.UNCERTAIN

    asyncio.run(scenario())


def test_an_exception_for_one_register_drops_its_quantity_only():
    meter = Meter()
    del meter.image[3, 3203]
    sample = first_sample(meter)
    assert "exception 2 (illegal data address)" in sample.invalid["energy_import_wh"]
    assert set(sample.invalid) == {"energy_import_wh"}
    assert sample.values["active_power_w"] == pytest.approx(-812_500.5, rel=1e-6)


def test_exceptions_everywhere_are_a_loss_and_the_first_good_answer_ends_it_without_a_new_connection(caplog):
    caplog.set_level(logging.INFO, "drivers.meters.sessions")

    async def scenario() -> None:
        meter = Meter(exception=6)
        async with reading(meter) as seen:
            await seen.loss("exception 6 (server device busy)")
            await seen.until(lambda _: len(seen) >= 20, deadline_s=20.0)  # with reconnections it takes a minute
            meter.faults.exception, after = None, len(seen)
            await seen.sample(after=after)

    asyncio.run(scenario())
    assert [record.event for record in caplog.records] == ["meter_lost", "meter_back"]


def test_a_mute_server_costs_one_timeout_and_is_read_again_when_it_speaks():
    async def scenario() -> None:
        meter = Meter()
        async with reading(meter, timeout_s=1.0) as seen:
            await seen.sample()
            meter.faults.mute, after, muted_s = True, len(seen), time.monotonic()
            loss = await seen.loss(after=after)
            assert 0.7 < time.monotonic() - muted_s < 4.0, "five requests take 5 s"
            assert loss.reason
            meter.faults.mute, after = False, len(seen)
            await seen.sample(after=after)

    asyncio.run(scenario())


def test_a_meter_that_is_mute_while_its_sunspec_model_is_looked_for_costs_one_timeout_too():
    async def scenario() -> None:
        started_s = time.monotonic()
        async with reading(Meter("sunspec_213", mute=True), timeout_s=2.0) as seen:
            await seen.loss()
            assert time.monotonic() - started_s < 5.5, "at three addresses it may stand"

    asyncio.run(scenario())


def test_a_server_that_answers_each_request_just_in_time_still_costs_one_timeout_a_poll():
    async def scenario() -> None:
        async with reading(Meter(delay_s=0.9), timeout_s=1.0) as seen:
            started_s = time.monotonic()
            loss = await seen.loss()
            assert time.monotonic() - started_s < 4.0, "five requests take 4.5 s"
            assert "no complete answer within 1 s" in loss.reason

    asyncio.run(scenario())


def test_nothing_listens_then_a_meter_appears():
    async def scenario() -> None:
        meter = Meter()
        meter.port = free_port()
        seen = Seen()
        async with running(read_forever(meter.point(), seen)):
            loss = await seen.loss()
            assert "accepts no connection" in loss.reason
            await meter.start()
            await seen.sample()
            meter.stop_listening()

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", [{"unit_shift": 1}, {"transaction_shift": 1}])
def test_an_answer_with_the_wrong_unit_or_to_another_request_is_no_reading_and_drops_the_connection(fault):
    async def scenario() -> None:
        meter = Meter(**fault)
        async with reading(meter) as seen:
            await seen.loss()
            await seen.until(lambda each: isinstance(each, Loss), after=1)
            assert all(isinstance(each, Loss) for each in seen)
            meter.faults.unit_shift = meter.faults.transaction_shift = 0
            await seen.sample()

    asyncio.run(scenario())


def test_a_late_answer_never_stands_for_a_later_request():
    """Power changes while the meter is late; every value that arrives must be the one shown at its request."""

    async def scenario() -> None:
        meter = Meter()
        async with reading(meter) as seen:
            await seen.sample()
            meter.faults.delay_s = 0.35
            await seen.loss(after=len(seen))
            meter.image = encode(meter.data, SHOWN | {"active_power_w": 77_000.0})
            meter.faults.delay_s, after = 0.0, len(seen)
            sample = await seen.sample(after=after)
            assert sample.values["active_power_w"] == 77_000.0

    asyncio.run(scenario())


def test_another_unit_behind_a_gateway_answers_with_its_exception():
    async def scenario() -> None:
        async with reading(Meter(), unit=7) as seen:
            await seen.loss("exception 11 (gateway target did not respond)")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00\x01\x00\x00\x00\x05\x01\x03\x02\x00\x01",  # one register for six
        b"\x00\x01\x00\x00\x00\x0f\x01\x04\x0c" + bytes(12),  # another function
        b"\x00\x01\x00\x00\x00\x03\x01\x03\xff",  # more bytes announced than sent
        b"\x00\x01\x00\x00\x00\x02\x01\x83",  # an exception without its code
    ],
)
def test_nonsense_is_a_loss(answer):
    async def scenario() -> None:
        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.read(12)
                writer.write(answer)
                await reader.read()
            finally:
                writer.close()

        server = await asyncio.start_server(converse, "127.0.0.1", 0)
        meter = Meter()
        meter.port = server.sockets[0].getsockname()[1]
        seen = Seen()
        async with running(read_forever(meter.point(), seen)):
            loss = await seen.loss()
            assert "the driver failed" not in loss.reason
            assert not any(isinstance(each, Sample) for each in seen)
        server.close()

    asyncio.run(scenario())


def test_one_dead_meter_does_not_slow_another_down():
    async def scenario() -> None:
        dead, alive = Meter(mute=True), Meter()
        await dead.start()
        lost = Seen()
        async with reading(alive) as seen, running(read_forever(dead.point(), lost)):
            losses, before = len(lost), len(seen)
            await seen.until(lambda _: len(seen) - before >= 20)
            assert len(lost) - losses <= 8, "one after the other, each poll of one waits for the other"
        dead.stop_listening()

    asyncio.run(scenario())
