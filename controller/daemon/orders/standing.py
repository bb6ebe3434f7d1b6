"""How an order stands now: scheduled, in force, met, not met, or ended. Each has what belongs to it, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, TypeAlias

from controller.core.decision import Decision
from controller.core.limits.orders import Compliance, OrderNow
from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.daemon.orders.admission import in_the_way
from controller.daemon.orders.records import EndedOrder, Ending, Entry, OpenOrder


class OrderState(StrEnum):
    """The state of an order in one word."""

    SCHEDULED = "scheduled"
    IN_FORCE = "in_force"
    MET = "met"
    NOT_MET = "not_met"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """It has not begun."""

    state: ClassVar = OrderState.SCHEDULED


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """It binds, and nobody can say whether it is kept: no tick is new enough, or no usable meter shows its node."""

    state: ClassVar = OrderState.IN_FORCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """It is seen to be kept, without a break since `since_utc_s`."""

    since_utc_s: float
    state: ClassVar = OrderState.MET


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMet:
    """It is seen not to be kept since `since_utc_s`: so many watts are missing now, because of what stands in `why`."""

    since_utc_s: float
    shortfall_w: float
    why: tuple[Reason, ...]
    state: ClassVar = OrderState.NOT_MET


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """It is over: how, when and by whom."""

    ending: Ending
    at_utc_s: float
    by: str
    state: ClassVar = OrderState.ENDED


Standing: TypeAlias = Scheduled | InForce | Met | NotMet | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An order as it is shown. `now`: what the newest tick says of one in force, None where it says nothing; `durable`: on the disk."""

    order: OpenOrder
    standing: Standing
    now: OrderNow | None
    durable: bool


def standing(entry: Entry, now: OrderNow | None, decision: Decision | None, site: Site, utc_s: float) -> Standing:
    """Return how an order stands by the newest decision, which was made at `utc_s`; None where it is too old to speak of now."""
    if isinstance(entry, EndedOrder):
        return Ended(ending=entry.ending, at_utc_s=entry.ended_utc_s, by=entry.by)
    if now is None or decision is None or now.shortfall_w is None:
        begun = entry.limit.begun or now is not None or entry.limit.starts_utc_s <= utc_s
        return InForce() if begun else Scheduled()
    since_utc_s = utc_s - (decision.at_s - now.since_s)
    if now.compliance is Compliance.MET:
        return Met(since_utc_s=since_utc_s)
    return NotMet(since_utc_s=since_utc_s, shortfall_w=now.shortfall_w, why=_why(now, decision, site))


def _why(now: OrderNow, decision: Decision, site: Site) -> tuple[Reason, ...]:
    """Return what keeps a node from its limit: its floor, and whoever cannot be led."""
    floor_w = float(decision.floor_w[now.node])
    name = site.tree.ids[now.node]
    floor = (Reason(Code.ORDER_UNDER_FLOOR, name, {"floor_w": floor_w}),) if now.limit_w < floor_w else ()
    return (*floor, *in_the_way(site, now.node, decision.warnings))
