"""Devices that do not come up when they are asked to: each tick in which one is asked again, the ramp of all is used up for it.

So one that has not followed is asked after all others, with the ramp that they leave. One that has been asked so often, over so
long, and never ran on more, is asked no more for a while, and others have its watts, whatever is wrong with it: it refuses, says yes
and does nothing, or its agent cannot store a raise. One that its agent had to bring down is asked once, and not at all while its
agent lets it rest: then it refuses nothing, and afterwards it begins anew.

Whether it is named is another question than when it is asked: one that has refused a raise is named though nobody asks it again.

What agents say of a command that is under way is no rise: until the device has refused it, or is read, it counts as applied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from controller.core.masks import every, infinite, some
from controller.core.site import F64, I8, Bool
from controller.core.snapshot import Followed

#: Over how long and how often one is asked, and how often one that has not come up before.
_PATIENCE_S: Final = 12.0
_ASKS: Final = 8
_AGAIN_S: Final = 6.0
_ASKS_AGAIN: Final = 4
#: It is asked again after one to two times this long, then after twice as long each time: others may have to make room for it.
#: By how much longer is each device's own, as the golden ratio spreads them: so few are asked again at a time.
_PAUSE_S: Final = 120.0
_PAUSE_MOST_S: Final = 480.0
_SPREAD: Final = 0.618034
#: What has been asked no more for so long is forgotten.
_FORGET_S: Final = 120.0
#: One that does not say that it has taken a raise after this long is asked last.
_LATE_S: Final = 2.0
#: One that is not proven has come up once it has been said to run on more for this long: a slow one is read so seldom.
_HELD_S: Final = 5.0
#: Watts that are no raise.
_SLACK_W: Final = 30.0
_TAKEN: Final = {Followed.ACCEPTED, Followed.SETTLING, Followed.PROVEN, Followed.DRIFTED}
_RUNS_ON_IT: Final = np.array([code in _TAKEN for code in Followed])
_PROVEN, _REFUSED, _STOPPED = int(Followed.PROVEN), int(Followed.REFUSED), int(Followed.STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Of each device (D,), how it comes up.

    `behind_s`: since when it has been asked for more and not come up, ``inf`` where it has not been asked; `base_w`: what it ran on
    then. `above_s`: since when it is said to run on more than that, ``inf`` while it is not. `asked_s`: when it was asked last;
    `asks`: how often. `again_s`: from when on it is asked again, ``-inf`` once it has come up; `pause_s`: for how long it is not
    next. `late`: it has not followed, and is asked after all others. `refused_s`: since when it has refused a raise and not come up,
    ``inf`` where it has not. `reluctant`: it has not come up when it was asked to, and not since. `wanted_w`: what it was asked for last.
    """

    behind_s: F64
    base_w: F64
    above_s: F64
    asked_s: F64
    asks: F64
    again_s: F64
    pause_s: F64
    late: Bool
    refused_s: F64
    reluctant: Bool
    wanted_w: F64


def nobody_waits(count: int) -> Waiting:
    """Return what is known of `count` devices that nothing was asked of."""
    return Waiting(
        behind_s=np.full(count, np.inf),
        base_w=np.zeros(count),
        above_s=np.full(count, np.inf),
        asked_s=np.full(count, -np.inf),
        asks=np.zeros(count),
        again_s=np.full(count, -np.inf),
        pause_s=np.full(count, _PAUSE_S),
        late=np.zeros(count, dtype=np.bool_),
        refused_s=np.full(count, np.inf),
        reluctant=np.zeros(count, dtype=np.bool_),
        wanted_w=np.zeros(count),
    )


def reported(old: Waiting, applied_w: F64, follow: I8, now_s: float, *, confirmed: Bool, rests: Bool) -> Waiting:
    """Return it after a report: what each device (D,) is said to run on, and how it follows what it was asked last.

    `confirmed`: its agent has taken that. `rests`: its agent lets it rest.
    """
    stopped, asked = follow == _STOPPED, old.asks > 0.0
    all_come = not (some(stopped) or some(old.late) or some(old.reluctant))
    if all_come and not some(asked):
        return old
    above = confirmed & _RUNS_ON_IT.take(follow) & (applied_w > old.base_w + _SLACK_W)
    if all_come and every(~asked | (above & (follow == _PROVEN))):
        return replace(old, behind_s=infinite(asked.size), asks=np.zeros(asked.size))
    above_s = np.where(above, np.minimum(old.above_s, now_s), np.inf)
    rose = above & ((follow == _PROVEN) | (now_s - above_s > _HELD_S))
    before, asked, anew = np.isfinite(old.again_s), asked & ~rests, rose | rests
    over_s, most = np.where(before, _AGAIN_S, _PATIENCE_S), np.where(before, _ASKS_AGAIN, _ASKS)
    gives_up = asked & ~above & (now_s - old.behind_s > over_s) & (old.asks >= most)
    gives_up |= asked & confirmed & stopped
    begins_anew = anew | gives_up | (now_s - old.asked_s > _FORGET_S)
    later_s = now_s + old.pause_s * (1.0 + np.arange(applied_w.size) * _SPREAD % 1.0)
    again_s = np.where(gives_up, later_s, np.where(anew, -np.inf, old.again_s))
    says_no = asked & confirmed & (follow == _REFUSED)
    refused_s = np.where(anew, np.inf, np.where(says_no, np.minimum(old.refused_s, now_s), old.refused_s))
    slow = asked & ~above & (says_no | (now_s - old.behind_s > _LATE_S))
    return Waiting(
        behind_s=np.where(begins_anew, np.inf, old.behind_s),
        base_w=old.base_w,
        above_s=above_s,
        asked_s=old.asked_s,
        asks=np.where(begins_anew, 0.0, old.asks),
        again_s=again_s,
        pause_s=np.where(gives_up, np.minimum(2.0 * old.pause_s, _PAUSE_MOST_S), np.where(anew, _PAUSE_S, old.pause_s)),
        late=(slow & ~begins_anew) | np.isfinite(again_s) | stopped,
        refused_s=refused_s,
        reluctant=np.isfinite(again_s) | (now_s - refused_s > _PATIENCE_S),
        wanted_w=old.wanted_w,
    )


def sent(old: Waiting, applied_w: F64, setpoint_w: F64, now_s: float) -> Waiting:
    """Return it after setpoints (D,) were sent to devices that run on `applied_w` (D,)."""
    asked = setpoint_w > applied_w + _SLACK_W
    if not some(asked):
        return old
    first = asked & (old.asks == 0)
    return Waiting(
        behind_s=np.where(asked, np.minimum(old.behind_s, now_s), old.behind_s),
        base_w=np.where(first, applied_w, old.base_w),
        above_s=np.where(first, np.inf, old.above_s),
        asked_s=np.where(asked, now_s, old.asked_s),
        asks=old.asks + asked,
        again_s=old.again_s,
        pause_s=old.pause_s,
        late=old.late,
        refused_s=old.refused_s,
        reluctant=old.reluctant,
        wanted_w=np.where(asked, setpoint_w, old.wanted_w),
    )
