"""By how much the site may be raised and lowered in a tick."""

from __future__ import annotations

import math

from controller.core.site import Rules


def ramp_rooms(
    rules: Rules, saved_w: tuple[float, float], largest_start_w: float, elapsed_s: float, *, forced: bool
) -> tuple[float, float]:
    """Return the watts by which the site may be raised and lowered in this tick; a limit lowers without any ramp.

    `saved_w`: what is left of both from the ticks before. A step bigger than a tick's share has to be saved up, to
    `largest_start_w` at most.
    """
    rise_left_w, fall_left_w = saved_w
    saved_fall_w = 0.0 if math.isinf(fall_left_w) else fall_left_w
    rise_w = saved(max(rise_left_w, 0.0), rules.ramp_up_w_s * elapsed_s, largest_start_w)
    fall_w = saved(saved_fall_w, rules.ramp_down_w_s * elapsed_s, largest_start_w)
    return rise_w, math.inf if forced else fall_w


def saved(left_w: float, gained_w: float, most_w: float) -> float:
    """Return what is left of a ramp with what it gains in a tick: no more than `most_w`, but that share counts whole."""
    return min(left_w + gained_w, max(gained_w, most_w))
