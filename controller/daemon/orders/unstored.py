"""Which orders have a record that is not known to be on the disk yet."""

from __future__ import annotations

import threading

from controller.daemon.journal.journal import Pending, RecordKind
from controller.daemon.orders.records import OrderKey


class Unstored:
    """Of each order its newest record, until that is known to be on the disk; may be asked from any thread.

    Its lock is held for microseconds: the tick notes records, too.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: dict[OrderKey, Pending] = {}

    def note(self, key: OrderKey, record: Pending) -> None:
        """Take a record of an order that is on its way to the disk; those of before are there before it.

        A change says all of the order. So while the disk takes nothing, the ones before it need not wait as well.
        """
        with self._lock:
            before = self._newest.get(key)
            if before is not None and before.line.kind == record.line.kind == RecordKind.ORDER_CHANGED:
                before.superseded = True
            self._newest[key] = record

    def durable(self, key: OrderKey, timeout_s: float = 0.0) -> bool:
        """Return whether an order's newest record is on the disk, after waiting for the first attempt."""
        record = self._newest.get(key)
        if record is None:
            return True
        if not record.durable(timeout_s):
            return False
        with self._lock:
            # One that has come meanwhile is still to be waited for by whoever asks next.
            if self._newest.get(key) is record:
                del self._newest[key]
        return True
