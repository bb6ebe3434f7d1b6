"""The invariants that `step` checks of its own answer before it gives it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from controller.core.decision import Decision
from controller.core.kernels.tree import Moves, PathSums
from controller.core.limits.contactors import ContactorState, Phase, Wanted
from controller.core.masks import every, some
from controller.core.modes import TRANSITIONS, Mode
from controller.core.site import F64, Bool, Site
from controller.core.snapshot import Reset
from controller.core.state import State

#: Sums of many devices are exact to about this share, and whole watts are sent.
_EPS_SHARE: Final = 1e-9
_EPS_W: Final = 1.0


class Invariant(StrEnum):
    """What a step must never break, by its number in the design."""

    NO_RAISE_IN_DOUBT = "i2_no_raise_in_doubt"
    MODE_MACHINE = "i4_mode_machine"
    SIGNED_MAXIMUM = "i5_signed_maximum"
    RAMP = "i6_ramp"
    PLANNED_FITS = "i7_planned_fits"
    COMMITTED_STOPS_RAISES = "i7_committed_stops_raises"
    LOCKED_STAYS_OFF = "locked_stays_off"
    TRIPPED_STAYS_DOWN = "tripped_stays_down"
    TRIPPED_STAYS_OPEN = "tripped_stays_open"


class InvariantBroken(Exception):
    """A step's answer breaks invariants of the control; it is never given, and the safe step decides instead."""

    def __init__(self, broken: tuple[Invariant, ...]) -> None:
        """Name all that is broken."""
        super().__init__(", ".join(broken))
        self.broken = broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a step says that its answer rests on.

    `current_w` (D,): what each device is taken to run on. `stuck_w` (N,): the watts below each node that cannot be freed now,
    `committed_w` (N,): the most that may be drawn there before anything is sent. `rise_w`, `fall_w`: by how much
    the ramps let the site be raised and lowered, ``inf`` where a limit lowers it. `held` (D,): it is below a contactor that
    was told something, None where none was. `locked` (D,): people work on it, None where they do on none. `resets`: what
    a person has reset now.
    """

    current_w: F64
    stuck_w: F64
    committed_w: F64
    rise_w: float
    fall_w: float
    held: Bool | None
    locked: Bool | None
    resets: tuple[Reset, ...]


def check(site: Site, before: State, decision: Decision, claims: Claims, below: PathSums) -> None:
    """Raise InvariantBroken with all that the decision breaks."""
    if broken := tuple(_broken(site, before, decision, claims, below)):
        raise InvariantBroken(broken)


def _broken(site: Site, before: State, decision: Decision, claims: Claims, below: PathSums) -> Iterator[Invariant]:
    mode, former = decision.mode, before.mode.mode
    if mode is not former and (former, mode) not in TRANSITIONS:
        yield Invariant.MODE_MACHINE
    # A setpoint that is no number breaks these too.
    moves = below.moves(claims.current_w, decision.setpoint_w, site.devices.max_w)
    if not moves.legal:
        yield Invariant.SIGNED_MAXIMUM
    if mode is not Mode.NORMAL and moves.raising[0]:
        yield Invariant.NO_RAISE_IN_DOUBT
    if not _ramps_hold(moves, claims):
        yield Invariant.RAMP
    eps_w = _EPS_W + _EPS_SHARE * np.abs(decision.planned_w)
    # A limit below what is there anyway cannot be kept; then nothing may be planned beyond that.
    room_w = np.maximum(decision.envelope_w - decision.house_w, claims.stuck_w)
    if not every(decision.planned_w <= room_w + eps_w):
        yield Invariant.PLANNED_FITS
    if some(moves.raising & ~(claims.committed_w <= room_w + eps_w)):
        yield Invariant.COMMITTED_STOPS_RAISES
    if claims.locked is not None and some(claims.locked & (decision.setpoint_w > site.devices.off_w)):
        yield Invariant.LOCKED_STAYS_OFF
    if claims.held is not None and not _stays_down(site, decision, claims.held, claims.current_w):
        yield Invariant.TRIPPED_STAYS_DOWN
    if not _stays_open(before, decision, claims):
        yield Invariant.TRIPPED_STAYS_OPEN


def _stays_down(site: Site, decision: Decision, held: Bool, current_w: F64) -> bool:
    """Return whether nothing below a contactor that was told something is set above min(current, failsafe)."""
    most_w = np.minimum(current_w, site.devices.failsafe_w)
    return every(~held | (decision.setpoint_w <= most_w))


def _stays_open(before: State, decision: Decision, claims: Claims) -> bool:
    """Return whether every contactor that was told to open still is, but for one that a person has reset, step by step."""
    reset = [each.node for each in claims.resets]
    for old, new in zip(before.trips.contactors, decision.contactors, strict=True):
        begins = new.phase is Phase.CLOSING and old.phase is not Phase.CLOSING
        closes = new.wanted is not Wanted.OPEN and old.wanted is Wanted.OPEN
        told = new.wanted is Wanted.CLOSE and (old.wanted is Wanted.LEAVE or decision.mode is not Mode.NORMAL)
        if (begins and old.node not in reset) or (closes and not _may_close(old, new, decision.mode)) or told:
            return False
    return True


def _may_close(old: ContactorState, new: ContactorState, mode: Mode) -> bool:
    """Return whether a contactor that was being closed may be told so now; one that nothing has tripped may be left alone."""
    told = mode is Mode.NORMAL and new.wanted is Wanted.CLOSE
    return old.phase is Phase.CLOSING and (told or (new.wanted is Wanted.LEAVE and old.trip is None))


def _ramps_hold(moves: Moves, claims: Claims) -> bool:
    """Return whether the ramps hold.

    The device that uses up the fall may be switched off whole; what it took too much is a debt of the next ticks.
    """
    rises = moves.raised_w <= claims.rise_w + _EPS_W
    falls = moves.lowered_w - moves.largest_fall_w <= max(claims.fall_w, 0.0) + _EPS_W
    return rises and falls
