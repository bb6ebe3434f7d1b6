"""Checks of what the site draws with everything off, with every device at its failsafe watts, and with what is protected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from controller.core.figures import SHORTEST_LEASE
from controller.site.devices import Load, declared_failsafe_w
from controller.site.model import NodeEntry, SiteFile
from controller.site.problems import Loc, Problem, kw
from controller.site.tree import parents_of, root_of, way_up
from controller.site.unknown import UNKNOWN
from drivers.fleet.catalogue import Model
from drivers.fleet.wire import spread_ms

#: Sums of many terms may be off by the last digits.
_ROUNDING_W = 1e-3


def sum_problems(site: SiteFile, fleet: Sequence[Load], catalogue: Mapping[str, Model]) -> Iterator[Problem]:
    """Report limits under the floor, under the failsafe watts and the house load, or under what is protected.

    The tree must be sound.
    """
    known = [(load, catalogue[load.entry.model]) for load in fleet if load.entry.model in catalogue]
    house = _below(site.nodes, [(node.id, node.house_load_w) for node in site.nodes])
    off = _below(site.nodes, [(load.entry.node, len(load.ids) * model.off_w) for load, model in known])
    failsafe = _below(site.nodes, [(load.entry.node, len(load.ids) * _most_w(load, model)) for load, model in known])
    least = _below(site.nodes, [(load.entry.node, len(load.ids) * _protected_w(load, model)) for load, model in known])
    yield from _grid_sums(site, house, off, failsafe)
    yield from _protected_sums(site, house, off, least)
    yield from _lease_ends(site, sum(len(load.ids) * (model.max_w - _most_w(load, model)) for load, model in known))
    for index, node in enumerate(site.nodes):
        if node.id is not UNKNOWN and _too_small(node.limit_w, failsafe[node.id] + house[node.id]):
            text = _sum_text("failsafe watts", failsafe[node.id], house[node.id])
            yield Problem(loc=("nodes", index, "limit"), allowed=f"at least {text}")
        yield from _carried_sums(index, node, failsafe, house)


def _carried_sums(
    index: int, node: NodeEntry, failsafe: Mapping[str, float], house: Mapping[str, float]
) -> Iterator[Problem]:
    """Report a node that could not carry its failsafe watts and house load at the worst that it declares."""
    carries = node.carries
    if node.id is UNKNOWN or carries is None or carries is UNKNOWN or UNKNOWN in dict(carries).values():
        return
    worst_w = carries.worst_w
    if worst_w > 0.0 and _too_small(worst_w, failsafe[node.id] + house[node.id]):
        text = _sum_text("failsafe watts", failsafe[node.id], house[node.id])
        yield Problem(
            loc=("nodes", index, "carries"),
            found=f"{kw(worst_w)} at its worst values",
            allowed=f"at least {text}",
            at_key=True,
        )


def _most_w(load: Load, model: Model) -> float:
    """Return the declared failsafe watts of each device of an entry, its residual watts where they are unknown."""
    failsafe = load.entry.failsafe
    return declared_failsafe_w("off" if failsafe is UNKNOWN else failsafe, model)


def _protected_w(load: Load, model: Model) -> float:
    """Return the least that each device of an entry draws: one that is protected in its lowest running mode."""
    return model.modes[1].watts if load.entry.protected is True else float(model.off_w)


def _protected_sums(
    site: SiteFile, house: Mapping[str, float], off: Mapping[str, float], least: Mapping[str, float]
) -> Iterator[Problem]:
    """Report limits that could never be kept without switching off what is protected."""
    root = root_of(site.nodes)
    limits: list[tuple[Loc, str, float]]
    limits = [(("nodes", k, "limit"), node.id, node.limit_w) for k, node in enumerate(site.nodes)]
    if root is not None:
        limits.append((("grid", "contract"), root, site.grid.contract_w))
    for loc, name, limit_w in limits:
        if name is not UNKNOWN and least[name] > off[name] and _too_small(limit_w, least[name] + house[name]):
            text = _sum_text("protected devices at their lowest mode and residual watts", least[name], house[name])
            yield Problem(loc=loc, allowed=f"at least {text}")


def _grid_sums(
    site: SiteFile, house: Mapping[str, float], off: Mapping[str, float], failsafe: Mapping[str, float]
) -> Iterator[Problem]:
    root = root_of(site.nodes)
    if root is None:
        return
    if _too_small(site.grid.contract_w, off[root] + house[root]):
        text = _sum_text("residual watts", off[root], house[root])
        yield Problem(loc=("grid", "contract"), allowed=f"at least the floor, {text}")
    demand = site.economics.demand
    if demand is not None and _too_small(demand.limit_w, off[root] + house[root]):
        text = _sum_text("residual watts", off[root], house[root])
        yield Problem(loc=("economics", "demand", "limit"), allowed=f"at least the floor, {text}")
    if _too_small(site.grid.failsafe_w, failsafe[root] + house[root]):
        text = _sum_text("failsafe watts", failsafe[root], house[root])
        yield Problem(loc=("grid", "failsafe"), allowed=f"at least {text}")


def _lease_ends(site: SiteFile, fall_w: float) -> Iterator[Problem]:
    """Report an emergency ramp that the end of all leases, which nobody leads, would break (invariant I6)."""
    lease_s, settle_s, ramp_w_s = site.fleet.lease_s, site.grid.settle_s, site.grid.emergency_ramp_w_s
    if UNKNOWN in (lease_s, settle_s, ramp_w_s):
        return
    fall_s = spread_ms(round(1000 * SHORTEST_LEASE * lease_s), round(1000 * settle_s)) / 1000
    if ramp_w_s * fall_s + _ROUNDING_W < min(fall_w, site.grid.contract_w):
        need = f"{kw(fall_w / fall_s)}/s: without a controller {kw(fall_w)} of devices go down within {fall_s:.1f} s"
        yield Problem(loc=("grid", "emergency_ramp"), allowed=f"at least {need}; a longer lease makes it slower")


def _too_small(limit_w: float, need_w: float) -> bool:
    return limit_w + _ROUNDING_W < need_w


def _below(nodes: Sequence[NodeEntry], watts: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Return for each node the sum of what stands at it and below it."""
    parents = parents_of(nodes)
    sums = dict.fromkeys(parents, 0.0)
    for start, value_w in watts:
        for node in way_up(start, parents):
            sums[node] += value_w
    return sums


def _sum_text(what: str, devices_w: float, house_w: float) -> str:
    return f"{kw(devices_w + house_w)}: {what} of {kw(devices_w)} and house load of {kw(house_w)}"
