"""What a site's state comes to in one word: the worst thing that holds now."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from controller.core.decision import Decision
from controller.core.limits.orders import Compliance
from controller.core.modes import Mode
from controller.core.reasons import Code
from controller.daemon.holding import HoldingNow


class SiteState(StrEnum):
    """The worst first; each is told by the first of these that holds."""

    UNKNOWN = "unknown"  #: no tick is new enough to speak of now
    OVER = "over"  #: a node draws more than it may
    FAILSAFE = "failsafe"
    NOT_MET = "not_met"  #: an order is not met
    TRIPPED = "tripped"  #: a node is cut off
    STOPPED = "stopped"  #: an operator keeps the site at failsafe
    INIT = "init"
    HOLD = "hold"
    UNSEEN = "unseen"  #: nobody sees whether an order is met, or it can be met down to the floor only
    WARNED = "warned"  #: led as it should be, with something to be known
    NORMAL = "normal"


_MODES: Final = {Mode.FAILSAFE: SiteState.FAILSAFE, Mode.INIT: SiteState.INIT, Mode.HOLD: SiteState.HOLD}
_SEQUENCE: Final = tuple(SiteState)
#: Since when a state holds is told by these reasons, or by orders that are kept so; else by the mode.
_BY_REASON: Final = {
    SiteState.OVER: Code.OVER_ENVELOPE,
    SiteState.TRIPPED: Code.NODE_TRIPPED,
    SiteState.STOPPED: Code.SITE_STOPPED,
}
_BY_ORDER: Final = {
    SiteState.NOT_MET: frozenset({Compliance.NOT_MET}),
    SiteState.UNSEEN: frozenset({Compliance.PARTIAL, Compliance.UNSEEN}),
}


def site_state(decision: Decision | None, *, findings: bool) -> SiteState:
    """Return the state by the newest tick, None where that is too old. `findings`: something else is to be known."""
    if decision is None:
        return SiteState.UNKNOWN
    found = {_MODES.get(decision.mode, SiteState.NORMAL)}
    kept = {order.compliance for order in decision.orders}
    codes = {reason.code for reason in decision.warnings}
    holds = {
        SiteState.OVER: Code.OVER_ENVELOPE in codes,
        SiteState.NOT_MET: Compliance.NOT_MET in kept,
        SiteState.UNSEEN: bool(kept & {Compliance.PARTIAL, Compliance.UNSEEN}),
        SiteState.TRIPPED: any(state.trip for state in decision.contactors),
        SiteState.WARNED: findings or bool(codes),
    }
    found |= {state for state, here in holds.items() if here}
    if {reason.code for reason in decision.reasons} == {Code.SITE_STOPPED}:
        # It is at failsafe because somebody wants it, and for nothing else: that is no fault.
        found = found - {SiteState.FAILSAFE} | {SiteState.STOPPED}
    return min(found, key=_SEQUENCE.index)


def state_since_s(state: SiteState, decision: Decision | None, held: HoldingNow | None) -> float | None:
    """Return since when that has held which makes the state, by the time of decisions; None where no tick has seen it begin."""
    if decision is None or held is None or state is SiteState.UNKNOWN:
        return None
    if kept := _BY_ORDER.get(state):
        return _first(order.since_s for order in decision.orders if order.compliance in kept)
    if state is SiteState.WARNED:
        return _first(since_s for (code, _), since_s in held.since_s.items() if code is not Code.VALUE_NOTED)
    if told_by := _BY_REASON.get(state):
        return _first(since_s for (code, _), since_s in held.since_s.items() if code is told_by)
    return held.mode_since_s


def _first(times_s: Iterable[float]) -> float | None:
    return min(times_s, default=None)
