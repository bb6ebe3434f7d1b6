"""The one subscription of a session: it is made, listened to, and seen to be alive."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.uaerrors import UaStatusCodeError

from drivers.clock import Clock
from drivers.errors import DriverLoss
from drivers.meters.opcua.connect import SESSION_TIMEOUT_S
from drivers.meters.opcua.line import OpcuaLine
from drivers.meters.opcua.status import NO_ROOM, name_of
from drivers.meters.opcua.watch import Item
from drivers.meters.opcua.wire import Published, Value

#: How often a living subscription says so.
KEEP_ALIVE_S: Final = 2.0

#: Takes the changes of one message, and when they arrived.
Take = Callable[[Sequence[tuple[Item, Value]], float], None]


class NotSubscribedError(Exception):
    """The server tells no changes, and answers reads all the same; the text says how it says so."""


class Subscription:
    """One subscription. `items`: by their handle, all that are watched. `timeout_s`: what a message may be late."""

    def __init__(
        self, line: OpcuaLine, items: Mapping[int, Item], take: Take, *, timeout_s: float, clock: Clock
    ) -> None:
        self._line = line
        self._items = items
        self._take = take
        self._timeout_s = timeout_s
        self._now = clock
        self._number = 0
        self._sequence: int | None = None
        self._heard = False
        self._published_s = clock()
        self._publishing_s = 0.0
        self._silent_after_s = math.inf

    async def make(self, interval_s: float) -> None:
        """Ask for it; raises NotSubscribedError where the server has none to give."""
        interval_ms = 1000 * interval_s
        keep_alive = max(1, math.ceil(1000 * KEEP_ALIVE_S / interval_ms))
        request = ua.CreateSubscriptionRequest()
        request.Parameters.RequestedPublishingInterval = interval_ms
        request.Parameters.RequestedMaxKeepAliveCount = keep_alive
        request.Parameters.RequestedLifetimeCount = max(
            3 * keep_alive, math.ceil(1000 * SESSION_TIMEOUT_S / interval_ms)
        )
        request.Parameters.MaxNotificationsPerPublish = 0
        request.Parameters.PublishingEnabled = True
        try:
            revised = (await self._line.ask(request)).Parameters
        except UaStatusCodeError as error:
            raise _no_room(error) from error
        self._number = revised.SubscriptionId
        self._publishing_s = revised.RevisedPublishingInterval / 1000
        self._silent_after_s = self._publishing_s * revised.RevisedMaxKeepAliveCount + self._timeout_s
        self._published_s = self._now()

    async def listen(self) -> None:
        """Take the changes that the server publishes; raises NotSubscribedError where it cannot publish."""
        acknowledged: list[ua.SubscriptionAcknowledgement] = []
        while True:
            try:
                told = await self._line.publish(acknowledged)
            except UaStatusCodeError as error:
                raise _no_room(error) from error
            acknowledged = []
            if told.subscription != self._number:
                continue
            self._heard, self._published_s = True, self._now()
            if told.ended is not None:
                raise DriverLoss(f"the server ended the subscription: {name_of(told.ended)}")
            if told.changes:
                acknowledged.append(ua.SubscriptionAcknowledgement(self._number, told.sequence))
                self._hand_over(told)

    def _hand_over(self, told: Published) -> None:
        if self._sequence is not None and told.sequence not in {self._sequence + 1, 1}:
            for each in self._items.values():  # a message was lost: read everything at the next heartbeat
                each.heard_s = -math.inf
        self._sequence = told.sequence
        changes = [(self._items[handle], value) for handle, value in told.changes if handle in self._items]
        self._take(changes, self._published_s)

    async def guard(self) -> None:
        """See that it lives; raises DriverLoss where not even keep-alives come, NotSubscribedError where none ever came."""
        while True:
            silence_s = self._now() - self._published_s
            if silence_s > self._silent_after_s and not self._heard:
                raise NotSubscribedError("its subscription says nothing")
            if silence_s > self._silent_after_s:
                raise DriverLoss(f"the subscription has been silent for {silence_s:.1f} s, keep-alives included")
            await asyncio.sleep(self._silent_after_s - silence_s + 0.01)

    async def monitor(self, items: Sequence[Item]) -> None:
        """Have the server tell the changes of `items`; those of which it will not are polled."""
        async for part in self._line.in_chunks(items):
            request = ua.CreateMonitoredItemsRequest()
            request.Parameters.SubscriptionId = self._number
            request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Source
            request.Parameters.ItemsToCreate = [_monitoring(item) for item in part]
            try:
                results = (await self._line.ask(request)).Results
            except UaStatusCodeError as error:
                why = str(_no_room(error))
                for item in part:
                    item.poll(why)
                continue
            for item, result in zip(part, results, strict=True):
                if result.StatusCode.is_good():
                    item.server_handle = result.MonitoredItemId
                    item.point.slow(self._publishing_s, max(result.RevisedSamplingInterval, 0.0) / 1000)
                else:
                    item.poll(str(result.StatusCode.name))

    async def forget(self, items: Sequence[Item]) -> None:
        """Have the server tell no more of `items`."""
        handles = [item.server_handle for item in items if item.server_handle is not None]
        if handles:
            request = ua.DeleteMonitoredItemsRequest()
            request.Parameters.SubscriptionId = self._number
            request.Parameters.MonitoredItemIds = handles
            await self._line.ask(request)


def _no_room(error: UaStatusCodeError) -> NotSubscribedError:
    """Return what an error means that says there is no such service, or no room; raises any other."""
    if error.code not in NO_ROOM:
        raise error
    return NotSubscribedError(name_of(error.code))


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
