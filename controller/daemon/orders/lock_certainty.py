"""Whether all locks of people at work are known, and the stop of the site. Pure: records in, a reason out."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final

from controller.core.reasons import Code, Reason
from controller.daemon.journal.chain import Record
from controller.daemon.journal.journal import RecordKind

#: The kinds that tell of it.
OF_CERTAINTY: Final = (RecordKind.INIT, RecordKind.QUARANTINE, RecordKind.DOUBT, RecordKind.LOCKS_STATED)


class LockCertainty:
    """What the records say of locks that may be missing from among them.

    The same records put orders in doubt. But no issuer knows where people work: this doubt ends when an operator has stated, after
    it began, that what is locked then is all. `reason`: why locks may be missing, None where none can be. `covered_epoch`: when an
    operator last said so; an older head tells of nothing that was not asked for since. A doubt and a statement may come from two
    threads at once.
    """

    def __init__(self, root: str, records: Iterable[Record] = ()) -> None:
        """`root`: id of the site's root node. `records`: of these kinds, in the order of the journal."""
        self._root, self._one = root, threading.Lock()
        self._above = -1
        self.covered_epoch = 0
        self.reason: Reason | None = None
        for record in records:
            self.learn(record.kind, record.body)

    def learn(self, kind: str, body: Mapping[str, Any]) -> None:
        """Learn from the next record; one of these kinds that is not understood is a doubt."""
        with self._one:
            self._learn(kind, body)

    def _learn(self, kind: str, body: Mapping[str, Any]) -> None:
        match kind:
            case RecordKind.INIT if body.get("ends", True):
                self._doubt("the journal was made anew, and locks of the one before it are not known", None)
            case RecordKind.QUARANTINE:
                self._doubt(f"the journal was damaged: {body.get('damage')}", None)
            case RecordKind.DOUBT:
                epoch = body.get("epoch")
                self._doubt(str(body.get("why")), epoch if isinstance(epoch, int) else None)
            # One that was on its way when a newer head came to light knew nothing of that.
            case RecordKind.LOCKS_STATED if isinstance(epoch := body.get("epoch"), int) and epoch > self._above:
                self.covered_epoch, self.reason = max(self.covered_epoch, epoch), None

    def _doubt(self, why: str, epoch: int | None) -> None:
        """Doubt because of a head of that epoch, or for a cause of which no epoch is known."""
        if epoch is not None and epoch < self.covered_epoch:
            return
        self._above = self._above if epoch is None else max(self._above, epoch)
        self.reason = self.reason or Reason(Code.LOCKS_MAY_BE_MISSING, self._root, {"why": why})
