"""Leases as the controller sees them: what every device may be drawing, whatever has been lost on the way.

A setpoint commits its power from the moment it is sent; a lower one frees power only after the device has proven it and
has had its time to come down. Each device is freed by itself: one that does not answer keeps no other from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.core.fleet.seen_draw import RisingDraw, no_rising_draw, seen_draw
from controller.core.fleet.waiting import Waiting, nobody_waits, reported, sent
from controller.core.masks import every, infinite, some, spread
from controller.core.modes import Doubts
from controller.core.reasons import Code, Reason
from controller.core.site import F64, Bool, Devices, Rules
from controller.core.snapshot import FleetColumns, Followed, Snapshot

#: An agent that has not reported for this long is out of contact: nothing of its devices is raised.
CONTACT_S = 5.0
#: A setpoint that is not confirmed after this long was not taken: the device runs on what it reports.
_CONFIRM_S = 4.0
#: Watts that differ by less than this, beyond all errors, tell nothing.
_SLACK_W = 30.0
#: As plain numbers: to compare a column with an enum takes six times as long.
_LOST, _DEFIANT, _PROVEN = int(Followed.LOST), int(Followed.DEFIANT), int(Followed.PROVEN)
#: By `Followed`: the device has its setpoint; it has proven that it does it; it does something else.
_TAKEN = {Followed.ACCEPTED, Followed.SETTLING, Followed.PROVEN, Followed.DRIFTED, Followed.STOPPED}
_HAS_IT = np.array([code in _TAKEN for code in Followed])
PROVES = np.array([code in {Followed.PROVEN, Followed.STOPPED} for code in Followed])
_STRAYS = np.array([code in {Followed.DRIFTED, Followed.DEFIANT} for code in Followed])


@dataclass(frozen=True, slots=True, kw_only=True)
class Leases:
    """What each device (D,) may be drawing, given every setpoint that may still be in force.

    `setpoint_w`: the newest setpoint sent. `changed_s`: time of the decision that changed it last.
    `applied_w`: what the device's agent reported last. `steady_s`: since when report and setpoint agree, ``inf`` while
    they do not. `owing_s`: since when it may draw more than it was told to without a proof that it does not, ``inf`` while
    it need not prove anything. `low_w`, `high_w`: the least and the most that the meter may be seeing of the device; of one that was
    never heard its residual watts, the rest of it counts as house load. `seen_w`: the setpoint that the meter has last
    seen in full; of one that its setpoint only caps, what it has surely drawn of it, and `rising`: what is drawn beyond that.
    `current_w`: the setpoint that the device is taken to run on. `known`: its agent has been heard. `begun_s`: since when
    the fleet is listened to. `contact_s` (A,), of one for all before the first reports: since when each agent is in contact without a gap,
    ``inf`` while it is not. `waiting`: which do not come up when they are asked to.
    """

    setpoint_w: F64
    changed_s: F64
    applied_w: F64
    steady_s: F64
    owing_s: F64
    low_w: F64
    high_w: F64
    seen_w: F64
    rising: RisingDraw
    current_w: F64
    known: Bool
    begun_s: float
    contact_s: F64
    waiting: Waiting


def no_leases(devices: Devices, now_s: float) -> Leases:
    """Return what a controller knows that has just started and has heard nothing of its fleet."""
    count, off_w = len(devices.ids), devices.off_w
    return Leases(
        setpoint_w=devices.failsafe_w.copy(),
        changed_s=np.full(count, -np.inf),
        applied_w=off_w.copy(),
        steady_s=np.full(count, np.inf),
        owing_s=np.full(count, np.inf),
        low_w=off_w.copy(),
        high_w=off_w.copy(),
        seen_w=off_w.copy(),
        rising=no_rising_draw(count),
        current_w=devices.failsafe_w.copy(),
        known=np.zeros(count, dtype=np.bool_),
        begun_s=now_s,
        contact_s=np.full(1, np.inf),
        waiting=nobody_waits(count),
    )


def heard_of_late(devices: Devices, fleet: FleetColumns, now_s: float) -> Bool:
    """Return the devices (D,) whose agent has reported within `CONTACT_S`."""
    return spread(now_s - fleet.heard_s <= CONTACT_S, devices.agent)


def link_doubts(site: str, rules: Rules, link_lost_s: float, now_s: float) -> Doubts:
    """Return what a broken link leaves in doubt; `site`: the id of the root node."""
    down = (Reason(Code.LINK_DOWN, site),) if now_s >= link_lost_s else ()
    lost = (Reason(Code.LINK_LOST, site),) if now_s - link_lost_s > rules.lease_s else ()
    return Doubts(doubts=down, lost=lost)


def in_contact(devices: Devices, snapshot: Snapshot) -> Bool:
    """Return which devices (D,) belong to an agent that can be given a lease now: heard of late, its clock known."""
    fleet = snapshot.fleet
    return spread(fleet.echo & (snapshot.now_s - fleet.heard_s <= CONTACT_S), devices.agent)


def in_step(leases: Leases, now_s: float) -> Bool:
    """Return which devices (D,) run on the newest setpoint, or still have time to say so."""
    agreed: Bool = np.isfinite(leases.steady_s)
    return agreed if every(agreed) else agreed | (now_s - leases.changed_s < _CONFIRM_S)


def defiant(leases: Leases, devices: Devices, snapshot: Snapshot) -> Bool:
    """Return which devices (D,) do not do as they were told: by their agent's word, or because no proof comes in time.

    One that does not answer is not among them: of it nothing is known.
    """
    fleet = snapshot.fleet
    said = np.asarray(fleet.follow == _DEFIANT, dtype=np.bool_)
    owed_s = snapshot.now_s - leases.owing_s
    if not (some(said) or some(owed_s > _CONFIRM_S)):
        return said
    draws_more = ~(fleet.measured_w <= _within_w(devices, leases.setpoint_w))
    late = owed_s > fleet.down_seen_s + _CONFIRM_S
    found = said | (late & draws_more & (fleet.follow != _LOST))
    return np.asarray(found & heard_of_late(devices, snapshot.fleet, snapshot.now_s), dtype=np.bool_)


def lost(devices: Devices, snapshot: Snapshot) -> Bool:
    """Return which devices (D,) do not answer their agent, which does answer."""
    said = np.asarray(snapshot.fleet.follow == _LOST, dtype=np.bool_)
    return said & heard_of_late(devices, snapshot.fleet, snapshot.now_s) if some(said) else said


def _within_w(devices: Devices, watts: F64) -> F64:
    """Return the most that a device (D,) may say it draws which is on `watts`: its own error and that of its report."""
    return np.asarray(watts * devices.most_told + _SLACK_W, dtype=np.float64)


def observe(leases: Leases, devices: Devices, snapshot: Snapshot) -> Leases:
    """Return the leases after this snapshot's reports."""
    fleet, now_s = snapshot.fleet, snapshot.now_s
    known = spread(np.isfinite(fleet.heard_s), devices.agent)
    # Nothing can be set lower than off, whatever an agent calls it.
    applied_w = np.maximum(fleet.applied_w, devices.off_w)
    applied_w = applied_w if every(known) else np.where(known, applied_w, leases.applied_w)
    confirmed = known & (fleet.confirmed_s[devices.agent] >= leases.changed_s)
    has_it, proven = confirmed & _HAS_IT.take(fleet.follow), confirmed & PROVES.take(fleet.follow)
    steady_s = _steady_s(leases, applied_w, has_it, now_s)
    stable_s = now_s - steady_s
    answers = heard_of_late(devices, fleet, now_s) & (fleet.follow != _LOST)
    low_w, high_w = np.minimum(leases.low_w, applied_w), np.maximum(leases.high_w, applied_w)
    np.putmask(low_w, proven & (stable_s >= fleet.up_seen_s), applied_w)
    if not every(answers):
        np.putmask(low_w, ~answers, devices.off_w)
    np.putmask(high_w, proven & (stable_s >= fleet.down_seen_s), applied_w)
    _raise_by_themselves(devices, fleet, answers, high_w)
    seen_w, rising = _seen(leases, devices, fleet, low_w, high_w, now_s)
    led = np.isfinite(leases.changed_s)
    owes = ~proven & led & (high_w > leases.setpoint_w + _SLACK_W)
    current_w = np.minimum(leases.setpoint_w, applied_w)
    if not every(confirmed & led):
        _correct_current_w(current_w, leases, devices, applied_w, confirmed, known, now_s)
    return Leases(
        setpoint_w=leases.setpoint_w,
        changed_s=leases.changed_s,
        applied_w=applied_w,
        steady_s=steady_s,
        owing_s=np.where(owes, np.minimum(leases.owing_s, now_s), np.inf) if some(owes) else infinite(owes.size),
        low_w=low_w,
        high_w=high_w,
        seen_w=seen_w,
        rising=rising,
        current_w=current_w,
        known=known,
        begun_s=leases.begun_s,
        contact_s=_in_contact_s(leases, fleet, now_s),
        waiting=reported(leases.waiting, applied_w, fleet.follow, now_s, confirmed=confirmed, rests=fleet.rests),
    )


