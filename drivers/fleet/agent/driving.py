"""Drives the devices of one agent: what their followers ask for goes out as tasks, paced, and nobody waits for one."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from drivers import ending
from drivers.clock import Clock
from drivers.errors import DriverLoss
from drivers.fleet.agent.contactor import ContactorFollower
from drivers.fleet.agent.device import CommandOutcome, Ports, Relay
from drivers.fleet.agent.follow import Follower
from drivers.fleet.agent.keeping import Keeper
from drivers.fleet.agent.lease import Held, LeasedDevice
from drivers.fleet.agent.pacing import Pacer, Urgency
from drivers.fleet.agent.proof import measured_w
from drivers.fleet.agent.relay import RelayKeeper, Switch
from drivers.fleet.agent.steps import Action, Do
from drivers.fleet.wire import MAX_ALARMS, Activity, AlarmedDevice, DeviceAlarm, Follow, MeasuredBy, Resting

_log = logging.getLogger(__name__)

T = TypeVar("T")

#: A port bounds its own time; one that does not is given up after so long.
REQUEST_S: Final = 10.0
#: An agent that has had no turn for so long was stopped, or its machine asleep: what it knew is not of now.
AWAY_S: Final = 2.0
_EVENTS: Final = {
    Follow.LOST: ("devices_lost", "%d devices lost: %s"),
    Follow.DEFIANT: ("devices_defiant", "%d devices are above what they were told: %s"),
    Follow.STOPPED: ("devices_stopped", "%d devices had to be brought down: %s"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What is known of the devices, one entry or letter each, sorted by id; as in `wire.Report`."""

    applied_w: list[int]
    measured_w: list[int | None]
    measured_by: str
    state: str
    proof: str
    activity: str
    rests: str


@dataclass(frozen=True, slots=True)
class _Relayed:
    port: Relay
    keeper: RelayKeeper
    follower: Follower


class _Driven:
    """One device: its port, what follows it, and the relay before it; a contactor has none before it."""

    def __init__(self, id_: str, device: LeasedDevice, ports: Ports, stored: Held, now_s: float) -> None:
        self.id = id_
        self.device = ports.device
        self.follower: Follower | ContactorFollower
        self.relay: _Relayed | None = None
        self.failed = False
        stored_w = stored.applied.get(id_, device.unknown_w)
        self._seen = ports.alarms
        if device.is_contactor:
            self.follower = ContactorFollower(device, stored_w=stored_w, now_s=now_s)
            return
        self.follower = Follower(
            device, stored_w=stored_w, has_relay=ports.relay is not None, now_s=now_s, rested=stored.rests.get(id_, 0)
        )
        if ports.relay is not None:
            self.relay = _Relayed(ports.relay, RelayKeeper(hold_s=ports.hold_s, now_s=now_s), self.follower)

    def alarms(self, now_s: float) -> set[DeviceAlarm]:
        """Return what a person has to look at."""
        is_moved = isinstance(self.follower, Follower) and self.follower.is_moved(now_s)
        return {*self._seen(), *((DeviceAlarm.MOVED,) if is_moved else ())}


