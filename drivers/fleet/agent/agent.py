"""The agent beside a group of devices: takes sets, drives the devices, reports back, and ends leases by its own clock.

One asyncio loop does all of it and waits for nothing but the next thing to do: requests to devices are tasks, the disk and
the broker have threads of their own. So a set, a report or a lease end never waits for a device.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from drivers.clock import Clock, boottime_s, raw_s
from drivers.errors import Refused
from drivers.fleet import wire
from drivers.fleet.agent.contact import TURN_S
from drivers.fleet.agent.device import Ports
from drivers.fleet.agent.driving import Driving
from drivers.fleet.agent.keeping import Keeper, Storing
from drivers.fleet.agent.lease import Held, LeasedDevice, LeaseHolder
from drivers.fleet.agent.messages import Speaker
from drivers.fleet.agent.steady import SteadyClock
from drivers.fleet.keys import PrivateKey, PublicKey
from drivers.fleet.link import Link, OnConnection, OnMessage
from drivers.notify import Notifier

_log = logging.getLogger(__name__)

#: Messages that may wait for the loop; a flood beyond is dropped, for the controller repeats itself.
INBOX: Final = 100
#: So soon after one in which not all could begin that is due.
CROWDED_S: Final = 0.02
#: Whoever sends a set for other devices is told those that there are, but not more often.
INTRODUCE_S: Final = 1.0
#: Changes of device states are reported at once, but not more often.
CHANGES_S: Final = 0.2
#: At its end, an agent waits so long for its devices to be told.
END_S: Final = 3.0


class Connect(Protocol):
    """Makes the agent's link; `functools.partial` of `MqttLink` over where the broker is."""

    def __call__(
        self,
        *,
        client_id: str,
        will: tuple[str, bytes],
        subscriptions: Sequence[str],
        on_message: OnMessage,
        on_connection: OnConnection,
    ) -> Link:
        """Return a link that is not started."""


