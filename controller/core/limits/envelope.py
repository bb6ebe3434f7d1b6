"""Every limit that holds now, per node; the smallest wins and is named."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from controller.core.limits.orders import OrderRamp, in_force
from controller.core.masks import some
from controller.core.modes import Mode
from controller.core.site import F64, Bool, Site
from controller.core.snapshot import OrderLimit, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A cap on one node: index, W, and the name by which it is reported."""

    node: int
    limit_w: float
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Per node (N,) the smallest limit and its name.

    `floor_w`: what it draws with everything off. `achievable_w`: the least that it can be brought to now; `infeasible` where
    the limit is under that.
    """

    limit_w: F64
    binding: tuple[str, ...]
    floor_w: F64
    achievable_w: F64
    infeasible: Bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingLimits:
    """The smallest of each node's limits (N,) that never change, and its name; ``inf``, "unlimited" where it has none."""

    limit_w: F64
    binding: tuple[str, ...]


def standing_limits(site: Site) -> StandingLimits:
    """Return the contract and the ratings of the nodes."""
    limit_w = site.tree.limit_w.copy()
    binding = [
        f"rating:{name}" if np.isfinite(rating_w) else "unlimited"
        for name, rating_w in zip(site.tree.ids, limit_w.tolist(), strict=True)
    ]
    if site.rules.contract_w <= limit_w[0]:
        limit_w[0], binding[0] = site.rules.contract_w, "contract"
    return StandingLimits(limit_w=limit_w, binding=tuple(binding))


def surplus_limit(site: Site, surplus_w: float | None) -> list[Limit]:
    """Return the firm power plus the surplus as a limit; a surplus below zero takes nothing from the firm power."""
    if surplus_w is None:
        return []
    return [Limit(node=0, limit_w=site.rules.firm_w + max(surplus_w, 0.0), name="surplus")]


def step_limits(site: Site, step_to_w: F64, house_w: F64, off_w: F64) -> list[Limit]:
    """Return the limits under which devices make the steps that prove a meter; none where they could not go that low.

    Per node (N,): `step_to_w` that the devices below shall draw at most, the `house_w` beside them, and `off_w` of theirs.
    """
    asked = np.isfinite(step_to_w)
    if not some(asked):
        return []
    steps = (asked & (step_to_w >= off_w)).nonzero()[0].tolist()
    return [
        Limit(node=n, limit_w=float(step_to_w[n] + house_w[n]), name=f"step_test:{site.tree.ids[n]}") for n in steps
    ]


def failsafe_cap_w(previous_w: float, site: Site, mode: Mode, site_w: float, elapsed_s: float) -> float:
    """Return the site's failsafe limit: ``inf`` outside FAILSAFE, else coming down by the emergency ramp from what the site drew at first.

    So a device that falls whole, and takes the share of several ticks, takes it from the next ones.
    """
    if mode is not Mode.FAILSAFE:
        return float("inf")
    rules = site.rules
    start_w = previous_w if np.isfinite(previous_w) else max(site_w, rules.failsafe_w)
    return max(rules.failsafe_w, start_w - rules.emergency_ramp_w_s * elapsed_s)


def follow_orders(
    ramps: tuple[OrderRamp, ...],
    snapshot: Snapshot,
    node_w: F64,
    seen_w: tuple[F64, F64] | None = None,
    unheard_w: F64 | None = None,
) -> tuple[tuple[OrderRamp, ...], list[Limit]]:
    """Return the orders in force, with what their node drew when they began, and their limits of this tick.

    Per node (N,): `node_w` that it draws; `seen_w`: what was seen that it draws, which an order to reduce is worked out from,
    ``inf`` where nobody has seen it since the start, and what its devices draw at least, of which alone one is sure then. None: `node_w`.
    `unheard_w`: what it may draw beside `node_w`, by devices that nobody has heard of and no meter shows. None: nothing.
    """
    if not snapshot.orders:
        return (), []
    known = {ramp.id: ramp for ramp in ramps}
    from_w = node_w if seen_w is None else np.where(np.isfinite(seen_w[0]), *seen_w)
    active: list[OrderRamp] = []
    limits: list[Limit] = []
    for order in snapshot.orders:
        if not in_force(order, snapshot):
            continue
        n, ramp = order.node, known.get(order.id)
        more_w = 0.0 if unheard_w is None else float(unheard_w[n])
        if ramp is None or (ramp.revision, ramp.node) != (order.revision, n):
            ramp = _begun(order, ramp, snapshot.now_s, (float(node_w[n]), more_w), float(from_w[n]))
        elif not ramp.sure and more_w <= 0.0:
            reached_w = min(ramp.cap_w(snapshot.now_s), float(node_w[n]))
            ramp = replace(ramp, begun_s=snapshot.now_s, from_w=reached_w, sure=True)
        active.append(ramp)
        limits.append(Limit(node=order.node, limit_w=ramp.cap_w(snapshot.now_s), name=f"order:{order.id}"))
    return tuple(active), limits


def _begun(
    order: OrderLimit, before: OrderRamp | None, now_s: float, drawn_w: tuple[float, float], from_w: float
) -> OrderRamp:
    """Return the beginning of an order, or of its next revision, which goes on from where the one before has come to at the same node.

    `drawn_w`: what the node draws, and what it may draw beside that.
    """
    limit_w = order.limit_w if order.reduce_by_w is None else max(0.0, from_w - order.reduce_by_w)
    reached_w = sum(drawn_w)
    if before is not None and before.node == order.node:
        reached_w = min(reached_w, max(before.cap_w(now_s), limit_w))
    return OrderRamp(
        id=order.id,
        revision=order.revision,
        node=order.node,
        begun_s=now_s,
        from_w=reached_w,
        limit_w=limit_w,
        ramp_w_s=order.ramp_w_s,
        sure=drawn_w[1] <= 0.0,
    )


def envelopes(
    standing: StandingLimits, limits: list[Limit], steps: list[Limit], floor_w: F64, achievable_w: F64
) -> tuple[Envelope, Envelope]:
    """Return the envelope without the `steps` that prove meters, and with them."""
    lasting = envelope(standing, limits, floor_w, achievable_w)
    return lasting, envelope(standing, [*limits, *steps], floor_w, achievable_w) if steps else lasting


def envelope(standing: StandingLimits, limits: list[Limit], floor_w: F64, achievable_w: F64) -> Envelope:
    """Return the smallest limit of every node; of two equal ones the first, and the standing one before any."""
    limit_w, binding = standing.limit_w.copy(), list(standing.binding)
    for limit in limits:
        if limit.limit_w < limit_w[limit.node]:
            limit_w[limit.node] = limit.limit_w
            binding[limit.node] = limit.name
    return Envelope(
        limit_w=limit_w,
        binding=tuple(binding),
        floor_w=floor_w,
        achievable_w=achievable_w,
        infeasible=np.asarray(limit_w < achievable_w, np.bool_),
    )
