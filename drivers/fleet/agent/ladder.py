"""How one device is brought down: when what it was told has failed, and what comes then. Pure; time comes in, in s.

Once more, sleep, stop, relay, and then these again without end, ever more slowly. A device that is seen to come down has all
of its time for each. One that stands still is not waited for so long: a stop takes the device's time again, and is to have
brought it down within that time and 5 s. So it is for every family of the catalogue; one that takes longer than 5.5 s is given a
share of its time first, and without a relay comes down later. A relay cuts at once, and so comes only when the device has
had its time.
"""

from __future__ import annotations

import math
from typing import Final

from drivers.fleet.agent.evidence import GRACE_S
from drivers.fleet.agent.steps import Progress, Rung, Told
from drivers.fleet.catalogue import Model

#: What each further step of an escalation has to show that it works.
STEP_S: Final = 0.75
MOST_PATIENCE_S: Final = 60.0
#: After the first round, what a device says that it has not taken is told again so often, and no more: it has enough to do.
AGAIN_S: Final = 1.0
#: When a step comes while the device stands still: after this share of its time, and not before so many seconds. Where a
#: device's time and the steps are shorter than that, they are the bound: no step comes later than one time after the other.
STANDS: Final = {Rung.AGAIN: (0.5, 2.5), Rung.SLEEP: (0.65, 3.25), Rung.STOP: (0.8, 4.0)}
#: A command has had this share of the device's time before its watts say that it stands still.
_SEEN: Final = 0.3
#: A device that should come down and does not answer is cut off so long after its own time.
SILENT_CUT_S: Final = 3.5
#: What had to be brought down by sleep, stop or relay rests for so long, and for twice as long each time until it has come down
#: by being told: one bad moment costs little, and what never obeys is seldom tried.
REST_S: Final = 60.0
REST_MOST_S: Final = 1800.0
#: What has left its setpoint for more so often within that time comes down no more by being told: each further time is a step.
STRAYS: Final = 3
STRAYS_S: Final = 300.0


