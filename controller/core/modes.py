"""The mode machine: doubt may tighten, never relax."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

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
class Trust:
    """How far this tick's inputs may be believed.

    `doubts`: in words, what keeps the site from being raised; empty when all is trusted.
    `lost`: in words, what makes the site's power or its fleet unknown for too long; it needs FAILSAFE.
    """

    doubts: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeState:
    """The mode, since when, why, and since when everything has been trusted without a break (``inf``: it is not)."""

    mode: Mode
    since_s: float
    reason: str
    trusted_since_s: float


def first_mode(now_s: float) -> ModeState:
    """Return the mode of a controller that starts now."""
    return ModeState(mode=Mode.INIT, since_s=now_s, reason="starting", trusted_since_s=float("inf"))


def next_mode(state: ModeState, trust: Trust, rules: Rules, now_s: float) -> ModeState:
    """Return the mode after this tick.

    HOLD comes at once with any doubt, FAILSAFE with any loss or an INIT that lasts too long; back to NORMAL only
    after everything has been trusted for `recover_s` (out of INIT: a third of it).
    """
    doubtful = bool(trust.doubts or trust.lost)
    trusted_since_s = float("inf") if doubtful else min(state.trusted_since_s, now_s)
    trusted_for_s = now_s - trusted_since_s
    mode = _mode(state, trust, rules, now_s, trusted_for_s)
    reason = "" if mode is Mode.NORMAL else "; ".join((*trust.lost, *trust.doubts)) or _waiting(mode)
    since_s = state.since_s if mode is state.mode else now_s
    return replace(state, mode=mode, since_s=since_s, reason=reason, trusted_since_s=trusted_since_s)


def _mode(state: ModeState, trust: Trust, rules: Rules, now_s: float, trusted_for_s: float) -> Mode:
    if state.mode is Mode.INIT:
        if trusted_for_s >= rules.recover_s / 3.0:
            return Mode.NORMAL
        return Mode.FAILSAFE if now_s - state.since_s >= rules.init_s else Mode.INIT
    if trust.lost:
        return Mode.FAILSAFE
    if trusted_for_s >= rules.recover_s:
        return Mode.NORMAL
    if state.mode is Mode.NORMAL and trust.doubts:
        return Mode.HOLD
    return state.mode


def _waiting(mode: Mode) -> str:
    return "starting" if mode is Mode.INIT else "trusted again, waiting for steady readings"
