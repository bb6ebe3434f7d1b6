"""What a start remembers of orders: the journal, held against the head that stands beside it, and the book."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from controller.core.site import Site
from controller.daemon.journal.beginning import HEAD, JOURNAL
from controller.daemon.journal.head_file import HeadFile
from controller.daemon.journal.journal import Journal
from controller.daemon.journal.storage import find
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.witness import Witness, differs
from drivers.errors import Refused
from drivers.fleet.keys import PrivateKey


class Memory:
    """The journal and the book of one start, in an epoch of their own.

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
        if self.journal.doubt is not None:
            self.book.doubt(self.journal.doubt)
        self.lead_above(self._compare(head_file))

    def _compare(self, head_file: HeadFile) -> int:
        """Hold the journal against the head beside it, and return the epoch of that, 0 where there is none."""
        try:
            head = head_file.read()
        except Refused as refusal:
            if self.journal.id is not None:
                self.book.doubt(f"the head that stands beside the journal cannot be used: {refusal}")
            return 0
        why = differs(head, self.journal, "the head beside the journal")
        if why is not None and head.epoch >= self.book.covered_epoch:
            self.book.doubt(why, head.epoch)
        return head.epoch

    def lead_above(self, epoch: int) -> int:
        """Begin an epoch above that one, and return it."""
        return self.journal.begin_epoch(epoch, issuers=sorted(self.book.named))

    def witness(self, lead: Callable[[int], None]) -> Witness:
        """Return what hears which heads others have; `lead` is told of the epoch to go on in where that has to change."""
        return Witness(self.journal, self.book, lambda epoch: lead(self.lead_above(epoch)))

    def close(self) -> None:
        """Store what waits."""
        self.journal.close()
