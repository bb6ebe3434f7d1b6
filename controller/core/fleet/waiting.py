"""Devices that do not come up when they are asked to: each tick in which one is asked again, the ramp of all is used up for it.

One that has been asked so often, over so long, and never ran on more, is asked no more for a while. So it keeps the others from
nothing, whatever is wrong with it: it rests after it had to be brought down, refuses, or its agent cannot store a raise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.core.masks import every, some
from controller.core.site import F64, Bool

#: Over how long and how often one is asked, and how often one that has not come up before.
_PATIENCE_S: Final = 12.0
_ASKS: Final = 8
_AGAIN_S: Final = 6.0
_ASKS_AGAIN: Final = 4
#: It is asked again after this long. What has been asked no more for so long is forgotten.
_REST_S: Final = 120.0
_FORGET_S: Final = 120.0
#: Watts that are no raise.
_SLACK_W: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Of each device (D,), how it comes up.

    `behind_s`: since when it has been asked for more and not come up, ``inf`` where it has not been asked; `asked_s`: when it was
    asked last; `asks`: how often. `rests_s`: until when it is asked no more, ``-inf`` once it has come up.
    """

    behind_s: F64
    asked_s: F64
    asks: F64
    rests_s: F64

    @property
    def reluctant(self) -> Bool:
        """Devices (D,) that have not come up when they were asked to, and not since."""
        return np.asarray(np.isfinite(self.rests_s), dtype=np.bool_)


def nobody_waits(count: int) -> Waiting:
    """Return what is known of `count` devices that nothing was asked of."""
    return Waiting(
        behind_s=np.full(count, np.inf),
        asked_s=np.full(count, -np.inf),
        asks=np.zeros(count),
        rests_s=np.full(count, -np.inf),
    )


def reported(old: Waiting, before_w: F64, applied_w: F64, now_s: float) -> Waiting:
    """Return it after a report; `before_w`, `applied_w` (D,): what devices ran on by the last one, and by this."""
    if not some(old.asks) and every(np.isinf(old.rests_s)):
        return old
    rose, before = applied_w > before_w + _SLACK_W, old.reluctant
    over_s, most = np.where(before, _AGAIN_S, _PATIENCE_S), np.where(before, _ASKS_AGAIN, _ASKS)
    gives_up = ~rose & (now_s - old.behind_s > over_s) & (old.asks >= most)
    begins_anew = rose | gives_up | (now_s - old.asked_s > _FORGET_S)
    return Waiting(
        behind_s=np.where(begins_anew, np.inf, old.behind_s),
        asked_s=old.asked_s,
        asks=np.where(begins_anew, 0.0, old.asks),
        rests_s=np.where(gives_up, now_s + _REST_S, np.where(rose, -np.inf, old.rests_s)),
    )


def sent(old: Waiting, applied_w: F64, setpoint_w: F64, now_s: float) -> Waiting:
    """Return it after setpoints (D,) were sent to devices that run on `applied_w` (D,)."""
    asked = setpoint_w > applied_w + _SLACK_W
    if not some(asked):
        return old
    return Waiting(
        behind_s=np.where(asked, np.minimum(old.behind_s, now_s), old.behind_s),
        asked_s=np.where(asked, now_s, old.asked_s),
        asks=old.asks + asked,
        rests_s=old.rests_s,
    )
