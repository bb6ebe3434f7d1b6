"""What people work on: locked devices are off, whatever else is decided, and it is said of each lock whether that is proven."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from controller.core.fleet.leases import PROVES, Leases, heard_of_late
from controller.core.floor import nodes_below
from controller.core.limits.envelope import Limit
from controller.core.reasons import Code, Reason
from controller.core.site import F64, Bool, Site
from controller.core.snapshot import Lock, Snapshot

#: Setpoints are whole watts.
_EPS_W = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LockNow:
    """A lock: how many devices it holds off, how many of them are not proven to be off, and what those may be drawing."""

    id: str
    devices: int
    unproven: int
    most_w: float

    @property
    def proven(self) -> bool:
        """Whether all that it locks is proven to be off now."""
        return self.unproven == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """`devices` (D,): those that a lock holds off. `locks`: what is known of each of them."""

    devices: Bool
    locks: tuple[LockNow, ...]
    warnings: tuple[Reason, ...]


def locked_devices(site: Site, locks: Iterable[Lock]) -> Bool:
    """Return which devices (D,) a lock holds off."""
    found = np.zeros(len(site.devices.ids), dtype=np.bool_)
    for lock in locks:
        found |= _of(site, lock)
    return found


def locked_limits(locks: Iterable[Lock], house_w: F64, off_w: F64) -> list[Limit]:
    """Return the limits of nodes that are locked as a whole.

    Per node (N,): the most `house_w` beside its devices, and `off_w` of these when they are off.
    """
    whole = sorted({lock.node for lock in locks if lock.device is None})
    return [Limit(node=n, limit_w=float(house_w[n] + off_w[n]), name="lock") for n in whole]


def hold_locked(site: Site, snapshot: Snapshot, leases: Leases) -> Locked | None:
    """Return what locks hold off, and whether that is proven; None where there is no lock."""
    locks, devices = snapshot.locks, site.devices
    if not locks:
        return None
    heard = heard_of_late(devices, snapshot.fleet, snapshot.now_s)
    unproven = ~(heard & PROVES[snapshot.fleet.follow] & (leases.high_w <= devices.off_w + _EPS_W))
    most_w = np.where(leases.known, leases.high_w, devices.max_w)
    now = [_now(lock, _of(site, lock), unproven, most_w) for lock in locks]
    return Locked(
        devices=locked_devices(site, locks),
        locks=tuple(now),
        warnings=tuple(_told_of(site, locks, unproven, most_w)),
    )


def _of(site: Site, lock: Lock) -> Bool:
    """Return the devices (D,) of a lock."""
    if lock.device is not None:
        return np.asarray(np.arange(len(site.devices.ids)) == lock.device, dtype=np.bool_)
    nodes = np.zeros(len(site.tree.ids), dtype=np.bool_)
    nodes[lock.node] = True
    return nodes_below(site, nodes)[site.devices.node]


def _now(lock: Lock, devices: Bool, unproven: Bool, most_w: F64) -> LockNow:
    open_ = devices & unproven
    return LockNow(id=lock.id, devices=int(devices.sum()), unproven=int(open_.sum()), most_w=float(most_w[open_].sum()))


def _told_of(site: Site, locks: Sequence[Lock], unproven: Bool, most_w: F64) -> Iterator[Reason]:
    """Say of each node with a lock, at itself or at a device, how many devices are held off there, and which not for sure."""
    for n in sorted({lock.node for lock in locks}):
        mine = locked_devices(site, [lock for lock in locks if lock.node == n])
        name, doubted = site.tree.ids[n], mine & unproven
        yield Reason(Code.LOCKED, name, {"count": int(mine.sum())})
        if doubted.any():
            figures = {"count": int(doubted.sum()), "most_w": float(most_w[doubted].sum())}
            yield Reason(Code.LOCK_UNPROVEN, name, figures)
