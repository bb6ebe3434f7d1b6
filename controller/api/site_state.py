"""What a site's state comes to in one word: the worst thing that holds now."""

from __future__ import annotations

from enum import StrEnum

from controller.core.decision import Decision
from controller.core.limits.orders import Compliance
from controller.core.modes import Mode
from controller.core.reasons import Code


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


_MODES = {Mode.FAILSAFE: SiteState.FAILSAFE, Mode.INIT: SiteState.INIT, Mode.HOLD: SiteState.HOLD}
_SEQUENCE = tuple(SiteState)


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
