"""The one world: physics, surplus and referee behind the world link."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import replace

import numpy as np

from drivers.clock import Clock, boottime_s
from drivers.errors import Refused
from simulators import messages
from simulators import worldlink as link
from simulators.curve import Curve
from simulators.world.contactors import WorldContactors
from simulators.world.devices import WorldDevices
from simulators.world.physics import Physics, WorldState
from simulators.world.referee import SentOrder, Thresholds, Trace, judge, limits_w, terms_of
from simulators.world.report import RefereeReport
from simulators.world.units import WorldUnit


class World:
    """Answers the world link, and advances by one step of the physics at a time.

    The surplus stands at its first value until `ready`; from then on the curve runs and every step is judged, until
    the first `result`. `relays`: ids of the devices with a relay before them.
    """

    def __init__(self, physics: Physics, curve: Curve, thresholds: Thresholds, relays: Iterable[str] = ()) -> None:
        self._physics = physics
        self._devices = WorldDevices(physics, relays)
        self._contactors = WorldContactors(physics, self._devices)
        self._curve = curve
        self._thresholds = thresholds
        self._terms = terms_of(physics.site)
        self._ready_s: float | None = None
        self._steps = 0
        self._report: RefereeReport | None = None
        self._orders: dict[str, SentOrder] = {}
        self._lost = False
        self._scalars: list[tuple[float, float, bool]] = []
        self._nodes: list[np.ndarray[tuple[int, int], np.dtype[np.float64]]] = []

    def unit(self, name: str) -> WorldUnit:
        """Return a device as a simulated server takes it; raises Refused for an unknown one."""
        return WorldUnit(self._physics, self._devices, name)

    def step(self) -> None:
        """Advance the physics, and note the sample while the window is judged."""
        self._physics.step()
        self._devices.step()
        if self._ready_s is None or self._report is not None:
            return
        physics = self._physics
        floor_w = physics.up_the_tree(physics.off_w)
        able_w = physics.own_w(physics.able_w(self._ready_s))
        self._scalars.append((self._surplus_w(), float(physics.followed_w.sum()), self._lost))
        self._nodes.append(np.stack([physics.node_w, floor_w, able_w]))
        self._steps += 1

    def answer(self, request: link.AnyRequest) -> link.AnyReply | Future[link.AnyReply]:
        """Answer one request of the world link, one of a device or contactor perhaps later; raises Refused with the reason."""
        if isinstance(request, messages.DeviceRequest):
            return self._devices.answer(request)
        if isinstance(request, messages.ContactorRequest):
            return self._contactors.answer(request)
        if isinstance(request, link.AnyViceRequest):
            return self._vice(request)
        return self._site(request)

    def _vice(self, request: link.AnyViceRequest) -> link.AnyReply:
        match request:
            case messages.RebootDevice():
                self._devices.reboot(request.device)
            case messages.ReplaceDevice():
                self._devices.replace(request.device)
            case messages.SetVice():
                self._devices.set_vice(request.devices, request.vice, on=request.on)
            case messages.SetContactorVice():
                self._contactors.set_vice(request.nodes, request.vice, on=request.on)
            case messages.GetVices():
                return messages.Vices(devices=self._devices.vices())
        return link.Ok()

    def _site(self, request: link.AnySiteRequest) -> link.AnyReply:
        match request:
            case link.GetTruth():
                return self._truth()
            case link.GetCurve():
                curve = self._curve
                return link.CurveSamples(
                    t_s=curve.t_s.tolist(), surplus_w=curve.surplus_w.tolist(), firm_w=self._terms.firm_w
                )
            case link.NoteOrder():
                self._note_order(request)
            case link.NoteContact():
                self._lost = request.lost
            case link.Ready():
                self._ready_s = self._physics.now_s if self._ready_s is None else self._ready_s
            case link.GetResult():
                return link.Result(report=self._result())
        return link.Ok()

    def _t_s(self) -> float:
        return self._steps * self._physics.step_s

    def _surplus_w(self) -> float:
        return self._curve.at(self._t_s())

    def _truth(self) -> link.Truth:
        physics, surplus_w = self._physics, self._surplus_w()
        limits = limits_w(self._terms, tuple(self._orders.values()), t_s=self._t_s(), surplus_w=surplus_w)
        binding = min(limits, key=lambda name: limits[name])
        site_w = float(physics.node_w[0])
        states = Counter(physics.states().tolist())
        return link.Truth(
            t_s=self._t_s(),
            ready=self._ready_s is not None,
            site_w=site_w,
            node_w=dict(zip(physics.site.node_ids, physics.node_w.tolist(), strict=True)),
            surplus_w=surplus_w,
            export_w=surplus_w - site_w,
            feeder_load_w=physics.site.feeder_rating_w - surplus_w + site_w,
            frequency_hz=physics.frequency_hz(),
            devices_by_state={state.name.lower(): states[state] for state in WorldState},
            envelope_w=limits[binding],
            binding=binding,
            contactors=self._contactors.closed(),
        )

    def _note_order(self, note: link.NoteOrder) -> None:
        known = self._orders.get(note.id)
        if note.limit_w is None:
            if known is None:
                raise Refused(f"no such order: {note.id}")
            self._orders[note.id] = replace(known, released_s=min(known.released_s, self._t_s()))
        elif known is None:
            self._orders[note.id] = SentOrder(
                id=note.id, node=self._node(note.node), limit_w=note.limit_w, sent_s=self._t_s()
            )

    def _node(self, name: str) -> int:
        if name not in self._terms.node_ids:
            raise Refused(f"no such node: {name}")
        return self._terms.node_ids.index(name)

    def _result(self) -> RefereeReport:
        if self._report is None:
            if not self._scalars:
                raise Refused("nothing has been judged yet: the window starts with `ready`")
            self._report = judge(self.trace(), self._terms, tuple(self._orders.values()), self._thresholds)
        return self._report

    def trace(self) -> Trace:
        """Return what has been judged so far, one row a step."""
        surplus_w, led_w, lost = (np.array(column) for column in zip(*self._scalars, strict=True))
        nodes = np.stack(self._nodes)
        return Trace(
            step_s=self._physics.step_s,
            surplus_w=surplus_w,
            led_w=led_w,
            power_w=nodes[:, 0],
            floor_w=nodes[:, 1],
            able_w=nodes[:, 2],
            lost=lost,
        )


async def run_forever(world: World, step_s: float, clock: Clock = boottime_s) -> None:
    """Keep the world in step with the clock; a late loop catches up. Cancel it to stop."""
    began_s, steps = clock(), 0
    while True:
        while clock() >= began_s + (steps + 1) * step_s:
            world.step()
            steps += 1
        await asyncio.sleep(max(0.0, began_s + (steps + 1) * step_s - clock()))
