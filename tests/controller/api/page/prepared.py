"""The demo site in prepared states, as the daemon would know it: what a person has to read from the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from controller.core.decision import Decision
from controller.core.limits.orders import Compliance, OrderNow
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.core.snapshot import Grade
from controller.daemon.latest import DEVICE_STATES, DeviceColumns, Latest, LatestAgent, LatestMeter
from controller.site.compile import compile_site
from controller.site.load import load
from tests.controller.api.server import UTC_S, World

ROOT = Path(__file__).resolve().parents[4]
#: An order that the states below know of; it has to be given to the server that shows them.
ORDER = {"id": "cut-7", "limit_w": 420e3, "ends_at": "2026-11-18T14:30:00Z"}
#: Seconds since the state began.
FOR_S = 95.0

SILENT = Reason(Code.AGENT_SILENT, "hall-a1", {"since_s": 47.0, "count": 46, "most_w": 161e3})
OVER = Reason(Code.OVER_ENVELOPE, "pcc", {"since_s": 32.0, "over_w": 38.4e3})
DEFIANT = Reason(Code.DEVICE_DEFIANT, "hall-b1", {"count": 11, "over_w": 31.2e3})
DISAGREE = Reason(Code.METERS_DISAGREE, "pcc-check", {"meter": "pcc-check", "other": "pcc-main"})
FROZEN = Reason(Code.METER_FROZEN, "pcc-check")
NO_METER = Reason(Code.NO_SITE_METER, "pcc")
NOT_READ = Reason(Code.SOURCE_LOST, "pcc-main", {"error": "10.20.0.14:502: timed out after 0.4 s"})
UNREAD = Reason(Code.SOURCE_LOST, "pcc-check", {"error": "10.20.0.15:502: connection refused"})


@cache
def demo_site() -> Site:
    return compile_site(load(ROOT / "configs" / "demo.yaml"))


def decided(site: Site, **changed: object) -> Decision:
    """Return a tick of a site that is led well, but for these fields."""
    tree, devices = site.tree, site.devices
    count, planned_w = len(tree.ids), np.zeros(len(tree.ids))
    setpoint_w = 0.82 * devices.max_w
    np.add.at(planned_w, devices.node, setpoint_w)
    for node in reversed(range(1, count)):  # parents come before their children
        planned_w[tree.parent[node]] += planned_w[node]
    envelope_w = np.where(np.isfinite(tree.limit_w), tree.limit_w, 700e3)
    envelope_w[0] = 690e3
    power_w = [None] * count
    power_w[0], power_w[tree.ids.index("feeder-b")] = (
        float(planned_w[0] + 31.2e3),
        float(planned_w[tree.ids.index("feeder-b")] + 6e3),
    )
    decision = Decision(
        at_s=1000.0,
        seq=4711,
        mode=Mode.NORMAL,
        reasons=(),
        sources={},
        power_w=tuple(power_w),
        surplus_w=630e3,
        envelope_w=envelope_w,
        binding=("surplus", *(f"rating:{name}" for name in tree.ids[1:])),
        floor_w=np.full(count, 40e3),
        achievable_w=np.full(count, 52e3),
        infeasible=np.zeros(count, dtype=np.bool_),
        house_w=np.where(np.arange(count) == 0, 31.2e3, np.nan),
        planned_w=planned_w,
        committed_w=planned_w * 1.02,
        setpoint_w=setpoint_w,
        value_per_h=21.37,
        worth_per_h=21.0,
        bound_per_h=21.5,
        orders_in_force=(),
    )
    return replace(decision, **changed)


def columns(site: Site, *, silent: str = "", lost: int = 0, off: bool = False) -> DeviceColumns:
    devices = site.devices
    state = np.full(len(devices.ids), DEVICE_STATES.index("off" if off else "running"))
    state[5:9], state[12:14] = DEVICE_STATES.index("starting"), DEVICE_STATES.index("off")
    measured_w = np.where(state == DEVICE_STATES.index("running"), 0.8 * devices.max_w, 15.0)
    if silent:
        gone = devices.agent == site.agents.index(silent)
        state[gone], measured_w[gone] = DEVICE_STATES.index("lost"), np.nan
    state[-lost or len(state) :] = DEVICE_STATES.index("lost")
    return DeviceColumns(measured_w=measured_w, state=state)


def looks(site: Site, decision: Decision, *, silent: str = "", lost: int = 0, off: bool = False) -> Latest:
    """Return what the daemon sees around itself beside such a tick."""

    def meter(name: str) -> LatestMeter:
        reasons = decision.sources.get(name, ())
        lost = any(reason.code is Code.SOURCE_LOST for reason in reasons)
        grade, age_s = (Grade.BAD, 74.0) if lost else (Grade.GOOD, 0.4)
        return LatestMeter(
            value_w=None if lost else decision.power_w[0],
            quality=grade,
            age_s=age_s,
            problem="x" * bool(reasons),
            reasons=reasons,
        )

    def agent(name: str) -> LatestAgent:
        if name == silent:
            return LatestAgent(online=False, age_s=47.0, lease_left_s=None, problem="silent", reasons=(SILENT,))
        return LatestAgent(online=True, age_s=0.6, lease_left_s=28.7)

    return Latest(
        meters=lambda: {name: meter(name) for name in (*site.meters.ids, "surplus")},
        agents=lambda: {name: agent(name) for name in site.agents},
        devices=lambda: columns(site, silent=silent, lost=lost, off=off),
    )


@dataclass(frozen=True)
class Prepared:
    """A state of the site, and what is to be read of it."""

    decision: Decision
    latest: Latest
    state: str
    ordered: bool = False


def _normal() -> Prepared:
    site = demo_site()
    decision = decided(site)
    return Prepared(decision, looks(site, decision), "normal")


def _over() -> Prepared:
    site = demo_site()
    usual = decided(site)
    envelope_w = usual.envelope_w.copy()
    envelope_w[0] = usual.power_w[0] - 38.4e3
    decision = replace(usual, mode=Mode.HOLD, reasons=(OVER, SILENT), warnings=(OVER, SILENT), envelope_w=envelope_w)
    return Prepared(decision, looks(site, decision, silent="hall-a1"), "over")


def _not_met() -> Prepared:
    site = demo_site()
    usual = decided(site)
    envelope_w = usual.envelope_w.copy()
    envelope_w[0] = ORDER["limit_w"]
    order = OrderNow(
        id=f"authority/{ORDER['id']}", node=0, limit_w=420e3, final_w=420e3, since_s=1000.0 - FOR_S, power_w=451.2e3,
        achievable_w=451.2e3, compliance=Compliance.NOT_MET, revision=1,
    )  # fmt: skip
    decision = replace(
        usual, warnings=(DEFIANT,), envelope_w=envelope_w, binding=(f"order:{order.id}", *usual.binding[1:]),
        power_w=(451.2e3, *usual.power_w[1:]), orders=(order,), orders_in_force=(order.id,),
    )  # fmt: skip
    return Prepared(decision, looks(site, decision, lost=3), "not_met", ordered=True)


def _doubted() -> Prepared:
    site = demo_site()
    doubts = (DISAGREE, FROZEN)
    decision = decided(site, mode=Mode.HOLD, reasons=doubts, sources={"pcc-check": doubts})
    return Prepared(decision, looks(site, decision), "hold")


def _failsafe() -> Prepared:
    site = demo_site()
    sources = {"pcc-main": (NOT_READ,), "pcc-check": (UNREAD,)}
    usual = decided(site, mode=Mode.FAILSAFE, reasons=(NO_METER,), sources=sources, value_per_h=0.0)
    envelope_w = usual.envelope_w.copy()
    envelope_w[0] = 130e3
    decision = replace(
        usual, power_w=(None, *usual.power_w[1:]), envelope_w=envelope_w, binding=("failsafe", *usual.binding[1:])
    )
    return Prepared(decision, looks(site, decision, off=True), "failsafe")


STATES: dict[str, Callable[[], Prepared]] = {
    "normal": _normal,
    "over": _over,
    "not_met": _not_met,
    "doubted": _doubted,
    "failsafe": _failsafe,
}


def world_of(prepared: Prepared) -> World:
    """Return a world in a state that has lasted for `FOR_S`, after a quarter of an hour that was normal."""
    world = World(site=demo_site(), decision=prepared.decision, latest=prepared.latest)
    usual = decided(demo_site())
    for second in range(-900, 0, 5):
        past = prepared.decision if second >= -FOR_S else usual
        wave = 1.0 + 0.03 * np.sin(second / 40.0)
        site_w = None if past.site_w is None else past.site_w * wave
        now = replace(past, at_s=1000.0 + second, power_w=(site_w, *past.power_w[1:]))
        apart = tuple(reason for reasons in now.sources.values() for reason in reasons)
        world.course.observe(now, UTC_S + second)
        world.holding.observe(now, apart, UTC_S + second)
    return world
