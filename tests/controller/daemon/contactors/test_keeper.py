"""A contactor is told until it is read to be as it is wanted, and is left alone otherwise."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest

from controller.core.limits.contactors import ContactorState, Phase, Wanted
from controller.core.site import Contactors
from controller.core.snapshot import ContactorNow, Position
from controller.daemon.contactors import keeper as module
from controller.daemon.contactors.keeper import OLD_S, ContactorKeeper
from controller.daemon.contactors.switchboard import Switchboard
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from tests.controller.core.halls import hall_site
from tests.controller.north import make_decision
from tests.waiting import until as waited_for

OPEN, CLOSED, UNKNOWN = (
    ContactorNow(position=position) for position in (Position.OPEN, Position.CLOSED, Position.UNKNOWN)
)


class FakePort:
    """`answers`: outcomes of the next commands, then ACCEPTED. `welded`: it moves for nobody."""

    def __init__(self) -> None:
        self.is_closed, self.welded, self.lost, self.broken = True, False, False, False
        self.told: list[bool] = []
        self.answers: list[CommandOutcome] = []
        self.reads, self.ended, self.cancels = 0, False, False

    async def switch(self, *, closed, hold_s):
        assert hold_s is None
        self.told.append(closed)
        if self.broken:
            raise RuntimeError("a mistake of ours")
        if self.lost:
            return CommandOutcome.UNKNOWN
        outcome = self.answers.pop(0) if self.answers else CommandOutcome.ACCEPTED
        if outcome is CommandOutcome.ACCEPTED and not self.welded:
            self.is_closed = closed
        return outcome

    async def read(self):
        self.reads += 1
        if self.cancels:
            raise asyncio.CancelledError
        if self.broken:
            raise RuntimeError("a mistake of ours")
        if self.lost:
            raise DriverLoss("10.0.0.9:502: no answer")
        return self.is_closed

    async def close(self):
        self.ended = True


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    for name in ("READ_S", "HURRIED_S", "AGAIN_S"):
        monkeypatch.setattr(module, name, 0.002)


@asynccontextmanager
async def kept(port, **given):
    keeper = ContactorKeeper("hall", port, **({"shows_contact": True} | given))
    task = asyncio.create_task(keeper.run())
    try:
        yield keeper
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert port.ended


async def until(condition):
    await asyncio.to_thread(waited_for, condition)


async def turns(port, count=3):
    seen = port.reads
    await until(lambda: port.reads >= seen + count)


def test_it_is_read_and_told_nothing_until_something_is_wanted():
    async def story():
        port = FakePort()
        async with kept(port) as keeper:
            await until(lambda: keeper.now == CLOSED)
            port.is_closed = False
            await until(lambda: keeper.now == OPEN)
            await turns(port)
            assert port.told == []

    asyncio.run(story())


def test_it_is_opened_once_and_again_when_somebody_closes_it():
    async def story():
        port = FakePort()
        async with kept(port) as keeper:
            keeper.want(Wanted.OPEN)
            await until(lambda: keeper.now == OPEN)
            await turns(port)
            assert port.told == [False]
            port.is_closed = True
            await until(lambda: port.told == [False, False])

    asyncio.run(story())


@pytest.mark.parametrize("first", [CommandOutcome.UNKNOWN, CommandOutcome.REFUSED])
def test_it_is_told_again_until_it_is_read_to_be_open(first):
    async def story():
        port = FakePort()
        port.answers = [first, first]
        async with kept(port) as keeper:
            keeper.want(Wanted.OPEN)
            await until(lambda: keeper.now == OPEN)
            assert len(port.told) >= 3

    asyncio.run(story())


def test_a_refused_command_is_a_fault_for_as_long_as_it_is_not_as_it_is_wanted(caplog):
    caplog.set_level(logging.INFO)

    async def story():
        port = FakePort()
        port.answers = [CommandOutcome.REFUSED] * 10_000
        async with kept(port) as keeper:
            keeper.want(Wanted.OPEN)
            await until(lambda: "refuses the command to open" in keeper.now.fault)
            await turns(port)
            assert "refuses" in keeper.now.fault
            assert keeper.now.position is Position.CLOSED
            port.answers.clear()
            await until(lambda: keeper.now == OPEN)

    asyncio.run(story())
    assert [record.event for record in caplog.records] == ["contactor_unread", "contactor_read"]


def test_one_that_is_silent_is_told_all_the_same_and_its_position_is_unknown():
    async def story():
        port = FakePort()
        port.lost = True
        async with kept(port) as keeper:
            keeper.want(Wanted.OPEN)
            await until(lambda: len(port.told) >= 2)
            assert keeper.now == ContactorNow(position=Position.UNKNOWN, fault="10.0.0.9:502: no answer")
            port.lost = False
            await until(lambda: keeper.now == OPEN)

    asyncio.run(story())


def test_a_mistake_of_a_port_ends_nothing():
    async def story():
        port = FakePort()
        port.broken = True
        async with kept(port) as keeper:
            keeper.want(Wanted.OPEN)
            await until(lambda: len(port.told) >= 2)
            assert "RuntimeError" in keeper.now.fault
            port.broken = False
            await until(lambda: keeper.now == OPEN)

    asyncio.run(story())


def test_it_is_closed_when_that_is_wanted_and_then_left():
    async def story():
        port = FakePort()
        port.is_closed = False
        async with kept(port) as keeper:
            keeper.want(Wanted.CLOSE)
            await until(lambda: keeper.now == CLOSED)
            keeper.want(Wanted.LEAVE)
            port.is_closed = False
            await until(lambda: keeper.now == OPEN)
            await turns(port)
            assert port.told == [True]

    asyncio.run(story())


def test_the_order_that_a_coil_holds_is_no_position():
    async def story():
        port = FakePort()
        async with kept(port, shows_contact=False) as keeper:
            await turns(port)
            assert keeper.now == ContactorNow(position=Position.UNKNOWN, held=Position.CLOSED)
            assert keeper.now.seems_closed
            keeper.want(Wanted.OPEN)
            await until(lambda: keeper.now == ContactorNow(position=Position.UNKNOWN, held=Position.OPEN))
            assert keeper.now.seems_open

    asyncio.run(story())


def test_what_ends_a_keeper_ends_neither_another_one_nor_the_daemon():
    """A library may raise a cancellation that nobody asked for."""

    async def story():
        broken, sound = FakePort(), FakePort()
        broken.cancels = True
        keepers = {
            0: ContactorKeeper("hall", broken, shows_contact=True),
            2: ContactorKeeper("yard", sound, shows_contact=True),
        }
        board = Switchboard(three_contactors(), keepers, lambda: {1: OPEN})
        task = asyncio.create_task(board.run())
        board.tell(wanting(Wanted.OPEN, Wanted.LEAVE, Wanted.OPEN))
        await until(lambda: board.now()[1:] == (OPEN, OPEN) and "CancelledError" in board.now()[0].fault)
        broken.cancels = False
        await until(lambda: board.now() == (OPEN, OPEN, OPEN))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert broken.ended
        assert sound.ended

    asyncio.run(story())


def three_contactors():
    contactors = Contactors(node=np.array([0, 1, 2]), trip_after_s=np.full(3, 60.0))
    return replace(hall_site(), contactors=contactors)


def wanting(*wanted):
    phases = {Wanted.OPEN: Phase.TRIPPED, Wanted.CLOSE: Phase.RECLOSING, Wanted.LEAVE: Phase.CLOSED}
    states = tuple(ContactorState(node=n, phase=phases[each], since_s=0.0) for n, each in enumerate(wanted))
    return replace(make_decision(), contactors=states)


def test_what_was_read_long_ago_is_not_known():
    now = [1000.0]

    async def story():
        port = FakePort()
        async with kept(port, clock=lambda: now[0]) as keeper:
            await until(lambda: keeper.now == CLOSED)
        now[0] += OLD_S + 1
        assert keeper.now == ContactorNow(position=Position.UNKNOWN, fault="not read for 11 s")

    asyncio.run(story())