def _seen(
    leases: Leases, devices: Devices, fleet: FleetColumns, low_w: F64, high_w: F64, now_s: float
) -> tuple[F64, RisingDraw]:
    """Return what the meter has seen of each device (D,), and what it may not have seen yet of those that are only capped."""
    seen_w = np.where(low_w >= high_w, high_w, leases.seen_w)
    if every(devices.steady):
        return seen_w, leases.rising
    drawn_w = _drawn_w(low_w, devices, fleet.measured_w)
    capped_w, rising = seen_draw(leases.rising, leases.seen_w, drawn_w, fleet.up_seen_s, now_s)
    return np.where(devices.steady, seen_w, capped_w), rising


def _steady_s(leases: Leases, applied_w: F64, has_it: Bool, now_s: float) -> F64:
    """Return since when each device's (D,) report and setpoint agree, ``inf`` where it does not have its setpoint (`has_it`)."""
    steady_s = np.minimum(leases.steady_s, now_s)
    np.putmask(steady_s, applied_w != leases.applied_w, now_s)
    if not every(has_it):
        np.putmask(steady_s, ~has_it, np.inf)
    return steady_s


def _in_contact_s(leases: Leases, fleet: FleetColumns, now_s: float) -> F64:
    """Return since when each agent (A,) has been in contact, ``inf`` where it is not."""
    since_s, late = np.minimum(leases.contact_s, now_s), now_s - fleet.heard_s > CONTACT_S
    return np.where(late, np.inf, since_s) if some(late) else since_s