class Ladder:
    """How far it has had to go with one device. `since_s`: since when it is to come down, None while it need not.

    `named_w`: the setpoint that it named then. `stopped`: it had to be brought down by more than being told, and has been
    seen to be down. `dark`: its relay is to be open; `cut_off`: the relay says that it is, and nobody has told it to close since.
    """

    def __init__(self, model: Model, *, has_relay: bool, now_s: float, rested: int = 0) -> None:
        """`rested`: how often in a row it had to be brought down, where it rested because of that when the agent ended; else 0."""
        self._down_s, self._has_relay = model.down_s, has_relay
        self.rung, self._rounds, self._times = Rung.SLEEP if rested else Rung.TELL, 0, rested
        self.since_s: float | None = now_s
        self.named_w: int | None = None
        self.stopped = self.dark = self._relay_open = False
        self._strayed_s: list[float] = []
        self._rest_until_s = now_s
        # Until it has been seen to be down again, a higher setpoint ends no rest that it was in.
        self._is_to_rest = rested > 0
        if rested:
            self._rest(now_s)

    @property
    def rests(self) -> int:
        """How often in a row it had to be brought down, while it is down or to come down because of that; else 0."""
        return self._times if self.brought_down or self.stopped or self.dark else 0

    @property
    def brought_down(self) -> bool:
        """Whether it has had to be more than told."""
        return self.rung >= Rung.SLEEP

    @property
    def cut_off(self) -> bool:
        """Whether its relay is known to be open."""
        return self.dark and self._relay_open

    @property
    def own_time_s(self) -> float:
        """When a device that is coming down has had its own time for it."""
        return -math.inf if self.since_s is None else self.since_s + self._down_s + GRACE_S

    def begin(self, now_s: float, named_w: int | None) -> None:
        """Note that the device is to come down from now on; `named_w`: what it says that it runs on."""
        self.since_s, self.named_w = now_s, named_w

    def from_below(self) -> None:
        """Begin with being told again."""
        self.rung = self.rung if self.stopped or self._is_to_rest else Rung.TELL

    def stray(self, now_s: float) -> None:
        """Note that it has left for more what it was seen to run on: again and again is not mended by being told once more."""
        self._strayed_s = [at_s for at_s in self._strayed_s if at_s > now_s - STRAYS_S] + [now_s]
        further = Rung.SLEEP + len(self._strayed_s) - STRAYS - 1
        if further < Rung.SLEEP:
            self.from_below()
        elif further > Rung.STOP and self._has_relay:
            self.darken(now_s)
        else:
            self._times += not self.brought_down
            self.rung = max(self.rung, Rung(min(further, Rung.STOP)))

    def strays(self, now_s: float) -> int:
        """Return how often it has left its setpoint for more within the last `STRAYS_S`."""
        return sum(at_s > now_s - STRAYS_S for at_s in self._strayed_s)

    def relieve(self, now_s: float, *, obeyed: bool = False) -> None:
        """Note that the device does what it was told; `obeyed`: it drew clearly more before, and so it has come down for it."""
        self.since_s, self._rounds = None, 0
        if self.brought_down and not self.stopped:
            self.stopped = True
            self._rest(now_s)
        elif obeyed and not self.brought_down:
            self._times = 0
        self.from_below()

    def _rest(self, now_s: float) -> None:
        self._rest_until_s = now_s + min(REST_MOST_S, REST_S * 2.0 ** max(0, min(self._times - 1, 10)))

    def due_s(self, told: Told, progress: Progress, *, taken: bool) -> float:
        """Return when the next step is due, if nothing changes; not `taken`: the device says that it has not taken the command."""
        if self.rung is Rung.TELL and not taken:
            return told.at_s
        whole_s = told.at_s + self._down_s + GRACE_S
        if progress is Progress.COMES or (progress is Progress.UNSEEN and self.rung is Rung.TELL):
            return whole_s
        if self._rounds or progress is Progress.UNSEEN:
            return max(self.own_time_s, told.at_s + self.patience_s)
        seen_s = self._down_s * _SEEN if self.rung is Rung.TELL else STEP_S
        return max(self._stands_until_s, told.at_s + (seen_s if taken else 0.0))

    @property
    def patience_s(self) -> float:
        """How long a step has to show that it works: longer in each round."""
        return float(min(MOST_PATIENCE_S, STEP_S * 2 ** min(self._rounds, 10)))

    @property
    def pause_s(self) -> float:
        """How long it waits before it tells a device again what that says that it has not taken."""
        return AGAIN_S if self._rounds else 0.0

    @property
    def _stands_until_s(self) -> float:
        """When the next step comes at the earliest for a device that stands still."""
        if self.since_s is None or self.rung >= Rung.STOP:
            return self.own_time_s
        following = Rung(self.rung + 1)
        share, least_s = STANDS[following]
        in_turn_s = self._down_s + GRACE_S + self.rung * STEP_S
        return self.since_s + min(in_turn_s, max(share * self._down_s, least_s))

    def climb(self, now_s: float) -> None:
        """Go one step further."""
        if self.rung is Rung.STOP and self._has_relay:
            self.darken(now_s)
        elif self.rung >= Rung.STOP:
            self.rung, self._rounds = Rung.SLEEP, self._rounds + 1
        else:
            self.rung = Rung(self.rung + 1)
            self._times += self.rung is Rung.SLEEP

    def darken(self, now_s: float) -> None:
        """Have the device cut off."""
        self._times += not self.brought_down
        self.dark, self.rung = True, Rung.RELAY
        self._rest(now_s)

    def is_to_cut(self, heard_s: float, now_s: float) -> bool:
        """Return whether a device that is to come down has been silent for too long."""
        if self.since_s is None or not self._has_relay or self.dark:
            return False
        return now_s >= max(self.since_s, heard_s) + self._down_s + SILENT_CUT_S

    def is_resting(self, now_s: float) -> bool:
        """Return whether what had to be brought down may not run yet."""
        return (self.stopped or self.dark) and now_s < self._rest_until_s

    def has_rested(self, now_s: float) -> bool:
        """Return whether it may run again."""
        return (self.stopped or self.dark) and now_s >= self._rest_until_s

    def wake(self) -> None:
        """Have it run again."""
        self.dark = self.stopped = self._is_to_rest = False
        self.rung, self._rounds, self.since_s = Rung.TELL, 0, None

    def relay_unseen(self) -> None:
        """Note that what the relay said of its contact is not of now."""
        self._relay_open = False

    def relay_seen(self, *, is_open: bool, now_s: float) -> bool:
        """Take what the relay says of its contact; return whether it has just opened."""
        opened = is_open and not self._relay_open
        if opened and not self.dark:  # somebody else, or its own dead-man, has opened it
            self.dark, self._rest_until_s = True, max(self._rest_until_s, now_s)
        self._relay_open = is_open
        return opened
