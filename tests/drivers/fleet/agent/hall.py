"""Followers over the simulated physics with all of its vices, in simulated time: no sockets, no loop, any fault at any moment."""

from __future__ import annotations

import random
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

import numpy as np

from drivers.errors import Refused
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.agent.follow import Follower
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.agent.relay import Look, RelayKeeper, Switch
from drivers.fleet.agent.steps import Action, Do
from drivers.fleet.catalogue import Model, load_catalogue
from drivers.fleet.wire import Activity, MeasuredBy
from simulators import messages
from simulators.world.devices import WorldDevices
from simulators.world.physics import Physics
from simulators.world.site import WorldDevice, WorldSite
from simulators.worldlink import AnyReply, Ok

STEP_S: Final = 0.125
#: A driver that waits no longer for an answer.
TIMEOUT_S: Final = 2.0
PATIENT_S: Final = 4.0
MODELS: Final = load_catalogue()


@dataclass(frozen=True)
class Sight:
    """What can be seen of a device: whether it names its setpoint, and what measures it (None: what the simulator says)."""

    names: bool
    by: MeasuredBy | None


@dataclass
class Wired:
    """One device of the hall: its follower, and what is under way to it."""

    id: str
    index: int
    sight: Sight
    follower: Follower
    relay: RelayKeeper | None
    timeout_s: float
    waiting: tuple[Action, Future[AnyReply], float] | None = None
    commands: int = 0
    spoke_w: float = 0.0  # what it drew when it made the answer that was read last


class Hall:
    """Devices of these models, each with its sight, a relay or none, and vices that the caller sets."""

    def __init__(
        self, models: list[str], sights: list[Sight], relays: list[bool], *, seed: int = 0, timeout_s: float = PATIENT_S
    ) -> None:
        ids = [f"d-{k:03d}" for k in range(len(models))]
        self.physics = Physics(_site([MODELS[name] for name in models], ids), seed=seed, step_s=STEP_S)
        self.devices = WorldDevices(self.physics, [id_ for id_, has in zip(ids, relays, strict=True) if has])
        self.now_s = 1000.0
        self.random = random.Random(seed)
        self.wired = [
            Wired(
                id=id_,
                index=k,
                sight=sights[k],
                follower=Follower(
                    LeasedDevice(model=MODELS[models[k]], failsafe_w=0),
                    stored_w=0,
                    has_relay=relays[k],
                    now_s=self.now_s,
                ),
                relay=RelayKeeper(hold_s=None, now_s=self.now_s) if relays[k] else None,
                timeout_s=timeout_s,
            )
            for k, id_ in enumerate(ids)
        ]

    def step(self) -> list[Wired]:
        """Let one step of time pass; return the devices that were read in it."""
        self.physics.step()
        self.devices.step()
        self.now_s += STEP_S
        read = [wired for wired in self.wired if self._end(wired)]
        for wired in self.wired:
            self._begin(wired)
            if wired.relay is not None:
                self._serve_relay(wired, wired.relay)
        return read

    def run_at_full(self) -> None:
        """Let every device come up to its maximum while nobody looks, which costs nothing."""
        for device in self.physics.site.devices:
            self.devices.answer(messages.CommandDevice(id=1, device=device.id, watts=device.model.max_w))
        for _ in range(int(max(device.model.up_s for device in self.physics.site.devices) / STEP_S) + 1):
            self.physics.step()
            self.devices.step()
            self.now_s += STEP_S
        for wired in self.wired:
            wired.follower.awoke(self.now_s)

    def draw_w(self, wired: Wired) -> float:
        return float(self.physics.draw_w[wired.index])

    def _begin(self, wired: Wired) -> None:
        action = wired.follower.next(self.now_s)
        if action is None:
            return
        wired.follower.began(action, self.now_s)
        wired.commands += action.do is not Do.READ
        request = {
            Do.READ: messages.ReadDevice(id=1, device=wired.id),
            Do.COMMAND: messages.CommandDevice(id=1, device=wired.id, watts=action.watts),
            Do.STOP: messages.StopDevice(id=1, device=wired.id),
        }[action.do]
        if action.do is Do.READ:
            wired.spoke_w = self.draw_w(wired)
        reply = self.devices.answer(request)
        if not isinstance(reply, Future):
            reply, done = Future(), reply
            reply.set_result(done)
        wired.waiting = action, reply, self.now_s + wired.timeout_s

    def _end(self, wired: Wired) -> bool:
        if wired.waiting is None:
            return False
        action, future, deadline_s = wired.waiting
        if not future.done() and self.now_s < deadline_s:
            return False
        wired.waiting = None
        reply = future.result() if future.done() else messages.Cut()
        if action.do is not Do.READ:
            outcome = {Ok: CommandOutcome.ACCEPTED, messages.Cut: CommandOutcome.UNKNOWN}.get(
                type(reply), CommandOutcome.REFUSED
            )
            wired.follower.answered(outcome, self.now_s)
            return False
        if isinstance(reply, messages.DeviceAnswer):
            wired.follower.read(self._seen(wired, reply), self.now_s)
            return True
        wired.follower.missed(self.now_s)
        return False

    def _seen(self, wired: Wired, answer: messages.DeviceAnswer) -> DeviceReading:
        by = MeasuredBy[answer.measured_by.upper()] if wired.sight.by is None else wired.sight.by
        outside = wired.spoke_w if by in {MeasuredBy.PDU, MeasuredBy.METER} else answer.watts
        return DeviceReading(
            setpoint_w=answer.setpoint_w if wired.sight.names else None,
            watts=None if by is MeasuredBy.NOTHING else outside,
            measured_by=by,
            activity=Activity[answer.state.upper()],
            uptime_s=answer.uptime_s,
            serial=answer.serial,
        )

    def _serve_relay(self, wired: Wired, keeper: RelayKeeper) -> None:
        dark = wired.follower.dark
        match keeper.next(self.now_s, dark=dark):
            case Look():
                keeper.began()
                keeper.read(bool(self.physics.powered[wired.index]), self.now_s, dark=dark)
                wired.follower.relay_seen(is_open=keeper.is_open is True, now_s=self.now_s)
            case Switch() as switch:
                keeper.began()
                try:
                    self.devices.answer(
                        messages.SwitchRelay(id=1, device=wired.id, closed=switch.closed, hold_s=switch.hold_s)
                    )
                except Refused:
                    keeper.switched(switch, CommandOutcome.REFUSED, self.now_s)
                else:
                    keeper.switched(switch, CommandOutcome.ACCEPTED, self.now_s)


def _site(models: list[Model], ids: list[str]) -> WorldSite:
    return WorldSite(
        id="hall",
        node_ids=("pcc",),
        parent=np.array([-1]),
        limit_w=np.array([np.inf]),
        house_w=np.zeros(1),
        accuracy=np.zeros(1),
        devices=tuple(WorldDevice(id=id_, model=model, node=0) for id_, model in zip(ids, models, strict=True)),
        contract_w=1e9,
        firm_w=0.0,
        ramp_up_w_s=1e9,
        settle_s=15.0,
        lease_s=30.0,
        feeder_rating_w=1e9,
    )
