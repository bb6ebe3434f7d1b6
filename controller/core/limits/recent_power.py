"""What an order to reduce is worked out from: the smallest trusted power of a node, now or in its last trusted minutes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from controller.core.masks import some
from controller.core.site import F64, I64, Bool, Site

#: So many minutes of trusted power are remembered of each node, the one that runs included.
MINUTES: Final = 15
_MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentPower:
    """The smallest trusted power of the nodes (N,) in each of their last trusted minutes; ``inf`` where there was none.

    `minute`: the newest one with trusted power. `newest_w`: the smallest of that. `older_w` (MINUTES - 1, N): of those before, the
    newest first; `least_older_w`: the smallest of these.
    `cut_from_w`: the smallest trusted power as of the newest look, else the smallest of all these minutes.
    """

    minute: I64
    newest_w: F64
    older_w: F64
    least_older_w: F64
    cut_from_w: F64


def no_recent_power(site: Site) -> RecentPower:
    """Return what a controller remembers that has just started."""
    count = len(site.tree.ids)
    return RecentPower(
        minute=np.full(count, -1, dtype=np.int64),
        newest_w=np.full(count, np.inf),
        older_w=np.full((MINUTES - 1, count), np.inf),
        least_older_w=np.full(count, np.inf),
        cut_from_w=np.full(count, np.inf),
    )


def remember(recent: RecentPower, least_w: F64, now_s: float) -> RecentPower:
    """Return what is remembered with the smallest trusted power (N,) of now; a minute without any is none."""
    minute, known = int(now_s // _MINUTE_S), np.isfinite(least_w)
    begins: Bool = np.asarray(known & (recent.minute != minute), dtype=np.bool_)
    if some(begins):
        recent = _begun(recent, begins, minute)
    newest_w = np.minimum(recent.newest_w, least_w)
    return RecentPower(
        minute=recent.minute,
        newest_w=newest_w,
        older_w=recent.older_w,
        least_older_w=recent.least_older_w,
        cut_from_w=np.where(known, least_w, np.minimum(newest_w, recent.least_older_w)),
    )


def _begun(recent: RecentPower, begins: Bool, minute: int) -> RecentPower:
    """Return what is remembered where the `minute` begins for nodes (N,): nothing of it yet."""
    older_w = recent.older_w.copy()
    older_w[1:, begins] = recent.older_w[:-1, begins]
    older_w[0, begins] = recent.newest_w[begins]
    return replace(
        recent,
        minute=np.where(begins, minute, recent.minute),
        newest_w=np.where(begins, np.inf, recent.newest_w),
        older_w=older_w,
        least_older_w=older_w.min(axis=0),
    )
