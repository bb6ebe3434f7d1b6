"""All points of one server, by subscription for promptness and by reading for certainty.

- Silence is normal while a value does not move. A point that has said nothing for a heartbeat is read; the answer confirms
  the value at that moment, and its absence ends the session.
- A session also ends when the subscription is silent for longer than its keep-alive, when the server ends it, or when its
  clock stands still. A new one is then built, namespaces, units and subscription included. So a server that was killed,
  frozen or restarted is found again without anybody's help.
- What is wrong with one point (no such node, a doubtful unit) stays with it; it is looked up again every few seconds.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine, Sequence
from random import SystemRandom
from typing import Any, Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from drivers.clock import Clock, boottime_s
from drivers.ending import end
from drivers.errors import DriverLoss
from drivers.meters.opcua.connect import SESSION_TIMEOUT_S, Door
from drivers.meters.opcua.line import OpcuaLine
from drivers.meters.opcua.points import Point, Server
from drivers.meters.opcua.resolve import Resolver
from drivers.meters.opcua.status import CODE, UNKNOWN_NODES
from drivers.meters.opcua.watch import Clockwork, Item, PointWatch
from drivers.meters.opcua.wire import Published
from drivers.readings import Publish

log = logging.getLogger(__name__)

#: Between two sessions, jittered; doubles up to the longest. A server that is back must be found within seconds.
SHORTEST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 2.0
#: How often a living subscription says so.
KEEP_ALIVE_S: Final = 2.0
#: Between two lookups of a point that the server does not know.
LOOKUP_S: Final = 2.0
#: Heartbeats without a change after which a value is read: one that comes at every heartbeat is never read as well.
SILENT: Final = 1.25

_CURRENT_TIME: Final = ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_CurrentTime))
_random = SystemRandom()


async def watch_forever(server: Server, points: Sequence[Point], publish: Publish, clock: Clock = boottime_s) -> None:
    """Watch `points`; publish a Sample a change and a heartbeat, a Loss when a point is lost. Never returns."""
    door = Door(server)
    watches = [PointWatch(point, publish) for point in points]
    pause_s = SHORTEST_PAUSE_S
    while True:
        session, reason = _Session(server, watches, clock), "the session ended"
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
    """One connection with its subscription."""

    def __init__(self, server: Server, watches: Sequence[PointWatch], clock: Clock) -> None:
        self.heard = False
        self._server = server
        self._watches = watches
        self._clockwork = Clockwork(clock)
        self._items: dict[int, Item] = {}
        self._next_handle = 1
        self._subscription = 0
        self._sequence: int | None = None
        self._silent_after_s = math.inf
        self._published_s = clock()
        self._publishing_s = 0.0

    async def run(self, door: Door) -> None:
        """Connect, subscribe, and watch until the session is lost; raises DriverLoss with the reason."""
        for watch in self._watches:
            watch.begin()
        async with door.open() as client:
            line = OpcuaLine(client)
            await line.learn_limits()
            await self._read(line, [])
            await self._subscribe(line)
            await _until_one_ends(self._listen(line), self._beat(line), self._guard(), door.guard())

    async def _subscribe(self, line: OpcuaLine) -> None:
        interval_ms = 1000 * min(watch.point.publish_interval_s for watch in self._watches)
        keep_alive = max(1, math.ceil(1000 * KEEP_ALIVE_S / interval_ms))
        request = ua.CreateSubscriptionRequest()
        request.Parameters.RequestedPublishingInterval = interval_ms
        request.Parameters.RequestedMaxKeepAliveCount = keep_alive
        request.Parameters.RequestedLifetimeCount = max(
            3 * keep_alive, math.ceil(1000 * SESSION_TIMEOUT_S / interval_ms)
        )
        request.Parameters.MaxNotificationsPerPublish = 0
        request.Parameters.PublishingEnabled = True
        revised = (await line.ask(request)).Parameters
        self._subscription = revised.SubscriptionId
        self._publishing_s = revised.RevisedPublishingInterval / 1000
        alive_s = self._publishing_s * revised.RevisedMaxKeepAliveCount
        self._silent_after_s = alive_s + self._server.timeout_s
        self._published_s = self._clockwork.now()

    async def _listen(self, line: OpcuaLine) -> None:
        """Take the changes that the server publishes."""
        acknowledged: list[ua.SubscriptionAcknowledgement] = []
        while True:
            told = await line.publish(acknowledged)
            acknowledged = []
            if told.subscription != self._subscription:
                continue
            self._published_s = self._clockwork.now()
            if told.ended is not None:
                raise DriverLoss(f"the server ended the subscription: {_name(told.ended)}")
            if told.changes:
                acknowledged.append(ua.SubscriptionAcknowledgement(self._subscription, told.sequence))
                self._take(told)

    def _take(self, told: Published) -> None:
        arrived_s = self._published_s
        if self._sequence is not None and told.sequence not in {self._sequence + 1, 1}:
            for each in self._items.values():  # a message was lost: read everything at the next heartbeat
                each.heard_s = -math.inf
        self._sequence = told.sequence
        touched: dict[PointWatch, None] = {}
        for handle, value in told.changes:
            item = self._items.get(handle)
            if item is not None:
                item.change(value, self._clockwork, arrived_s)
                touched[item.point] = None
        self._hand_over(touched, arrived_s)

    async def _beat(self, line: OpcuaLine) -> None:
        """Look up what is not known yet, and read what is silent."""
        heartbeat_s = self._server.heartbeat_s
        while True:
            begun_s = self._clockwork.now()
            await self._adopt(line)
            silent = [item for item in self._items.values() if begun_s - item.heard_s >= SILENT * heartbeat_s]
            await self._read(line, silent)
            await asyncio.sleep(heartbeat_s / 2)

    async def _guard(self) -> None:
        """See that the subscription lives; raises DriverLoss where not even keep-alives come."""
        while True:
            silence_s = self._clockwork.now() - self._published_s
            if silence_s > self._silent_after_s:
                raise DriverLoss(f"the subscription has been silent for {silence_s:.1f} s, keep-alives included")
            await asyncio.sleep(self._silent_after_s - silence_s + 0.01)

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
                    each.point.unresolved = f"{each.point.point.node}: {_name(value.status)}"
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
        await self._forget(line, [item for watch in lookups for item in watch.items])
        resolver = await Resolver.ask(line)  # each time: a server that starts may not have all of its namespaces yet
        await resolver.resolve(lookups)
        for watch in lookups:
            watch.lookup_s = now_s
            if watch.unresolved:
                watch.lose(watch.unresolved, now_s)
        await self._monitor(line, [item for watch in lookups for item in watch.items])

    async def _monitor(self, line: OpcuaLine, items: Sequence[Item]) -> None:
        for item in items:
            item.handle, self._next_handle = self._next_handle, self._next_handle + 1
            self._items[item.handle] = item
        async for part in line.in_chunks(items):
            request = ua.CreateMonitoredItemsRequest()
            request.Parameters.SubscriptionId = self._subscription
            request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Source
            request.Parameters.ItemsToCreate = [_monitoring(item) for item in part]
            for item, result in zip(part, (await line.ask(request)).Results, strict=True):
                watch = item.point
                if result.StatusCode.is_good():
                    item.server_handle = result.MonitoredItemId
                    watch.slow(self._publishing_s, max(result.RevisedSamplingInterval, 0.0) / 1000)
                else:
                    name = result.StatusCode.name
                    watch.tell(
                        f"{item.quantity} is not monitored ({name}), only read every {self._server.heartbeat_s:g} s"
                    )

    async def _forget(self, line: OpcuaLine, items: Sequence[Item]) -> None:
        handles = [item.server_handle for item in items if item.server_handle is not None]
        for item in items:
            self._items.pop(item.handle, None)
        if handles:
            request = ua.DeleteMonitoredItemsRequest()
            request.Parameters.SubscriptionId = self._subscription
            request.Parameters.MonitoredItemIds = handles
            await line.ask(request)


def _monitoring(item: Item) -> ua.MonitoredItemCreateRequest:
    wanted = ua.MonitoredItemCreateRequest()
    wanted.ItemToMonitor = ua.ReadValueId(NodeId=item.node, AttributeId=AttributeIds.Value)
    wanted.MonitoringMode = ua.MonitoringMode.Reporting
    wanted.RequestedParameters.ClientHandle = item.handle
    wanted.RequestedParameters.SamplingInterval = 1000 * item.point.point.publish_interval_s
    # The newest value is all that counts.
    wanted.RequestedParameters.QueueSize = 1
    wanted.RequestedParameters.DiscardOldest = True
    return wanted


def _name(status: int) -> str:
    return str(ua.StatusCode(ua.UInt32(status & CODE)).name)


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