def _correct_current_w(
    current_w: F64, leases: Leases, devices: Devices, applied_w: F64, confirmed: Bool, known: Bool, now_s: float
) -> None:
    """Correct what devices (D,) are taken to run on, where that is not the lower of setpoint and report."""
    if not every(confirmed):
        np.putmask(current_w, ~confirmed & (now_s - leases.changed_s < _CONFIRM_S), leases.setpoint_w)
    np.putmask(current_w, np.isinf(leases.changed_s), applied_w)
    if not every(known):
        np.putmask(current_w, ~known, devices.failsafe_w)


def _raise_by_themselves(devices: Devices, fleet: FleetColumns, answers: Bool, high_w: F64) -> None:
    """Raise the most that each device (D,) may draw, `high_w`, to what is measured of it where it `answers` and that is more.

    Whatever measures, an estimate too, may raise it, up to the signed maximum. One that is defiant or has drifted, and of
    which nothing is measured, may draw all of that.
    """
    jumped, strays = fleet.measured_w > _within_w(devices, high_w), _STRAYS.take(fleet.follow)
    if not (some(jumped) or some(strays)):
        return
    told_w = np.where(strays & np.isnan(fleet.measured_w), devices.max_w, np.minimum(fleet.measured_w, devices.max_w))
    np.putmask(high_w, answers & (jumped | (strays & (told_w > high_w))), told_w)


