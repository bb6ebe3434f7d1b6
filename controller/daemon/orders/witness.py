"""Holds the journal against every head of it that stands anywhere else: in its own file, and with the fleet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol

from controller.daemon.journal.journal import Journal
from drivers.clock import Clock, boottime_s
from drivers.fleet.head import JournalHead

#: Heads that need no second look.
_REMEMBERED: Final = 4096
#: So many strange heads are noted at once, and then one in so many seconds while all is doubted already: a second controller with
#: this one's key makes new ones without end, and must not fill the disk.
_BURST: Final = 128
_EACH_S: Final = 30.0


def differs(head: JournalHead, journal: Journal, who: str) -> str | None:
    """Return why records are missing from the journal, by a head of it that `who` has; None where none are."""
    at = f"record {head.seq} of {_instant(head.utc_s)}"
    if journal.id is None:
        return f"{who} knows of {at}, and there is no journal"
    if head.journal != journal.id:
        return f"{who} knows of {at} of another journal, {head.journal}"
    if head.seq > journal.length:
        return f"{who} knows of {at}, and the journal ends with record {journal.length}"
    if journal.hash_of(head.seq) != head.hash:
        return f"{who} knows of another {at} than the journal has"
    return None


def _instant(utc_s: int) -> str:
    try:
        return f"{datetime.fromtimestamp(utc_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return f"Unix time {utc_s}"


class Doubtable(Protocol):
    """What may be missing from the journal; as `Memory` has it."""

    @property
    def covered_epoch(self) -> int:
        """A head of an earlier epoch tells of nothing that is missing."""

    def is_doubted(self, epoch: int) -> bool:
        """Return whether one more reason to doubt, by a head of that epoch, would change nothing."""

    def doubt(self, why: str, epoch: int | None = None) -> None:
        """Hold it for missing from now on, by a head of that epoch."""


class Witness:
    """Hears what others know of the journal; every call returns at once, and may come from any thread.

    `lead_above` is told of an epoch of this controller's that is not below the present one, and has to go above it.
    """

    def __init__(
        self, journal: Journal, memory: Doubtable, lead_above: Callable[[int], None], clock: Clock = boottime_s
    ) -> None:
        self._journal, self._memory, self._lead_above, self._clock = journal, memory, lead_above, clock
        self._known: set[JournalHead] = set()
        self._busy_until_s = float("-inf")

    def hear(self, who: str, head: JournalHead) -> None:
        """Take note of a head that this controller has signed; `who` has it."""
        if head in self._known:
            return
        why = differs(head, self._journal, who)
        above = head.epoch > self._journal.epoch or (why is not None and head.epoch == self._journal.epoch)
        # What was made before all orders and locks were last stated tells of nothing that was not stated since.
        told = why if head.epoch >= self._memory.covered_epoch else None
        if (above or told is not None) and not self._may_note(head.epoch):
            return
        # On record first: the head of an epoch above would take the place of this one, which alone shows what is missing.
        if told is not None:
            self._memory.doubt(told, head.epoch)
        if above:
            self._lead_above(head.epoch)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known.add(head)

    def overtaken(self) -> None:
        """Go on in an epoch above the present one: another controller leads in it, as a copy of this one's state would."""
        if self._may_note(self._journal.epoch):
            self._lead_above(self._journal.epoch)

    def _may_note(self, epoch: int) -> bool:
        """Return whether another strange head, of that epoch, may go on record now: always, as long as it may put something in doubt."""
        now_s = self._clock()
        if self._memory.is_doubted(epoch) and self._busy_until_s - now_s > _BURST * _EACH_S:
            return False
        self._busy_until_s = max(self._busy_until_s, now_s) + _EACH_S
        return True