class Driving:
    """The devices of an agent, in columns sorted by id. Its methods are for the agent's loop.

    `keeper` keeps what is to outlive a restart. `is_crowded`: there was no room for all that is due and may not wait.
    """

    def __init__(
        self,
        *,
        agent: str,
        devices: Mapping[str, LeasedDevice],
        ports: Mapping[str, Ports],
        clock: Clock,
        keeper: Keeper,
    ) -> None:
        self._agent, self._clock, self._keeper = agent, clock, keeper
        now_s = clock()
        self._driven = [_Driven(id_, devices[id_], ports[id_], keeper.stored, now_s) for id_ in sorted(devices)]
        self._pacer = Pacer()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_crowded = False
        self._begun_s = now_s
        self._awoke_s = -math.inf
        self._known = ""

    def grant(self, setpoints_w: Sequence[int]) -> None:
        """Have each device run on its setpoint (D,) from now on."""
        now_s = self._clock()
        for driven, watts in zip(self._driven, setpoints_w, strict=True):
            if driven.follower.aim_w != watts:
                driven.follower.grant(watts, now_s)

    def awoke(self) -> None:
        """Note that nobody knows for how long the agent was away: all devices are read first."""
        self._awoke_s = now_s = self._clock()
        for driven in self._driven:
            driven.follower.awoke(now_s)
            if driven.relay is not None:
                driven.relay.keeper.awoke(now_s)

    def begin(self, *, may_raise: bool) -> None:
        """Begin all requests that are due and may go now; they run when the caller gives the loop back."""
        now_s = self._clock()
        if now_s > self._begun_s + AWAY_S:
            self.awoke()
        self._begun_s = now_s
        self.is_crowded = False
        due = [(driven, action) for driven in self._driven if (action := driven.follower.next(now_s)) is not None]
        # Within an urgency the longest unheard first, so that none starves where there is no room for all.
        for driven, action in sorted(due, key=lambda pair: (self._urgency(*pair), pair[0].follower.heard_s)):
            urgency = self._urgency(driven, action)
            if not may_raise and (urgency is Urgency.RAISE or _closes(driven, action)):
                continue
            if not self._pacer.may_begin(urgency, now_s):
                self.is_crowded |= urgency in {Urgency.LOWER, Urgency.READ}
                continue
            driven.follower.began(action, now_s)
            self._start(self._perform(driven, action), urgency)
        for driven in self._driven:
            if driven.relay is not None:
                self._begin_relay(driven, driven.relay, now_s, may_raise=may_raise)

    def low_w(self) -> list[int]:
        """Return the least that each device may be running on (D,)."""
        return [driven.follower.low_w for driven in self._driven]

    def rests(self) -> dict[str, int]:
        """Return which devices rest because they had to be brought down, and how often in a row that was."""
        followers = ((driven.id, driven.follower) for driven in self._driven)
        return {id_: each.rests for id_, each in followers if isinstance(each, Follower) and each.rests}

    def are_told(self) -> bool:
        """Return whether every device that answers has been told what it is to run on."""
        now_s = self._clock()
        return all(driven.follower.is_told(now_s) for driven in self._driven)

    def states(self) -> str:
        """Return how far each device has followed, one letter each."""
        now_s = self._clock()
        return "".join([driven.follower.state(now_s) for driven in self._driven])

    def columns(self) -> Columns:
        """Return what is known now; what a silent device said before it fell silent is not."""
        now_s = self._clock()
        followers = [driven.follower for driven in self._driven]
        seen = [None if follower.is_lost(now_s) else follower.reading for follower in followers]
        watts = [None if reading is None else measured_w(reading) for reading in seen]
        measured = [
            MeasuredBy.NOTHING if reading is None or value is None else reading.measured_by
            for reading, value in zip(seen, watts, strict=True)
        ]
        states = self.states()
        self._tell_changes(states)
        return Columns(
            applied_w=[follower.applied_w for follower in followers],
            measured_w=[None if value is None else round(value) for value in watts],
            measured_by="".join(measured),
            state=states,
            proof="".join([follower.proof(now_s) for follower in followers]),
            activity="".join([Activity.UNKNOWN if reading is None else reading.activity for reading in seen]),
            rests=self._resting(now_s) if Follow.STOPPED in states else "",
        )

    def _resting(self, now_s: float) -> str:
        """Return which devices rest, one letter each; nothing where none does."""
        followers = [driven.follower for driven in self._driven]
        resting = [isinstance(follower, Follower) and follower.is_resting(now_s) for follower in followers]
        return "".join([Resting.YES if rests else Resting.NO for rests in resting]) if any(resting) else ""

    def alarms(self) -> list[AlarmedDevice]:
        """Return what a person has to look at, the first by device id."""
        now_s = self._clock()
        alarmed = [
            AlarmedDevice(device=driven.id, alarm=alarm)
            for driven in self._driven
            for alarm in sorted(driven.alarms(now_s))
        ]
        return alarmed[:MAX_ALARMS]

    async def end(self) -> None:
        """Give up what is under way."""
        await ending.end(self._tasks)

    def _urgency(self, driven: _Driven, action: Action) -> Urgency:
        if isinstance(
            driven.follower, ContactorFollower
        ):  # it waits for no room that silent devices have, nor for raises
            return Urgency.LOWER if action.lowers else Urgency.READ
        if driven.follower.is_lost(self._clock()):
            return Urgency.SILENT
        if action.do is Do.READ:
            return Urgency.READ
        return Urgency.LOWER if action.lowers else Urgency.RAISE

    def _begin_relay(self, driven: _Driven, relay: _Relayed, now_s: float, *, may_raise: bool) -> None:
        request = relay.keeper.next(now_s, dark=relay.follower.dark)
        if request is None:
            return
        opens = isinstance(request, Switch) and not request.closed
        closes = isinstance(request, Switch) and request.closed and relay.keeper.is_open is True
        urgency = Urgency.LOWER if opens else Urgency.READ
        if (closes and not may_raise) or not self._pacer.may_begin(urgency, now_s):
            return
        relay.keeper.began()
        work = self._switch(driven, relay, request) if isinstance(request, Switch) else self._look(driven, relay)
        self._start(work, urgency)

    def _start(self, work: Coroutine[None, None, None], urgency: Urgency) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, urgency))

    def _ended(self, urgency: Urgency, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._pacer.end(urgency)

    async def _perform(self, driven: _Driven, action: Action) -> None:
        follower, device = driven.follower, driven.device
        if action.do is Do.READ:
            reading = await self._heard(driven, device.read())
            if reading is None:
                follower.missed(self._clock())
            else:
                follower.read(reading, self._clock())
            return
        if action.lowers:
            await self._keeper.kept()
        request = device.stop() if action.do is Do.STOP else device.command(action.watts)
        follower.answered(await self._bounded(driven, request, CommandOutcome.UNKNOWN), self._clock())

    async def _switch(self, driven: _Driven, relay: _Relayed, switch: Switch) -> None:
        request = relay.port.switch(closed=switch.closed, hold_s=switch.hold_s)
        relay.keeper.switched(switch, await self._bounded(driven, request, CommandOutcome.UNKNOWN), self._clock())

    async def _look(self, driven: _Driven, relay: _Relayed) -> None:
        closed = await self._heard(driven, relay.port.read())
        relay.keeper.read(closed, self._clock(), dark=relay.follower.dark)
        relay.follower.relay_seen(is_open=relay.keeper.is_open is True, now_s=self._clock())

    async def _heard(self, driven: _Driven, request: Awaitable[T | None]) -> T | None:
        """Return what a port says; None where that is nothing, or was asked before the agent was away: it is not of now."""
        awoke_s = self._awoke_s
        said = await self._bounded(driven, request, None)
        return said if self._awoke_s == awoke_s else None

    async def _bounded(self, driven: _Driven, request: Awaitable[T], otherwise: T) -> T:
        """Return the answer of a port, or `otherwise` where there is none within the bound."""
        try:
            async with asyncio.timeout(REQUEST_S):
                answer = await request
        except (DriverLoss, TimeoutError):
            return otherwise
        except Exception:  # noqa: BLE001  a mistake in one driver must not end what leads the other devices
            if not driven.failed:
                _log.exception("driver of %s failed", driven.id, extra={"event": "driver_failed", "agent": self._agent})
            driven.failed = True
            return otherwise
        driven.failed = False
        return answer

    def _tell_changes(self, states: str) -> None:
        """Log which devices have gone, defy or were brought down since the last time, and which are back."""
        if states == self._known:
            return
        before, self._known = self._known.ljust(len(states)), states
        changed = [pair for pair in zip(self._driven, before, states, strict=True) if pair[1] != pair[2]]
        for state, (event, text) in _EVENTS.items():
            self._tell(logging.WARNING, event, text, [driven.id for driven, _, now in changed if now == state])
        back = [driven.id for driven, was, _ in changed if was == Follow.LOST]
        self._tell(logging.INFO, "devices_back", "%d devices back: %s", back)

    def _tell(self, level: int, event: str, text: str, ids: Sequence[str]) -> None:
        if ids:
            names = ", ".join(ids[:10]) + (", …" if len(ids) > 10 else "")
            _log.log(level, text, len(ids), names, extra={"event": event, "agent": self._agent})


def _closes(driven: _Driven, action: Action) -> bool:
    """Return whether it closes a contactor."""
    return isinstance(driven.follower, ContactorFollower) and action.do is Do.COMMAND and not action.lowers
