"""All points of one server, by subscription for promptness and by reading for certainty.

- Silence is normal while a value does not move. A point that has said nothing for a heartbeat is read; the answer confirms
  the value at that moment, and its absence ends the session.
- A session also ends when the subscription is silent for longer than its keep-alive, when the server ends it, or when its
  clock stands still. A new one is then built, namespaces, units and subscription included. So a server that was killed,
  frozen or restarted is found again without anybody's help.
- A server that has no subscription to give, or no room for one more variable in it, is read instead, at the pace of each
  point; that is said once.
- What is wrong with one point (no such node, a doubtful unit) stays with it; it is looked up again every few seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from random import SystemRandom
from typing import Any, Final

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

from drivers.clock import Clock, boottime_s
from drivers.ending import end
from drivers.errors import DriverLoss
from drivers.meters.opcua.connect import Door
from drivers.meters.opcua.line import OpcuaLine
from drivers.meters.opcua.points import Point, Server
from drivers.meters.opcua.resolve import Resolver
from drivers.meters.opcua.status import CODE, UNKNOWN_NODES, name_of
from drivers.meters.opcua.subscription import NotSubscribedError, Subscription
from drivers.meters.opcua.watch import Clockwork, Item, PointWatch
from drivers.meters.opcua.wire import Value
from drivers.readings import Publish

log = logging.getLogger(__name__)

#: Between two sessions, jittered; doubles up to the longest. A server that is back must be found within seconds.
SHORTEST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 2.0
#: Between two lookups of a point that the server does not know.
LOOKUP_S: Final = 2.0

_CURRENT_TIME: Final = ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_CurrentTime))
_random = SystemRandom()


async def watch_forever(server: Server, points: Sequence[Point], publish: Publish, clock: Clock = boottime_s) -> None:
    """Watch `points`; publish a Sample a change and a heartbeat, a Loss when a point is lost. Never returns."""
    door = Door(server)
    watches = [PointWatch(point, publish) for point in points]
    clockwork = Clockwork(clock)
    pause_s = SHORTEST_PAUSE_S
    while True:
        session, reason = _Session(server, watches, clockwork), "the session ended"
        try:
            await session.run(door)
        except DriverLoss as loss:
            reason = str(loss)
        except Exception as error:  # a fault in this driver must not end it: its points are lost until it works again
            reason = f"the driver failed: {error!r}"
            if not all(watch.lost for watch in watches):
                log.exception("%s: the driver failed", server.endpoint, extra={"event": "driver_failed"})
        if session.heard:
            pause_s = SHORTEST_PAUSE_S
        for watch in watches:
            watch.lose(watch.unresolved if session.heard and watch.unresolved else reason, clock())
        await asyncio.sleep(pause_s * _random.uniform(0.5, 1.0))
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


class _Session:
    """One connection with its subscription, or with reads alone where the server has none to give."""

    def __init__(self, server: Server, watches: Sequence[PointWatch], clockwork: Clockwork) -> None:
        self.heard = False
        self._server = server
        self._watches = watches
        self._clockwork = clockwork
        self._items: dict[int, Item] = {}
        self._next_handle = 1
        self._subscription: Subscription | None = None
        #: Why nothing is monitored, empty where it is.
        self._polls = ""

    async def run(self, door: Door) -> None:
        """Connect, subscribe, and watch until the session is lost; raises DriverLoss with the reason."""
        self._clockwork.begin()
        for watch in self._watches:
            watch.begin()
        async with door.open() as client:
            line = OpcuaLine(client)
            await line.learn_limits()
            await self._read(line, [])
            await self._subscribe(line)
            await _until_one_ends(self._listen(), self._beat(line), door.guard())

    async def _subscribe(self, line: OpcuaLine) -> None:
        made = Subscription(line, self._items, self._take, timeout_s=self._server.timeout_s, clock=self._clockwork.now)
        try:
            await made.make(min(watch.point.publish_interval_s for watch in self._watches))
            self._subscription = made
        except NotSubscribedError as why:
            self._poll(str(why))

    async def _listen(self) -> None:
        """Take the changes that the server tells, for as long as it does; raises DriverLoss where the subscription is lost."""
        if self._subscription:
            try:
                await _until_one_ends(self._subscription.listen(), self._subscription.guard())
            except NotSubscribedError as why:
                self._poll(str(why))
        await asyncio.Event().wait()

    def _poll(self, why: str) -> None:
        """Have everything read at the pace of its point from now on."""
        self._subscription, self._polls = None, why
        for item in self._items.values():
            item.poll(why)

    def _take(self, changes: Sequence[tuple[Item, Value]], arrived_s: float) -> None:
        touched: dict[PointWatch, None] = {}
        for item, value in changes:
            item.change(value, self._clockwork, arrived_s)
            touched[item.point] = None
        self._hand_over(touched, arrived_s)

    async def _beat(self, line: OpcuaLine) -> None:
        """Look up what is not known yet, and read what is silent or polled."""
        heartbeat_s = self._server.heartbeat_s
        while True:
            begun_s = self._clockwork.now()
            await self._adopt(line)
            paces_s = [item.point.point.publish_interval_s for item in self._items.values() if item.polled]
            pace_s = min([heartbeat_s / 2, *paces_s])
            await self._read(line, [item for item in self._items.values() if item.due(begun_s, heartbeat_s, pace_s)])
            # A server that is slower than the pace gets a rest all the same.
            await asyncio.sleep(max(pace_s / 4, begun_s + pace_s - self._clockwork.now()))

    async def _read(self, line: OpcuaLine, items: Sequence[Item]) -> None:
        """Read the server's clock and the items, and hand over what they say."""
        wanted: Sequence[Item | None] = [None, *items]
        async for part in line.in_chunks(wanted):
            started_s = self._clockwork.now()
            values = await line.read([_CURRENT_TIME if item is None else item.node for item in part])
            arrived_s = self._clockwork.now()
            touched: dict[PointWatch, None] = {}
            for each, value in zip(part, values, strict=True):
                if each is None:
                    self._clockwork.hear(value.raw, (started_s + arrived_s) / 2)
                    continue
                each.confirm(value, self._clockwork, started_s, arrived_s)
                touched[each.point] = None
                if value.status & CODE in UNKNOWN_NODES:  # removed: its monitored item will not come back with it
                    each.point.unresolved = f"{each.point.point.node}: {name_of(value.status)}"
            self._hand_over(touched, arrived_s)

    def _hand_over(self, touched: dict[PointWatch, None], arrived_s: float) -> None:
        for watch in touched:
            watch.publish(self._clockwork, arrived_s)
        self.heard = self.heard or bool(touched)

    async def _adopt(self, line: OpcuaLine) -> None:
        """Look up the points that have no items, and monitor what is found."""
        now_s = self._clockwork.now()
        lookups = [each for each in self._watches if each.unresolved and now_s - each.lookup_s >= LOOKUP_S]
        if not lookups:
            return
        await self._forget([item for watch in lookups for item in watch.items])
        resolver = await Resolver.ask(line)  # each time: a server that starts may not have all of its namespaces yet
        await resolver.resolve(lookups)
        for watch in lookups:
            watch.lookup_s = now_s
            if watch.unresolved:
                watch.lose(watch.unresolved, now_s)
        await self._monitor([item for watch in lookups for item in watch.items])

    async def _monitor(self, items: Sequence[Item]) -> None:
        for item in items:
            item.handle, self._next_handle = self._next_handle, self._next_handle + 1
            self._items[item.handle] = item
            if self._polls:
                item.poll(self._polls)
        if self._subscription:
            await self._subscription.monitor(items)

    async def _forget(self, items: Sequence[Item]) -> None:
        for item in items:
            self._items.pop(item.handle, None)
        if self._subscription:
            await self._subscription.forget(items)


async def _until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Run all until one raises, and raise that; all have ended when this returns.

    Not a TaskGroup: asyncua may lose a cancellation, and a group would wait for that task for ever.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(tasks)
