"""What is stored is never above what a device was told, and nothing that hangs delays what lowers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.clock import boottime_s
from drivers.fleet.agent.agent import CROWDED_S
from drivers.fleet.agent.contact import TURN_S
from drivers.fleet.agent.device import CommandOutcome, DeviceReading, Ports
from drivers.fleet.agent.driving import Driving
from drivers.fleet.agent.keeping import LATE_S, Keeper
from drivers.fleet.agent.lease import Held, LeasedDevice
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.wire import Activity, AlarmedDevice, DeviceAlarm, Follow, MeasuredBy
from simulators.devices import timeless
from tests.drivers.fleet.fakes import FakeDevice
from tests.examples import examples
from tests.waiting import DEADLINE_S

S21 = load_catalogue()["antminer-s21"]
LEASED = LeasedDevice(model=S21, failsafe_w=2000)
IDS = ("a", "b")


class Disk:
    """A store in memory that fails or hangs when it is told to."""

    def __init__(self) -> None:
        self.held = Held()
        self.fails = False
        self.free = threading.Event()
        self.free.set()
        self.judge: Callable[[Held], None] = lambda _held: None

    def load(self) -> Held:
        return self.held

    def save(self, held: Held) -> None:
        assert self.free.wait(DEADLINE_S)
        if self.fails:
            raise OSError(28, "No space left on device")
        self.judge(held)
        self.held = held


class Judged(FakeDevice):
    """A device before which the store must have been lowered."""

    def __init__(self, id_: str, bench: Bench) -> None:
        super().__init__(S21.off_w)
        self._id, self._bench = id_, bench

    async def command(self, watts: int) -> CommandOutcome:
        stored_w = self._bench.disk.held.applied.get(self._id, 0)
        if self._bench.keeper.unstored() is None and stored_w > watts:
            self._bench.faults.append(f"{self._id} was told {watts} W before that was stored")
        return await super().command(watts)


class Bench:
    """Two devices, a disk and what drives them; `turn` is that of an agent."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.faults: list[str] = []
        self.devices = {id_: Judged(id_, self) for id_ in IDS}
        self.disk.judge = self.is_not_above
        self.relays: dict[str, FakeRelay] = {}

    def is_not_above(self, held: Held) -> None:
        self.faults += [id_ for id_, watts in held.applied.items() if watts > self.devices[id_].setpoint_w]

    def start(self) -> None:
        self.keeper = Keeper(self.disk, agent="hall", clock=boottime_s)
        self.keeper.start(asyncio.get_running_loop())
        self.driving = Driving(
            agent="hall",
            devices=dict.fromkeys(IDS, LEASED),
            ports={
                id_: Ports(
                    device=device, relay=self.relays.get(id_), hold_s=getattr(self.relays.get(id_), "hold_s", None)
                )
                for id_, device in self.devices.items()
            },
            clock=boottime_s,
            keeper=self.keeper,
        )

    def turn(self) -> None:
        self.driving.begin(may_raise=self.keeper.unstored() is None)
        applied = dict(zip(IDS, self.driving.low_w(), strict=True))
        self.keeper.keep(Held(epoch=1, applied=applied, rests=self.driving.rests()))

    async def until(self, condition: Callable[[], bool]) -> None:
        end_s = boottime_s() + DEADLINE_S
        while not condition():
            assert boottime_s() < end_s, self.driving.states()
            self.turn()
            await asyncio.sleep(0.005)

    async def end(self) -> None:
        self.disk.free.set()
        await self.driving.end()
        await self.keeper.stop()

    def run(self, scene: Callable[[], Awaitable[None]]) -> None:
        async def play() -> None:
            self.start()
            try:
                await scene()
            finally:
                await self.end()

        asyncio.run(play())


def test_what_a_person_has_to_look_at_is_told_by_device_and_no_more_than_a_report_has_room_for() -> None:
    bench = Bench()
    looks = {"a": (DeviceAlarm.POOLS_CHANGED,), "b": ()}

    async def scene() -> None:
        assert bench.driving.alarms() == []
        for driven in bench.driving._driven:
            driven._seen = lambda id_=driven.id: looks[id_]
        assert bench.driving.alarms() == [AlarmedDevice(device="a", alarm=DeviceAlarm.POOLS_CHANGED)]
        looks["b"] = (DeviceAlarm.POOLS_CHANGED,) * 2
        assert [one.device for one in bench.driving.alarms()] == ["a", "b"]

    bench.run(scene)


class FakeRelay:
    """A contact that does as it is told."""

    def __init__(self, hold_s: float | None = None) -> None:
        self.closed = True
        self.hold_s = hold_s
        self.switched: list[tuple[bool, float | None]] = []

    async def switch(self, *, closed: bool, hold_s: float | None) -> CommandOutcome:
        self.switched.append((closed, hold_s))
        self.closed = closed
        return CommandOutcome.ACCEPTED

    async def read(self) -> bool | None:
        return self.closed


