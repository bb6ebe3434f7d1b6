"""Meters on DLMS/COSEM over real sockets, poll after poll: what happens to a line, and to what a meter says of itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

import pytest

from drivers.meters.dlms.access import Access
from drivers.meters.dlms.line import lines, read_line
from drivers.meters.dlms.meter import DlmsMeter, read_dlms_once
from drivers.meters.dlms.place import DlmsPlace, Station
from drivers.meters.dlms.protection import Keys
from drivers.meters.orientation import Orientation
from drivers.modbus.place import Serial
from drivers.readings import Loss, Sample
from simulators.substation.dlms_objects import Key
from simulators.substation.dlms_server import DlmsUnit, LineHabits, Manners, Objects, serve_dlms_serial
from tests.drivers.meters.dlms.serving import BOTH, VALUES, served
from tests.drivers.meters.watching import Seen


def unit(**changes: object) -> DlmsUnit:
    return DlmsUnit(objects=Objects(profile="dlms_electricity", values=dict(VALUES), **changes))  # type: ignore[arg-type]


async def reading(meters: list[DlmsMeter], heard: Seen) -> asyncio.Task[None]:
    return asyncio.create_task(read_line(meters, heard))


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def power(watts: float, of: str = "m") -> Callable[[Sample | Loss], bool]:
    return lambda item: isinstance(item, Sample) and item.meter == of and item.values.get("active_power_w") == watts


def test_a_scaler_that_changes_while_it_is_read_is_seen_with_the_next_value() -> None:
    async def run() -> None:
        meter = unit()
        async with served({1: meter}) as there:
            heard = Seen()
            task = await reading([there], heard)
            await heard.until(power(1_000.0))
            meter.objects.scalers["active_power_w"] = -2
            count = len(heard)
            meter.objects.values = {**VALUES, "active_power_w": 1_234.56}
            await heard.until(power(1_234.56), after=count)
            watts = {item.values["active_power_w"] for item in heard[count:] if isinstance(item, Sample)}
            assert watts <= {1_000.0, 1_234.56}
            await ended(task)

    asyncio.run(run())


def test_values_beside_a_clock_that_stands_still_grow_old() -> None:
    async def run() -> None:
        meter = unit(runs=False)
        async with served({1: meter}) as there:
            heard = Seen()
            task = await reading([there], heard)
            first = await heard.until(power(1_000.0))
            later = await heard.until(
                lambda item: isinstance(item, Sample) and item.arrived_at_s > first.arrived_at_s + 0.1
            )  # type: ignore[union-attr]
            assert isinstance(later, Sample)
            assert later.taken_at_s == first.taken_at_s  # type: ignore[union-attr]
            meter.objects.runs = True
            await heard.until(lambda item: isinstance(item, Sample) and item.taken_at_s > later.taken_at_s)
            await ended(task)

    asyncio.run(run())


def test_without_a_clock_values_are_of_when_they_were_asked_for() -> None:
    async def run() -> None:
        async with served({1: unit(clock=None)}) as there:
            heard = Seen()
            task = await reading([there], heard)
            first = await heard.until(power(1_000.0))
            await heard.until(lambda item: isinstance(item, Sample) and item.taken_at_s > first.taken_at_s)  # type: ignore[union-attr]
            await ended(task)

    asyncio.run(run())


@pytest.mark.parametrize("physical", [None, 17])
def test_a_late_answer_is_a_loss_and_never_the_answer_to_the_next_question(physical: int | None) -> None:
    async def run() -> None:
        meter, habits = unit(), LineHabits()
        async with served({physical or 1: meter}, physical=physical, habits=habits) as there:
            heard = Seen()
            task = await reading([there], heard)
            await heard.until(power(1_000.0))
            habits.late_s.append(0.3)
            loss = await heard.until(lambda item: isinstance(item, Loss))
            assert "no answer within 0.2 s" in loss.reason  # type: ignore[union-attr]
            count = len(heard)
            meter.objects.values = {**VALUES, "active_power_w": 2_000.0}
            back = await heard.until(lambda item: isinstance(item, Sample), after=count)
            assert back.values["active_power_w"] == 2_000.0  # type: ignore[union-attr]
            await ended(task)

    asyncio.run(run())


def test_a_silent_meter_on_a_line_does_not_take_the_others_away() -> None:
    async def run() -> None:
        async with served({17: unit()}, physical=17) as there:
            silent = replace(there, id="silent", address=Station(client=1, server=1, physical=18))
            heard = Seen()
            task = await reading([silent, there], heard)
            loss = await heard.until(lambda item: item.meter == "silent")
            assert isinstance(loss, Loss)
            for _ in range(3):
                await heard.until(power(1_000.0), after=len(heard))
            await ended(task)

    asyncio.run(run())


def test_meters_on_a_serial_line() -> None:
    async def run() -> None:
        async with serve_dlms_serial({17: unit(), 300: unit()}) as device:
            place = DlmsPlace(transport="hdlc", serial=Serial(device=device, baud=19200))
            first, second = (
                DlmsMeter(
                    id=name,
                    place=place,
                    address=Station(client=1, server=1, physical=physical),
                    profile=BOTH,
                    poll_s=0.05,
                    timeout_s=1.0,
                )
                for name, physical in (("m", 17), ("second", 300))
            )
            heard = Seen()
            task = await reading([first, second], heard)
            await heard.until(power(1_000.0))
            await heard.until(power(1_000.0, "second"))
            await ended(task)

    asyncio.run(run())


def test_a_serial_port_that_is_not_there_is_a_loss_that_says_so() -> None:
    async def run() -> None:
        place = DlmsPlace(transport="hdlc", serial=Serial(device="/dev/none"))
        meter = DlmsMeter(
            id="m", place=place, address=Station(client=1, server=1), profile=BOTH, poll_s=1.0, timeout_s=0.3
        )
        item = await read_dlms_once(meter)
        assert isinstance(item, Loss)
        assert "/dev/none accepts no connection" in item.reason

    asyncio.run(run())


def test_a_line_whose_other_end_is_gone_without_a_word_is_connected_again() -> None:
    async def run() -> None:
        habits = LineHabits(mute_after=6)
        async with served({17: unit()}, physical=17, habits=habits) as there:
            heard = Seen()
            task = await reading([there], heard)
            await heard.loss("no answer within 0.2 s")
            await heard.until(power(1_000.0), after=len(heard))
            await ended(task)

    asyncio.run(run())


def test_after_a_wrong_password_a_meter_is_left_alone_for_a_minute() -> None:
    async def run() -> None:
        meter = unit()
        meter.manners = Manners(password=b"right")
        now_s = 0.0
        async with served({1: meter}) as there:
            heard, access = Seen(), Access(authentication="low", password=b"wrong")
            task = asyncio.create_task(read_line([replace(there, access=access)], heard, lambda: now_s))
            await heard.loss("the authentication failed")
            meter.manners.password = b"wrong"
            now_s = 59.0
            with pytest.raises(TimeoutError):
                await heard.until(lambda item: isinstance(item, Sample), deadline_s=0.5)
            await ended(task)

    asyncio.run(run())


def test_two_meters_on_one_line_are_told_apart() -> None:
    async def run() -> None:
        other = unit()
        other.objects.values = {**VALUES, "active_power_w": -70.0}
        async with served({17: unit(), 300: other}, physical=17, habits=LineHabits(connections=1)) as there:
            second = replace(there, id="second", address=Station(client=1, server=1, physical=300))
            heard = Seen()
            task = await reading([there, second], heard)
            await heard.until(power(1_000.0))
            await heard.until(power(-70.0, "second"))
            await ended(task)

    asyncio.run(run())


class Counting(Objects):
    """Objects that count how often each code is asked for."""

    def shown(self, key: Key) -> bytes | int:
        self.asked[key[1]] += 1
        return Objects.shown(self, key)

    asked: ClassVar[Counter[bytes]] = Counter()


def test_what_a_meter_has_not_got_is_asked_for_with_all_the_rest_only() -> None:
    async def run() -> None:
        meter = unit()
        meter.objects = Counting(profile="dlms_electricity", values=dict(VALUES), lacks=frozenset({"1-0:14.7.0"}))
        async with served({1: meter}) as there:
            heard = Seen()
            task = await reading([replace(there, poll_slow_s=30.0)], heard)
            for _ in range(4):
                await heard.until(power(1_000.0), after=len(heard))
            assert Counting.asked[bytes([1, 0, 14, 7, 0, 255])] == 2  # its value and its unit, once
            assert Counting.asked[bytes([1, 0, 1, 7, 0, 255])] >= 8
            await ended(task)

    asyncio.run(run())


def test_what_it_has_got_after_all_is_read_at_every_poll_again() -> None:
    async def run() -> None:
        meter = unit(lacks=frozenset({"1-0:14.7.0"}))
        async with served({1: meter}) as there:
            heard = Seen()
            task = await reading([there], heard)
            await heard.until(power(1_000.0))
            meter.objects.lacks = frozenset()
            fast = {"active_power_w", "frequency_hz"}
            await heard.until(lambda item: isinstance(item, Sample) and item.values.keys() == fast)
            await ended(task)

    asyncio.run(run())


def test_the_counter_never_goes_back_with_a_title_that_stays() -> None:
    """A meter that says an old counter, as anybody can who stands between, does not have us use a number twice."""
    keys = bytes(range(16)), bytes(range(16, 32))
    access = Access(
        authentication="high",
        keys=Keys(encryption=keys[0], authentication=keys[1]),
        title=b"SPD\x00\x00\x00\x00\x01",
        counter_code=bytes([0, 0, 43, 1, 0, 255]),
    )

    async def run() -> None:
        meter = unit()
        meter.manners = Manners(keys=keys)
        async with served({1: meter}, habits=LineHabits(close_after=3)) as there:
            heard, seen = Seen(), list[int]()
            task = await reading([replace(there, access=access)], heard)
            for _ in range(8):
                await heard.until(power(1_000.0), after=len(heard))
                seen.append(meter.objects.counter)
                meter.objects.counter = 0
            await ended(task)
            assert seen == sorted(set(seen)), seen

    asyncio.run(run())


def test_a_meter_mounted_backwards_and_behind_transformers() -> None:
    async def run() -> None:
        async with served({1: unit()}) as there:
            heard = Seen()
            task = await reading([replace(there, orientation=Orientation(sign=-1, ct_ratio=40.0))], heard)
            item = await heard.until(power(-40_000.0))
            assert isinstance(item, Sample)
            full = await heard.until(lambda each: isinstance(each, Sample) and "energy_import_wh" in each.values)
            assert isinstance(full, Sample)
            assert (full.values["energy_import_wh"], full.values["energy_export_wh"]) == (280.0, 200_000.0)
            await ended(task)

    asyncio.run(run())


def test_meters_share_a_line_on_hdlc_alone() -> None:
    def at(name: str, place: DlmsPlace, physical: int | None) -> DlmsMeter:
        address = Station(client=1, server=1, physical=physical)
        return DlmsMeter(id=name, place=place, address=address, profile=BOTH, poll_s=1.0, timeout_s=1.0)

    hdlc, tcp = DlmsPlace(transport="hdlc_over_tcp", host="h", port=1), DlmsPlace(host="h", port=2)
    made = lines([at("a", hdlc, 1), at("b", tcp, None), at("c", hdlc, 2), at("d", tcp, None)])
    assert [[meter.id for meter in line] for line in made] == [["a", "c"], ["b"], ["d"]]


def test_nobody_at_the_address_is_a_loss_and_is_found_later() -> None:
    async def run() -> None:
        async with served({1: unit()}) as there:
            pass
        heard = Seen()
        task = await reading([there], heard)
        loss = await heard.until(lambda item: isinstance(item, Loss))
        assert "accepts no connection" in loss.reason  # type: ignore[union-attr]
        await ended(task)

    asyncio.run(run())


def test_a_long_answer_that_comes_too_slowly_in_parts_is_given_up() -> None:
    async def run() -> None:
        habits = LineHabits(late_s=[0.1] * 400)
        slow = DlmsUnit(
            objects=Objects(profile="dlms_electricity", values=dict(VALUES)), manners=Manners(block_bytes=2)
        )
        async with served({1: slow}, habits=habits) as there:
            heard = Seen()
            task = await reading([there], heard)
            lost = await heard.until(lambda item: isinstance(item, Loss))
            assert isinstance(lost, Loss)
            assert "no whole answer within 1 s" in lost.reason
            await ended(task)

    asyncio.run(run())
