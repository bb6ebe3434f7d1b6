"""What the referee reports; the shape of ``surplusd demo --json`` under ``referee``."""

from __future__ import annotations

import msgspec


class OrderReport(msgspec.Struct, kw_only=True, frozen=True):
    """How the site met one order of the authority, measured on the true site power.

    `sent_s`: seconds into the judged window; `released_s` is None while the order stands.
    `before_w`: site power when the order was sent; the cut is ``before_w - limit_w``.
    `binding_s`: seconds for which this order was the smallest of the limits of its node.
    `response_s`: seconds from sending to the first moment from which the power stays at or below the limit
    + 5 % of the cut until the release (or the end); None if there is no such moment.
    """

    id: str
    node: str
    limit_w: float
    before_w: float
    sent_s: float
    released_s: float | None
    binding_s: float
    response_s: float | None
    met: bool


class RefereeReport(msgspec.Struct, kw_only=True, frozen=True):
    """The verdict over one judged window; definitions stand in `simulators.world.referee`.

    Energies are Wh, `violation_kws` is kW·s, shares are 0..1; None where nothing was offered.
    """

    seconds: float
    offered_wh: float
    used_wh: float
    utilisation: float | None
    offered_raw_wh: float
    used_raw_wh: float
    utilisation_raw: float | None
    violation_s: float
    violation_kws: float
    largest_excess_w: float
    node_violation_s: dict[str, float]
    infeasible_s: float
    largest_step_w: float
    ramp_excess_w: float
    orders: tuple[OrderReport, ...]
    passed: bool
    reasons: tuple[str, ...]
