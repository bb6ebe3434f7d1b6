"""The state under a site of which some values are others now, and whose structure is the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace

import numpy as np

from controller.core.fleet.cap_memory import caps_under
from controller.core.limits.demand import DemandUse
from controller.core.limits.house_load import declared_otherwise
from controller.core.limits.overrun import no_overrun
from controller.core.reasons import Code, Reason
from controller.core.site import Devices, Site
from controller.core.snapshot import Grade
from controller.core.state import State
from controller.core.trust.judge import Trust
from controller.core.trust.meter_trust import MeterTrust, unheard
from controller.core.trust.step_test import StepTests, no_step_tests


def has_same_structure(old: Site, new: Site) -> bool:
    """Return whether a state of `old` means the same under `new`: the same nodes, devices with their modes, meters, agents."""
    return (
        (old.id, old.tree.ids, old.agents, old.meters.ids) == (new.id, new.tree.ids, new.agents, new.meters.ids)
        and np.array_equal(old.tree.parent, new.tree.parent)
        and np.array_equal(old.meters.node, new.meters.node)
        and np.array_equal(old.contactors.node, new.contactors.node)
        and _same_devices(old.devices, new.devices)
    )


def _same_devices(old: Devices, new: Devices) -> bool:
    names = ("node", "agent", "failsafe_w", "mode_start", "mode_w", "mode_continuous")
    return old.ids == new.ids and all(np.array_equal(getattr(old, name), getattr(new, name)) for name in names)


def taken_over(state: State, site: Site, read_otherwise: Collection[str]) -> State:
    """Return the state under a site of the same structure; `read_otherwise`: sources whose samples mean something else now.

    Setpoints, leases, minimum times, ramps, orders, trips and the mode go on as they are. What was learnt of a source that is read
    otherwise is forgotten; its last value goes on and grows old, as after a loss, until it is read anew. A house load that is declared
    otherwise counts as it is declared, or as it was learnt where that is more.
    """
    return replace(
        state,
        trust=_trust(state.trust, site, read_otherwise),
        house=declared_otherwise(state.house, site.tree.house_w, site.meters.node),
        overrun=replace(state.overrun, class_w=no_overrun(site).class_w),
        caps=caps_under(state.caps, site),
        electrical=replace(state.electrical, demand=_demand(state.electrical.demand, read_otherwise)),
    )


def _demand(use: DemandUse, read_otherwise: Collection[str]) -> DemandUse:
    otherwise = use.counted is not None and use.counted.meter in read_otherwise
    return replace(use, counted=None) if otherwise else use


def _trust(trust: Trust, site: Site, read_otherwise: Collection[str]) -> Trust:
    anew = np.array([name in read_otherwise for name in site.meters.ids], dtype=np.bool_)
    return replace(
        trust,
        sources={name: _source(source, site, anew=name in read_otherwise) for name, source in trust.sources.items()},
        steps=_steps(trust.steps, no_step_tests(anew.size), anew),
        redundancy=replace(trust.redundancy, under_w=np.where(anew, np.nan, trust.redundancy.under_w)),
    )


def _source(source: MeterTrust, site: Site, *, anew: bool) -> MeterTrust:
    grid_hz = site.rules.frequency_hz
    if not anew or source.taken_s == float("-inf"):
        return replace(source, grid_hz=grid_hz)
    fault = Reason(Code.SOURCE_LOST, source.source, {"error": "its settings are others now"})
    first = unheard(source.source, grid_hz)
    return replace(first, value_w=source.value_w, taken_s=source.taken_s, grade=Grade.BAD, fault=fault)


def _steps(old: StepTests, first: StepTests, anew: np.typing.NDArray[np.bool_]) -> StepTests:
    columns = {
        each.name: np.where(anew, getattr(first, each.name), getattr(old, each.name)) for each in fields(StepTests)
    }
    return StepTests(**columns)
