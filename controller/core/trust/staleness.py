"""Staleness: a meter that shows the same for longer than its own rhythm allows is frozen.

A meter may repeat its values because it refreshes more slowly than it is polled, because its resolution is coarse, or
because the load is constant. So the rhythm is learned from what no load holds still: frequency and voltages. Any change
of any quantity is a sign of life. A meter that shows neither frequency nor voltage is never called frozen by the clock;
the steps of the fleet find it out (`step_test`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: A reading is not frozen before this long, this many polls, and this many times the longest pause that was learned.
_LEAST_S: Final = 30.0
_LEAST_POLLS: Final = 20.0
_PAUSES: Final = 5.0
#: Changes of frequency or voltage that make a rhythm.
_LEARNED: Final = 8
#: What a change leaves of a longer pause that was learned before, and a poll of the older ones.
_KEPT: Final = 0.98
_KEPT_POLL: Final = 0.9
#: Readings that are further apart belong to no rhythm: the meter was away.
_AWAY_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """What is known of how often a meter's values change, in seconds.

    `values`: the newest of each quantity. `heard_s`: of the newest sample. `poll_s`: between samples. `pause_s`: the longest
    of late between two changes of frequency or voltage, of which there were `changes`; the last was at `restless_s`.
    `changed_s`: the last change of anything.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    heard_s: float = float("-inf")
    poll_s: float = 0.0
    changed_s: float = float("-inf")
    restless_s: float = float("-inf")
    pause_s: float = 0.0
    changes: int = 0

    @property
    def until_s(self) -> float:
        """Until when a reading that never changes again is believed; ``inf`` while no rhythm is known."""
        if self.changes < _LEARNED:
            return float("inf")
        return self.changed_s + max(_LEAST_S, _LEAST_POLLS * self.poll_s, _PAUSES * self.pause_s)

    @property
    def frozen(self) -> bool:
        """Whether the newest sample is a repetition that has lasted too long."""
        return self.heard_s > self.until_s


def learn(rhythm: Rhythm, values: Mapping[str, float], at_s: float) -> Rhythm:
    """Return the rhythm after a sample of these values, which need not be all that the meter has."""
    since_s = at_s - rhythm.heard_s
    if since_s <= 0.0:
        return rhythm
    known = {**rhythm.values, **values}
    if since_s > max(_AWAY_S, _LEAST_POLLS * rhythm.poll_s):
        return Rhythm(
            values=known,
            heard_s=at_s,
            poll_s=rhythm.poll_s,
            changed_s=at_s,
            pause_s=rhythm.pause_s,
            changes=rhythm.changes,
        )
    old = rhythm.values
    moved = [name for name, value in values.items() if old.get(name) != value]
    restless = any(map(_restless, moved))
    pause_s, changes = rhythm.pause_s, rhythm.changes
    # A pause in which the meter was taken for frozen is a fault of it, not its rhythm.
    if restless and rhythm.restless_s > float("-inf") and not rhythm.frozen:
        pause_s, changes = max(at_s - rhythm.restless_s, _KEPT * pause_s), changes + 1
    return Rhythm(
        values=known,
        heard_s=at_s,
        poll_s=_KEPT_POLL * rhythm.poll_s + (1.0 - _KEPT_POLL) * since_s if rhythm.poll_s else since_s,
        changed_s=at_s if moved else rhythm.changed_s,
        restless_s=at_s if restless else rhythm.restless_s,
        pause_s=pause_s,
        changes=changes,
    )


def _restless(name: str) -> bool:
    return name == "frequency_hz" or name.startswith("voltage_")
