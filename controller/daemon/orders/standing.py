"""How an order stands now: scheduled, in force, met, not met, or ended. Each has what belongs to it, and nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, TypeAlias

from controller.core.decision import Decision
from controller.core.limits.orders import Compliance, OrderNow
from controller.core.reasons import Code, Reason
from controller.core.snapshot import OrderLimit
from controller.daemon.orders.causes import Causes
from controller.daemon.orders.records import EndedOrder, Ending, Entry, OpenOrder
from controller.daemon.utc import Utc
from controller.texts.english import text


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
    """An order as it is shown. `now`: what the newest tick says of one in force, None where it says nothing; `durable`: on the disk.

    `way`: what stands in the way of it, where the tick says something. `end`: why its end does not come by the clock now, empty where it
    does, or there is none.
    """

    order: OpenOrder
    standing: Standing
    now: OrderNow | None
    durable: bool
    way: tuple[Reason, ...]
    end: tuple[Reason, ...]


def standing(entry: Entry, now: OrderNow | None, decision: Decision | None, causes: Causes, utc_s: float) -> Standing:
    """Return how an order stands by the newest decision, which was made at `utc_s`; None where it is too old to speak of now."""
    if isinstance(entry, EndedOrder):
        return Ended(ending=entry.ending, at_utc_s=entry.ended_utc_s, by=entry.by)
    if now is None or decision is None or now.shortfall_w is None:
        begun = entry.limit.begun or now is not None or entry.limit.starts_utc_s <= utc_s
        return InForce() if begun else Scheduled()
    since_utc_s = utc_s - (decision.at_s - now.since_s)
    if now.compliance is Compliance.MET:
        return Met(since_utc_s=since_utc_s)
    return NotMet(since_utc_s=since_utc_s, shortfall_w=now.shortfall_w, why=causes.of(now, decision))


def end_of(limit: OrderLimit, utc: Utc, issuer: str) -> tuple[Reason, ...]:
    """Return why the end of an order, if it has one, does not come by the clock now, and whether it has passed by that clock."""
    if utc.doubt is None or math.isinf(limit.ends_utc_s):
        return ()
    waits = Reason(Code.ORDER_END_WAITS, issuer, {"why": text(utc.doubt)})
    if utc.utc_s < limit.ends_utc_s:
        return (waits,)
    ends_at = datetime.fromtimestamp(limit.ends_utc_s, UTC).isoformat().replace("+00:00", "Z")
    return (waits, Reason(Code.ORDER_END_PAST, issuer, {"ends_at": ends_at}))
