"""How much of its cap a device has been seen to draw, by a meter above it: how far it goes above the cap shows in that alone.

A device may go above what it is told to by its tolerance. Where its draw follows its setpoint, the meter shows by how much, and the house load has it.
Where a setpoint only caps it, the meter shows that of the part which its job draws. What an agent reports of that is newer
than what the meter has shown. So a draw counts as seen once it has been that high for as long as a meter may take.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.core.site import F64


@dataclass(frozen=True, slots=True)
class RisingDraw:
    """Draws (D,) above what was seen: `since_s`, ``inf`` where one is not, and the `least_w` that it has been since, ``inf`` likewise."""

    since_s: F64
    least_w: F64


def no_rising_draw(count: int) -> RisingDraw:
    """Return that none of so many draws is above what was seen."""
    nowhere = np.full(count, np.inf)
    return RisingDraw(since_s=nowhere, least_w=nowhere)


def seen_draw(
    rising: RisingDraw, seen_w: F64, drawn_w: F64, meter_takes_s: F64, now_s: float
) -> tuple[F64, RisingDraw]:
    """Return what has been seen of each draw (D,), and what is above it.

    `seen_w`: as of the last tick; `drawn_w`: what is surely drawn now; `meter_takes_s`: until the meter shows a draw that rises.
    """
    rises = drawn_w > seen_w
    since_s = np.where(rises, np.minimum(rising.since_s, now_s), np.inf)
    least_w = np.where(rises, np.minimum(rising.least_w, drawn_w), np.inf)
    due = now_s - since_s >= meter_takes_s
    seen_w = np.where(due, least_w, np.minimum(seen_w, drawn_w))
    return seen_w, RisingDraw(since_s=np.where(due, np.inf, since_s), least_w=np.where(due, np.inf, least_w))
