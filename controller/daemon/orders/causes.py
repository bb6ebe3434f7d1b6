"""What keeps a node from the limit of an order, by code: whatever is said of what is below it, and its floor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from controller.core.decision import Decision
from controller.core.floor import nodes_below
from controller.core.limits.orders import Compliance, OrderNow
from controller.core.reasons import OF_AGENTS, Code, Reason
from controller.core.site import Site

#: What is said of a node that draws, or may draw, other than it is told, or is cut off.
OF_NODES: Final = frozenset(
    {Code.NODE_TRIPPED, Code.CONTACTOR_DEFIANT, Code.CONTACTOR_UNPROVEN, Code.CONTACTOR_LOST}
    | {Code.STEP_DEFIED, Code.NODE_UNSEEN, Code.LOCK_UNPROVEN}
)


def in_the_way(site: Site, node: int, warnings: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return what is said of the nodes below a node, itself among them, and of the agents that have devices there."""
    below = nodes_below(site, np.arange(len(site.tree.ids)) == node)
    nodes = {site.tree.ids[n] for n in np.flatnonzero(below).tolist()}
    agents = {site.agents[a] for a in np.unique(site.devices.agent[below[site.devices.node]]).tolist()}
    return tuple(
        reason
        for reason in warnings
        if (reason.code in OF_AGENTS and reason.subject in agents)
        or (reason.code in OF_NODES and reason.subject in nodes)
    )


def causes(now: OrderNow, decision: Decision, site: Site) -> tuple[Reason, ...]:
    """Return why an order is not kept, or cannot be seen to be; empty where it is."""
    if now.compliance is Compliance.MET:
        return ()
    floor_w, name = float(decision.floor_w[now.node]), site.tree.ids[now.node]
    floor = (Reason(Code.ORDER_UNDER_FLOOR, name, {"floor_w": floor_w}),) if now.limit_w < floor_w else ()
    return (*floor, *in_the_way(site, now.node, decision.warnings))
