"""The wall clock at one look, and whether it may end an order.

Leases, timeouts and ramps never look at it; they use CLOCK_BOOTTIME.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from controller.core.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Utc:
    """The wall clock at one look: Unix seconds, whether they may relax anything, and why not (None if they may).

    `latest_s`: the latest time that it may really be, by whichever clock is ahead; what tightens begins by it. `apart_s`: by how much the wall
    clock is ahead of what the hardware has counted since the anchor, `tolerance_s`: how much it may be; None where nothing
    is known of that. `vouched_by`, `vouched_s`: who vouched for the anchor, and how many seconds ago; None without one.
    """

    utc_s: float
    trusted: bool
    doubt: Reason | None
    latest_s: float = float("-inf")
    apart_s: float | None = None
    tolerance_s: float | None = None
    vouched_by: str | None = None
    vouched_s: float | None = None


def written(utc_s: float) -> str:
    """Return a time of the wall clock by RFC 3339, to the millisecond."""
    return datetime.fromtimestamp(utc_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
