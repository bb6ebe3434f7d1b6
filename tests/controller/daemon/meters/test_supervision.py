"""A driver that ends, however it does, is started anew; nothing else notices."""

import asyncio
import random
from concurrent.futures import CancelledError as FutureCancelled

import pytest

from controller.daemon.meters import supervision
from controller.daemon.meters.supervision import Driver, Sources, run_drivers
from drivers.errors import ConfigError, DriverLoss
from drivers.readings import Loss
from tests.waiting import DEADLINE_S


class OwnCancelledError(asyncio.CancelledError):
    """As a library may derive one."""


ENDS = [
    None, RuntimeError("no route"), ConfigError("no such certificate"), DriverLoss("gone"), TimeoutError(), MemoryError(),
    RecursionError(), OSError(24, "too many open files"), asyncio.CancelledError(), OwnCancelledError(), FutureCancelled(),
    SystemExit(3), BaseException("bare"), BaseExceptionGroup("several", [SystemExit(1), ValueError("x")]),
    AssertionError(), EOFError(),
]  # fmt: skip


class Meter:
    """A driver that ends as it is told, one end a start; then it goes on."""

    def __init__(self, *ends):
        self.ends, self.starts = list(ends), 0
        self.reads = asyncio.Event()

    async def run(self):
        self.starts += 1
        await asyncio.sleep(0)
        if self.starts <= len(self.ends):
            if self.ends[self.starts - 1] is not None:
                raise self.ends[self.starts - 1]
            return
        self.reads.set()
        await asyncio.Event().wait()


def supervise(*meters, then=None):
    """Run drivers until all of them read, and return what was told meanwhile."""
    told: list[Loss] = []

    async def all_read():
        made = [Driver(sources=(f"m{k}", f"n{k}"), run=meter.run) for k, meter in enumerate(meters)]
        running = asyncio.create_task(run_drivers(made, told.append, pause_s=0.0))
        async with asyncio.timeout(DEADLINE_S):
            for meter in meters:
                await meter.reads.wait()
        assert not running.done()
        running.cancel()
        await asyncio.wait([running], timeout=DEADLINE_S)
        assert running.cancelled(), "whoever ends the drivers ends them"

    asyncio.run(all_read())
    return told


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
def test_a_driver_that_ends_is_started_anew_and_its_sources_are_told_as_lost(end):
    broken, well = Meter(end), Meter()
    told = supervise(broken, well)
    assert (broken.starts, well.starts) == (2, 1)
    assert [loss.meter for loss in told] == ["m0", "n0"]
    assert all("is started anew" in loss.reason for loss in told)


def test_f63_a_driver_that_ends_500_times_ends_nothing(caplog):
    chosen = random.Random(10)
    meters = [Meter(*chosen.choices(ENDS, k=250)) for _ in range(2)]
    supervise(*meters, Meter())
    assert [meter.starts for meter in meters] == [251, 251]
    loud = [record for record in caplog.records if record.levelname == "ERROR"]
    assert all(record.event == "driver_ended" for record in loud)


def test_it_is_logged_once_and_the_pause_grows(monkeypatch, caplog):
    pauses = []

    async def paused(seconds):
        pauses.append(seconds)

    meter = Meter(*[RuntimeError("no")] * 8)

    async def run():
        monkeypatch.setattr(supervision.asyncio, "sleep", paused)
        running = asyncio.create_task(run_drivers([Driver(sources=("main",), run=meter.run)], lambda _: None))
        async with asyncio.timeout(DEADLINE_S):
            await meter.reads.wait()
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(run())
    assert [pause for pause in pauses if pause] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert [record.getMessage() for record in caplog.records] == [
        "driver of main has ended and is started anew: RuntimeError: no"
    ]


def test_drivers_that_are_taken_over_run_and_those_that_do_the_same_run_on():
    same, old, new = Meter(), Meter(), Meter()

    async def run():
        def driver(meter, reads):
            return Driver(sources=(str(reads),), run=meter.run, reads=reads)

        sources = Sources([driver(same, "a"), driver(old, "b")], lambda _: None)
        running = asyncio.create_task(sources.run())
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(same.reads.wait(), old.reads.wait())
            ending = [task for task in asyncio.all_tasks() if task.get_name() == "driver-b"]
            # Another thread asks for it.
            await asyncio.to_thread(sources.take_over, [driver(Meter(), "a"), driver(new, "c")])
            await new.reads.wait()
        assert all(task.done() for task in ending), "what is not wanted any more has ended before the new one began"
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(run())
    assert (same.starts, old.starts, new.starts) == (1, 1, 1)
