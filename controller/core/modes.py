"""The mode machine: doubt may tighten, never relax."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from controller.core.reasons import Code, Reason
from controller.core.site import Rules


class Mode(StrEnum):
    """INIT: nothing is raised yet. NORMAL. HOLD: only downwards. FAILSAFE: down to the failsafe watts."""

    INIT = "init"
    NORMAL = "normal"
    HOLD = "hold"
    FAILSAFE = "failsafe"


#: The only ways from one mode to another (invariant I4).
TRANSITIONS = frozenset(
    {
        (Mode.INIT, Mode.NORMAL),
        (Mode.INIT, Mode.FAILSAFE),
        (Mode.NORMAL, Mode.HOLD),
        (Mode.NORMAL, Mode.FAILSAFE),
        (Mode.HOLD, Mode.NORMAL),
        (Mode.HOLD, Mode.FAILSAFE),
        (Mode.FAILSAFE, Mode.NORMAL),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """How far this tick's inputs may not be believed.

    `doubts`: what keeps the site from being raised; empty when all is trusted.
    `lost`: what makes the site's power or its fleet unknown for too long; it needs FAILSAFE.
    """

    doubts: tuple[Reason, ...] = ()
    lost: tuple[Reason, ...] = ()

    def __add__(self, other: Doubts) -> Doubts:
        """Return both together."""
        return Doubts(doubts=self.doubts + other.doubts, lost=self.lost + other.lost)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeState:
    """The mode, since when, why (nothing in NORMAL), and since when all has been trusted without a break (``inf``: it is not)."""

    mode: Mode
    since_s: float
    reasons: tuple[Reason, ...]
    trusted_since_s: float


def first_mode(site: str, now_s: float) -> ModeState:
    """Return the mode of a controller that starts now; `site`: the id of its root node."""
    starting = Reason(Code.STARTING, site)
    return ModeState(mode=Mode.INIT, since_s=now_s, reasons=(starting,), trusted_since_s=float("inf"))


def next_mode(state: ModeState, found: Doubts, site: str, rules: Rules, now_s: float) -> ModeState:
    """Return the mode after this tick; `site`: the id of the root node.

    HOLD comes at once with any doubt, FAILSAFE with any loss or an INIT that lasts too long; back to NORMAL only
    after everything has been trusted for `recover_s` (out of INIT: a third of it).
    """
    doubtful = bool(found.doubts or found.lost)
    trusted_since_s = float("inf") if doubtful else min(state.trusted_since_s, now_s)
    mode = _mode(state, found, rules, now_s, now_s - trusted_since_s)
    return ModeState(
        mode=mode,
        since_s=state.since_s if mode is state.mode else now_s,
        reasons=() if mode is Mode.NORMAL else (*found.lost, *found.doubts) or (_waiting(mode, site),),
        trusted_since_s=trusted_since_s,
    )


def _mode(state: ModeState, found: Doubts, rules: Rules, now_s: float, trusted_for_s: float) -> Mode:
    if state.mode is Mode.INIT:
        if trusted_for_s >= rules.recover_s / 3.0:
            return Mode.NORMAL
        return Mode.FAILSAFE if now_s - state.since_s >= rules.init_s else Mode.INIT
    if found.lost:
        return Mode.FAILSAFE
    if trusted_for_s >= rules.recover_s:
        return Mode.NORMAL
    if state.mode is Mode.NORMAL and found.doubts:
        return Mode.HOLD
    return state.mode


def _waiting(mode: Mode, site: str) -> Reason:
    return Reason(Code.STARTING if mode is Mode.INIT else Code.STEADYING, site)
