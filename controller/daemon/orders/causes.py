"""What keeps a node from the limit of an order, by code: whatever is said of what is below it, and its floor."""

from __future__ import annotations

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


class Causes:
    """What stands in the way of the orders of a site; may be asked from any thread.

    What is below a node never changes, and hundreds of orders may be about one node: each is worked out once, and what is in
    the way once for all orders that are held against the same warnings.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._below: dict[int, tuple[frozenset[str], frozenset[str]]] = {}
        self._found: tuple[tuple[Reason, ...], dict[int, tuple[Reason, ...]]] = ((), {})

    def in_the_way(self, node: int, warnings: tuple[Reason, ...]) -> tuple[Reason, ...]:
        """Return what is said of the nodes below a node, itself among them, and of the agents that have devices there."""
        held = self._found
        if held[0] is not warnings:
            held = self._found = (warnings, {})
        found = held[1]
        if node not in found:
            nodes, agents = self._names_below(node)
            found[node] = tuple(
                reason
                for reason in warnings
                if (reason.code in OF_AGENTS and reason.subject in agents)
                or (reason.code in OF_NODES and reason.subject in nodes)
            )
        return found[node]

    def of(self, now: OrderNow, decision: Decision) -> tuple[Reason, ...]:
        """Return why an order is not kept, or cannot be seen to be; empty where it is."""
        if now.compliance is Compliance.MET:
            return ()
        floor_w, name = float(decision.floor_w[now.node]), self._site.tree.ids[now.node]
        floor = (Reason(Code.ORDER_UNDER_FLOOR, name, {"floor_w": floor_w}),) if now.limit_w < floor_w else ()
        return (*floor, *self.in_the_way(now.node, decision.warnings))

    def _names_below(self, node: int) -> tuple[frozenset[str], frozenset[str]]:
        """Return the nodes below a node, itself among them, and the agents that have devices there."""
        if node not in self._below:
            site = self._site
            below = nodes_below(site, np.arange(len(site.tree.ids)) == node)
            agents = np.unique(site.devices.agent[below[site.devices.node]]).tolist()
            self._below[node] = (
                frozenset(site.tree.ids[n] for n in np.flatnonzero(below).tolist()),
                frozenset(site.agents[a] for a in agents),
            )
        return self._below[node]
