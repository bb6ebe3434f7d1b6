"""What a start remembers of orders and locks: the journal, held against the head that stands beside it, and the book."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from controller.core.site import Site
from controller.daemon.journal.beginning import HEAD, JOURNAL
from controller.daemon.journal.head_file import HeadFile
from controller.daemon.journal.journal import Journal, RecordKind
from controller.daemon.journal.storage import find
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.lock_certainty import OF_CERTAINTY, LockCertainty
from controller.daemon.orders.witness import Witness, differs
from drivers.errors import Refused
from drivers.fleet.keys import PrivateKey


class Memory:
    """The journal and the book of one start, in an epoch of their own; `locks`: whether all locks are known.

    What is found wrong is on record before there is a new head that would hide it.
    """

    def __init__(
        self,
        state: Path,
        site: Site,
        *,
        key: PrivateKey,
        issuers: frozenset[str],
        utc: Callable[[], float] = time.time,
        retry_s: float = 1.0,
    ) -> None:
        """Remember what stands in the folder `state`; JournalInUse where another process does. `issuers`: of the site file."""
        head_file = HeadFile(state / HEAD, site=site.id, key=key)
        self.journal = Journal(find(state / JOURNAL), head_file=head_file, utc=utc, retry_s=retry_s)
        self.book = OrderBook(self.journal, site, issuers)
        self.locks = LockCertainty(site.tree.ids[0], self.journal.records(*OF_CERTAINTY))
        if self.journal.doubt is not None:
            self.doubt(self.journal.doubt)
        self.lead_above(self._compare(head_file))

    def _compare(self, head_file: HeadFile) -> int:
        """Hold the journal against the head beside it, and return the epoch of that, 0 where there is none."""
        try:
            head = head_file.read()
        except Refused as refusal:
            if self.journal.id is not None:
                self.doubt(f"the head that stands beside the journal cannot be used: {refusal}")
            return 0
        why = differs(head, self.journal, "the head beside the journal")
        if why is not None and head.epoch >= self.covered_epoch:
            self.doubt(why, head.epoch)
        return head.epoch

    @property
    def covered_epoch(self) -> int:
        """The epoch in which all orders and all locks were last stated: a head of an earlier one tells of nothing that is missing."""
        return min(self.book.covered_epoch, self.locks.covered_epoch)

    def is_doubted(self, epoch: int) -> bool:
        """Return whether one more reason to doubt, by a head of that epoch, would change nothing: what it tells of is in doubt, or was stated since."""
        orders = self.book.unsure is not None or epoch < self.book.covered_epoch
        return orders and (self.locks.reason is not None or epoch < self.locks.covered_epoch)

    def doubt(self, why: str, epoch: int | None = None) -> None:
        """Hold orders and locks for missing from now on, but for what was stated since that `epoch`: of the head which shows it, None where none does."""
        self.book.doubt(why, epoch)
        self.locks.learn(RecordKind.DOUBT, {"why": why, "epoch": epoch})

    def lead_above(self, epoch: int) -> int:
        """Begin an epoch above that one, and return it."""
        return self.journal.begin_epoch(epoch, issuers=sorted(self.book.named))

    def witness(self, lead: Callable[[int], None]) -> Witness:
        """Return what hears which heads others have; `lead` is told of the epoch to go on in where that has to change."""
        return Witness(self.journal, self, lambda epoch: lead(self.lead_above(epoch)))

    def close(self) -> None:
        """Store what waits."""
        self.journal.close()