def unheard_w(leases: Leases, devices: Devices) -> F64:
    """Return what each device (D,) may draw that has never been heard of, beyond its residual watts.

    It cannot be led, so where there is a meter it is part of what the meter shows; elsewhere its nameplate counts.
    """
    return np.asarray(np.where(leases.known, 0.0, devices.max_w - devices.off_w), dtype=np.float64)


def first_heard_w(before: Leases, leases: Leases, devices: Devices, fleet: FleetColumns) -> F64:
    """Return what each device (D,) surely draws beyond its residual watts that was never heard of `before`, 0 of all others.

    That is what it has proven, where it draws that; else what is measured of it, but for the error of such reports.
    """
    told_w = np.fmax(fleet.measured_w * (1.0 - devices.report_error), 0.0)
    proven = devices.steady & (fleet.follow == _PROVEN)
    drawn_w = np.where(proven, np.fmin(leases.applied_w, fleet.measured_w), told_w)
    theirs_w = np.maximum(np.minimum(drawn_w, leases.high_w) - devices.off_w, 0.0)
    return np.asarray(np.where(leases.known & ~before.known, theirs_w, 0.0), dtype=np.float64)


def committed_w(leases: Leases, devices: Devices) -> F64:
    """Return the most that each device (D,) may be drawing; what no meter has shown yet counts with its tolerance."""
    unseen_w = np.maximum(leases.high_w, leases.seen_w) - leases.seen_w
    return np.asarray(leases.high_w + unseen_w * devices.tolerance, dtype=np.float64)


def least_w(leases: Leases, devices: Devices, measured_w: F64) -> F64:
    """Return the least that each device (D,) may be drawing; a cap that is not used up is not power that is free.

    Of one that its setpoint only caps, and of which nothing is measured, nothing is sure.
    """
    return _drawn_w(leases.low_w, devices, measured_w)


def _drawn_w(low_w: F64, devices: Devices, measured_w: F64) -> F64:
    if every(devices.steady):
        return low_w
    drawn_w = np.minimum(low_w, np.where(np.isnan(measured_w), 0.0, measured_w) * (1.0 - devices.report_error))
    return np.asarray(np.where(devices.steady, low_w, np.maximum(drawn_w, 0.0)), dtype=np.float64)


def send(leases: Leases, setpoint_w: F64, now_s: float) -> Leases:
    """Return the leases after `setpoint_w` (D,) has been handed to the fleet."""
    # A device that has fallen from its setpoint, by the end of its lease, is raised by sending the same setpoint again.
    changed = (setpoint_w != leases.setpoint_w) | (setpoint_w > leases.current_w)
    # One that was never led is lowered by whatever it is told for the first time, its failsafe watts too.
    changed |= np.isinf(leases.changed_s) & (setpoint_w < leases.current_w)
    changed_s, steady_s = leases.changed_s, leases.steady_s
    if some(changed):
        changed_s, steady_s = changed_s.copy(), steady_s.copy()
        np.putmask(changed_s, changed, now_s)
        np.putmask(steady_s, changed, np.inf)
    return Leases(
        setpoint_w=setpoint_w,
        changed_s=changed_s,
        applied_w=leases.applied_w,
        steady_s=steady_s,
        owing_s=leases.owing_s,
        low_w=np.minimum(leases.low_w, setpoint_w),
        high_w=np.maximum(leases.high_w, setpoint_w),
        seen_w=leases.seen_w,
        rising=leases.rising,
        current_w=leases.current_w,
        known=leases.known,
        begun_s=leases.begun_s,
        contact_s=leases.contact_s,
        waiting=sent(leases.waiting, leases.applied_w, setpoint_w, now_s),
    )
