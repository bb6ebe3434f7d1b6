from __future__ import annotations

import asyncio
import logging

from drivers.errors import DriverLoss
from drivers.meters.sessions import LONGEST_PAUSE_S, SHORTEST_PAUSE_S, Pause, Watched, run_sessions
from drivers.readings import Loss, Quality, Sample
from tests.drivers.meters.watching import Seen, running

GOOD = Sample(meter="m", values={"active_power_w": 1.0}, quality=Quality.GOOD, taken_at_s=1.0, arrived_at_s=1.0)
EMPTY = Sample(
    meter="m", values={}, quality=Quality.BAD, taken_at_s=1.0, arrived_at_s=1.0, invalid={"active_power_w": "NaN"}
)
LOSS = Loss(meter="m", reason="gone", at_s=1.0)


def test_a_loss_is_logged_once_and_its_return_once(caplog):
    caplog.set_level(logging.INFO, "drivers.meters.sessions")
    seen = Seen()
    watched = Watched(seen)
    for each in (GOOD, LOSS, LOSS, EMPTY, GOOD, GOOD, EMPTY):
        watched(each)
    assert [record.event for record in caplog.records] == ["meter_lost", "meter_back", "meter_lost"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING"]
    assert caplog.records[0].reason == "gone"
    assert caplog.records[2].reason == "active_power_w: NaN"
    assert seen == [GOOD, LOSS, LOSS, EMPTY, GOOD, GOOD, EMPTY]


def test_a_loss_after_which_the_meter_is_asked_in_another_way_is_published_and_not_logged_yet(caplog):
    caplog.set_level(logging.INFO, "drivers.meters.sessions")
    seen = Seen()
    watched = Watched(seen)
    trying = Loss(meter="m", reason="not a byte", at_s=1.0, trying=True)
    for each in (trying, trying, GOOD, trying, LOSS):
        watched(each)
    assert [record.event for record in caplog.records] == ["meter_lost"]
    assert caplog.records[0].reason == "gone"
    assert seen == [trying, trying, GOOD, trying, LOSS]


def test_pauses_double_with_jitter_up_to_the_longest_and_start_over_with_a_reading():
    pause = Pause()
    watched = Watched(Seen(), pause)
    pauses_s = [pause.next_s() for _ in range(10)]
    bounds_s = [min(SHORTEST_PAUSE_S * 2**step, LONGEST_PAUSE_S) for step in range(10)]
    assert all(bound_s / 2 <= pause_s <= bound_s for pause_s, bound_s in zip(pauses_s, bounds_s, strict=True))
    watched(EMPTY)
    assert pause.next_s() >= LONGEST_PAUSE_S / 2
    watched(GOOD)
    assert pause.next_s() <= SHORTEST_PAUSE_S


def test_sessions_follow_one_another_through_losses_and_faults_of_the_driver(caplog):
    ends = [ZeroDivisionError("oops"), DriverLoss("unplugged"), ZeroDivisionError("oops")]

    async def session():
        if ends:
            raise ends.pop(0)
        watched(GOOD)
        await asyncio.Event().wait()

    async def scenario():
        async with running(run_sessions({"m": watched}, session, Pause(), lambda: 7.0)):
            await seen.sample()

    seen = Seen()
    watched = Watched(seen)
    asyncio.run(scenario())
    assert seen[0].reason == "the driver failed: ZeroDivisionError('oops')"
    assert seen[1] == Loss(meter="m", reason="unplugged", at_s=7.0)
    assert seen[3] == GOOD
    assert [record.event for record in caplog.records if record.levelno == logging.ERROR] == ["driver_failed"]


def test_the_end_of_a_shared_session_is_a_loss_of_each_of_its_meters():
    async def session():
        raise DriverLoss("unplugged")

    async def scenario():
        seen = Seen()
        meters = {name: Watched(seen) for name in ("a", "b")}
        async with running(run_sessions(meters, session, Pause(), lambda: 7.0)):
            await seen.until(lambda _: len(seen) >= 4)
        return seen

    seen = asyncio.run(scenario())
    assert seen[:2] == [Loss(meter=name, reason="unplugged", at_s=7.0) for name in ("a", "b")]