class Agent:
    """One agent of one site. `run` works until it is cancelled, or until `stop`, which any thread may call.

    `devices` are its devices and `ports` the way to each, by id; `key` is its own private key, `controller_keys` the
    public keys by key id whose sets it takes, `settle_s` the site's settle time. It reports every `report_s`, and at once
    when something happens. `notifier`: its loop, and nothing else, kicks systemd's watchdog. Where `clock` goes back, `count`
    shows how far it should have gone.
    """

    def __init__(
        self,
        *,
        site: str,
        agent: str,
        devices: Mapping[str, LeasedDevice],
        ports: Mapping[str, Ports],
        connect: Connect,
        key: PrivateKey,
        controller_keys: Mapping[str, PublicKey],
        store: Storing,
        settle_s: float,
        report_s: float = 1.0,
        clock: Clock = boottime_s,
        count: Clock = raw_s,
        notifier: Notifier | None = None,
    ) -> None:
        self._site, self._agent, self._controller_keys = site, agent, controller_keys
        self._report_s, self._notifier = report_s, notifier or Notifier({})
        self._clock, self._steps = SteadyClock(clock, count), 0
        self._ids = sorted(devices)
        self._speaker = Speaker(site=site, agent=agent, key=key, devices=devices)
        self._keeper = Keeper(store, agent=agent, clock=self._clock)
        self._holder = self._leases(devices, settle_s)
        self._driving = Driving(agent=agent, devices=devices, ports=ports, clock=self._clock, keeper=self._keeper)
        self._applied_seq = 0
        self._refused: str | None = None
        self._report_due_s = self._reported_s = 0.0
        self._reported_states = ""
        self._introduced_s = float("-inf")
        self._connected = self._stopping = False
        self._inbox: deque[tuple[bytes, bool]] = deque()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link = self._linked(connect)

    def _leases(self, devices: Mapping[str, LeasedDevice], settle_s: float) -> LeaseHolder:
        return LeaseHolder(
            agent=self._agent,
            boot=self._speaker.boot,
            devices=devices,
            inventory=self._speaker.inventory,
            settle_s=settle_s,
            held=self._keeper.stored,
            now_ms=self._now_ms(),
        )

    def _linked(self, connect: Connect) -> Link:
        return connect(
            client_id=f"{self._site}.{self._agent}",
            will=(self._speaker.topic(wire.Leaf.STATUS), self._speaker.status(wire.Presence.OFFLINE)),
            subscriptions=[self._speaker.topic(wire.Leaf.SET)],
            on_message=lambda _topic, payload, retained: self._soon(self._receive, payload, retained),
            on_connection=lambda up: self._soon(self._meet, up),
        )

    async def run(self) -> None:
        """Bring the devices to what they may draw, then serve; leave them at min(applied, failsafe)."""
        self._loop = asyncio.get_running_loop()
        self._keeper.start(self._loop)
        self._turn()
        self._link.start()
        self._notifier.ready()
        try:
            while not self._stopping:
                await self._pause()
                self._turn()
        finally:
            await self._end()

    def stop(self) -> None:
        """End `run`."""
        self._stopping = True
        self._soon(self._wake_up)

    async def _end(self) -> None:
        self._stopping = True
        self._notifier.stopping()
        self._inbox.clear()
        self._holder.lapse(self._now_ms())
        end_s = self._clock() + END_S
        self._turn()
        while not self._driving.are_told() and self._clock() < end_s:
            await self._pause()
            self._turn()
        await self._driving.end()
        await self._keeper.stop()
        self._report()
        self._say(wire.Presence.OFFLINE)
        await asyncio.to_thread(self._link.stop)

    async def _pause(self) -> None:
        """Wait until something happens or is due."""
        end_ms = self._holder.next_end_ms()
        to_end_s = TURN_S if end_ms is None else end_ms / 1000 - self._clock()
        turn_s = CROWDED_S if self._driving.is_crowded else TURN_S
        wait_s = max(0.0, min(turn_s, to_end_s, self._report_due_s - self._clock()))
        timer = asyncio.get_running_loop().call_later(wait_s, self._wake.set)
        await self._wake.wait()
        timer.cancel()
        self._wake.clear()

    def _turn(self) -> None:
        """Deal with all that has happened and is due; begin what devices are to be asked; wait for nothing."""
        self._notifier.watchdog()
        self._look_at_the_clock()
        while self._inbox:
            self._take(*self._inbox.popleft())
        if self._connected:
            self._connected = False
            self._introduce()
        self._holder.advance(self._now_ms())
        self._driving.grant(self._holder.setpoints_w)
        self._driving.begin(may_raise=self._keeper.unstored() is None)
        low_w = self._driving.low_w()
        self._holder.took(low_w)
        applied, rests = dict(zip(self._ids, low_w, strict=True)), self._driving.rests()
        epoch, seq, head = self._holder.epoch, self._holder.accepted_seq, self._holder.head
        self._keeper.keep(Held(epoch=epoch, seq=seq, head=head, applied=applied, rests=rests))
        if self._is_to_report():
            self._report()

    def _look_at_the_clock(self) -> None:
        now_s = self._clock()
        if self._clock.steps != self._steps:
            self._steps = self._clock.steps
            self._begin_anew("its clock has gone back", now_s)

    def _begin_anew(self, why: str, now_s: float) -> None:
        """Be as after a restart: no lease runs, nothing is known of a device, and what was said before is of a former start."""
        _log.error("every lease ended: %s", why, extra={"event": "clock_went_back", "agent": self._agent})
        self._holder.begin_anew(self._speaker.begin_anew(), round(1000 * now_s))
        self._driving.awoke()
        self._introduce()

    def _is_to_report(self) -> bool:
        now_s = self._clock()
        if self._applied_seq != self._holder.accepted_seq and self._driving.are_told():
            self._applied_seq = self._holder.accepted_seq
            return True
        if now_s >= self._report_due_s:
            return True
        return now_s >= self._reported_s + CHANGES_S and self._driving.states() != self._reported_states

    def _take(self, payload: bytes, retained: bool) -> None:
        """Offer a set to the lease holder; an authentic one is answered at once, whatever becomes of it."""
        try:
            statement = wire.open_set(payload, self._controller_keys, site=self._site, agent=self._agent)
        except Refused as error:
            self._refuse(error)
            return
        try:
            self._holder.offer(statement, self._now_ms(), retained=retained)
            self._refused = None
        except Refused as error:
            self._refuse(error)
            if not retained and self._holder.is_ahead(statement, self._now_ms()):
                self._begin_anew("the controller knows a later time of it", self._clock())
            strange = statement.inventory != self._speaker.inventory and not retained
            if strange and self._clock() >= self._introduced_s + INTRODUCE_S:
                self._introduce()
        self._report_due_s = self._clock()

    def _refuse(self, error: Refused) -> None:
        if self._refused is None:
            _log.warning("set refused: %s", error, extra={"event": "set_refused", "agent": self._agent})
        self._refused = str(error)

    def _report(self) -> None:
        now_ms = self._now_ms()
        columns = self._driving.columns()
        report = self._speaker.report(
            columns,
            self._holder,
            now_ms,
            applied_seq=self._applied_seq,
            head_stored=self._keeper.stored.head,
            refused=self._refused or self._keeper.unstored(),
            alarms=self._driving.alarms(),
        )
        self._reported_s, self._reported_states = now_ms / 1000, columns.state
        self._report_due_s = self._reported_s + self._report_s
        self._link.publish(self._speaker.topic(wire.Leaf.REPORT), report, expiry_s=3 * self._report_s)

    def _introduce(self) -> None:
        self._introduced_s = self._clock()
        introduction = self._speaker.introduction(self._now_ms())
        self._link.publish(self._speaker.topic(wire.Leaf.INVENTORY), introduction, retain=True)
        self._say(wire.Presence.ONLINE)
        self._report_due_s = self._clock()

    def _say(self, presence: wire.Presence) -> None:
        self._link.publish(self._speaker.topic(wire.Leaf.STATUS), self._speaker.status(presence), retain=True)

    def _soon(self, callback: Callable[..., None], *words: object) -> None:
        """Have the loop do this, from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *words)

    def _receive(self, payload: bytes, retained: bool) -> None:
        if len(self._inbox) < INBOX and not self._stopping:
            self._inbox.append((payload, retained))
            self._wake.set()

    def _meet(self, up: bool) -> None:
        if up:
            self._connected = True
            self._wake.set()

    def _wake_up(self) -> None:
        self._wake.set()

    def _now_ms(self) -> int:
        return int(1000 * self._clock())