@pytest.fixture(scope="module")
def soon() -> Iterator[None]:
    """Have a disk that failed be tried again soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("drivers.fleet.agent.keeping.LATE_S", 0.02)
        yield


outcome = st.sampled_from(
    [CommandOutcome.ACCEPTED, CommandOutcome.ACCEPTED, CommandOutcome.REFUSED, CommandOutcome.UNKNOWN]
)
watts = st.sampled_from([25, 1400, 2000, 3500])
step = st.tuples(watts, watts, outcome, st.booleans())


@given(steps=st.lists(step, min_size=1, max_size=8))
@settings(max_examples=examples(40), deadline=None)
def test_stored_is_never_above_told_whatever_fails(soon: None, steps) -> None:
    bench = Bench()

    async def scene() -> None:
        for first, second, answer, disk_fails in steps:
            bench.disk.fails = disk_fails
            bench.devices["a"].outcome = answer
            bench.driving.grant([first, second])
            for _ in range(4):
                bench.turn()
                await asyncio.sleep(0.001)
        bench.disk.fails = False
        bench.devices["a"].outcome = CommandOutcome.ACCEPTED
        bench.driving.grant([25, 25])
        await bench.until(lambda: bench.disk.held.applied == {"a": 25, "b": 25})

    bench.run(scene)
    assert bench.faults == []


def test_a_disk_that_is_known_to_fail_lowers_and_never_raises() -> None:
    bench = Bench()

    async def scene() -> None:
        bench.driving.grant([3500, 2000])
        await bench.until(lambda: bench.disk.held.applied == {"a": 3500, "b": 2000})
        bench.disk.fails = True
        bench.driving.grant([25, 2000])
        await bench.until(lambda: bench.devices["a"].setpoint_w == 25 and bench.keeper.unstored() is not None)
        bench.driving.grant([25, 3500])
        for _ in range(20):
            bench.turn()
            await asyncio.sleep(0.005)
        assert bench.devices["b"].setpoint_w == 2000
        bench.disk.fails = False
        await bench.until(lambda: bench.devices["b"].setpoint_w == 3500)

    bench.run(scene)


def test_a_disk_that_hangs_delays_no_lowering_and_stops_raises() -> None:
    bench = Bench()

    async def scene() -> None:
        bench.driving.grant([3500, 2000])
        await bench.until(lambda: bench.disk.held.applied == {"a": 3500, "b": 2000})
        bench.disk.fails = True  # of the judge: the lowering goes without the store
        bench.disk.free.clear()
        bench.driving.grant([25, 2000])
        began_s = boottime_s()
        await bench.until(lambda: bench.devices["a"].setpoint_w == 25)
        assert boottime_s() - began_s < LATE_S
        await bench.until(lambda: bench.keeper.unstored() is not None)
        bench.driving.grant([25, 3500])
        bench.turn()
        await asyncio.sleep(0.01)
        assert bench.devices["b"].setpoint_w == 2000
        bench.disk.fails = False
        bench.disk.free.set()
        await bench.until(lambda: bench.devices["b"].setpoint_w == 3500)

    bench.run(scene)


@pytest.mark.parametrize("how", ["read", "command"])
def test_a_port_that_hangs_for_ever_is_given_up(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.fleet.agent.driving.REQUEST_S", 0.1)
    bench = Bench()

    async def for_ever(*_what: object) -> CommandOutcome:
        await asyncio.Event().wait()
        raise AssertionError

    async def scene() -> None:
        setattr(bench.devices["a"], how, for_ever)
        bench.driving.grant([3500, 3500])
        await bench.until(lambda: bench.driving.states()[1] == Follow.PROVEN)
        wanted = Follow.LOST if how == "read" else Follow.UNKNOWN
        await bench.until(lambda: bench.driving.states()[0] == wanted)

    bench.run(scene)


def test_a_relay_that_falls_by_itself_is_renewed_and_one_that_is_to_open_opens() -> None:
    bench = Bench()
    bench.relays = {"a": FakeRelay(hold_s=0.3), "b": FakeRelay()}
    a, b = bench.relays["a"], bench.relays["b"]

    async def deaf(_watts: int) -> CommandOutcome:
        return CommandOutcome.ACCEPTED

    async def scene() -> None:
        bench.driving.grant([3500, 3500])
        await bench.until(lambda: bench.driving.states() == Follow.PROVEN * 2 and len(a.switched) >= 3)
        assert set(a.switched) == {(True, 0.3)}
        assert b.switched == []
        bench.devices["b"].command = deaf
        bench.driving.grant([3500, 25])
        await bench.until(lambda: bench.driving.states() == Follow.PROVEN + Follow.STOPPED)
        assert (b.switched, bench.driving.columns().applied_w) == ([(False, None)], [3500, 25])

    bench.run(scene)


def test_a_relay_that_is_open_at_the_start_stays_so_until_a_grant() -> None:
    bench = Bench()
    bench.relays = {"a": FakeRelay()}
    bench.relays["a"].closed = False
    bench.devices["a"].silent = True
    bench.disk.held = Held(applied={"a": 2000, "b": 2000})

    async def scene() -> None:
        await bench.until(lambda: bench.driving.states()[0] == Follow.STOPPED)
        assert bench.driving.low_w()[0] == 25
        bench.driving.grant([25, 2000])
        bench.turn()
        await asyncio.sleep(0.02)
        assert bench.relays["a"].switched == []
        bench.driving.grant([3500, 2000])
        await bench.until(lambda: bench.relays["a"].switched == [(True, None)])

    bench.run(scene)


def test_what_rests_does_so_over_a_restart_and_that_is_stored_again() -> None:
    bench = Bench()
    bench.disk.held = Held(applied={"a": 25, "b": 25}, rests={"a": 2})

    async def scene() -> None:
        bench.driving.grant([3500, 3500])
        await bench.until(lambda: bench.driving.states() == Follow.STOPPED + Follow.PROVEN)
        await bench.until(lambda: bench.disk.held == Held(epoch=1, applied={"a": 25, "b": 3500}, rests={"a": 2}))
        assert (bench.devices["a"].setpoint_w, bench.devices["b"].setpoint_w) == (25, 3500)

    bench.run(scene)


def test_what_a_device_measures_is_reported_with_what_measured_it() -> None:
    bench = Bench()

    async def estimated() -> DeviceReading:
        return DeviceReading(setpoint_w=25, watts=24.6, measured_by=MeasuredBy.ESTIMATE, activity=Activity.OFF)

    async def scene() -> None:
        bench.devices["a"].read = estimated
        await bench.until(lambda: bench.driving.columns().measured_w == [25, 25])
        columns = bench.driving.columns()
        assert (columns.measured_by, columns.activity) == ("eu", "or")

    bench.run(scene)


def test_an_answer_that_was_asked_for_before_the_agent_was_away_is_not_of_now() -> None:
    bench = Bench()
    read, asked, answer = bench.devices["a"].read, asyncio.Event(), asyncio.Event()

    async def slowly() -> DeviceReading:
        reading = await read()
        asked.set()
        await answer.wait()
        return reading

    async def scene() -> None:
        bench.driving.grant([3500, 25])
        await bench.until(lambda: bench.driving.states()[0] == Follow.PROVEN)
        bench.devices["a"].read = slowly
        await bench.until(asked.is_set)
        bench.driving.awoke()
        answer.set()
        for _ in range(5):
            await asyncio.sleep(0)
        assert bench.driving.states()[0] == Follow.LOST
        bench.devices["a"].read = read
        await bench.until(lambda: bench.driving.states()[0] == Follow.PROVEN)

    bench.run(scene)


class Slow(FakeDevice):
    """A device that takes so long to answer, and counts how often it is asked."""

    def __init__(self, takes_s: float) -> None:
        super().__init__(S21.off_w)
        self._takes_s, self.asked = takes_s, 0

    async def read(self) -> DeviceReading:
        self.asked += 1
        await asyncio.sleep(self._takes_s)
        return await super().read()


class NoDisk:
    """In place of a keeper: what is there is stored."""

    def __init__(self, ids: Collection[str]) -> None:
        self.stored = Held(epoch=1, applied=dict.fromkeys(ids, S21.off_w))

    async def kept(self) -> None:
        """Wait for nothing."""


def test_three_hundred_devices_are_each_read_once_a_second_whatever_they_and_the_turns_of_a_busy_agent_take() -> None:
    devices = {f"m-{k:03d}": Slow(0.02 + 0.2 * k / 300) for k in range(300)}

    async def scene() -> list[int]:
        driving = Driving(
            agent="hall",
            devices=dict.fromkeys(devices, LEASED),
            ports={id_: Ports(device=device) for id_, device in devices.items()},
            clock=asyncio.get_running_loop().time,
            keeper=cast("Keeper", NoDisk(devices)),
        )
        before: list[int] = []
        while asyncio.get_running_loop().time() < 26.0:
            if not before and asyncio.get_running_loop().time() >= 6.0:
                before = [device.asked for device in devices.values()]
            driving.begin(may_raise=True)
            await asyncio.sleep(CROWDED_S if driving.is_crowded else 2 * TURN_S)
        await driving.end()
        return [device.asked - asked for device, asked in zip(devices.values(), before, strict=True)]

    reads = timeless.run(scene())
    assert 19 <= min(reads) <= max(reads) <= 21
