"""Whether all orders are known, and who has still to speak before they are. Pure: records in, a reason out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.core.reasons import Code, Reason
from controller.daemon.access import Role
from controller.daemon.journal.journal import RecordKind


class Certainty:
    """What the records say of what may be missing from among them.

    A doubt ends when every issuer has stated all its orders in force after it began; where there is no issuer, when an
    operator confirms. `reason`: why orders may be missing, None where none can be. `named`: issuers that the site file names, or did since the start. `covered_epoch`: when the last doubt ended; an older head tells nothing that was not stated anew since.
    For a source that shows a level, as a register or a contact does, its present valid value would be the statement.
    """

    def __init__(self, root: str, issuers: frozenset[str]) -> None:
        """`root`: id of the site's root node. `issuers`: those that the site file names as authority now."""
        self._root, self.named = root, issuers
        self._remembered: frozenset[str] = frozenset()
        self._retired: frozenset[str] = frozenset()
        self._why: str | None = None
        self._above = -1
        self._stated: dict[str, int] = {}
        self.covered_epoch = 0
        self.reason: Reason | None = None

    @property
    def issuers(self) -> frozenset[str]:
        """Who has to state its will: who is named now or was once, and has not been retired."""
        return (self.named | self._remembered) - self._retired

    @property
    def retired(self) -> frozenset[str]:
        """Issuers that are gone for good."""
        return self._retired

    @property
    def missing(self) -> tuple[str, ...]:
        """Issuers that have not stated their will since the doubt began."""
        return tuple(sorted(self.issuers - self._stated.keys()))

    def name(self, issuers: frozenset[str]) -> None:
        """Let these be issuers too."""
        self.named |= issuers
        self.reason = self._reason()

    def learn(self, kind: str, body: Mapping[str, Any]) -> None:
        """Learn from a record, in the order of the journal; KeyError, TypeError or ValueError where it is not understood."""
        match kind:
            case RecordKind.START:
                self._remembered |= frozenset(map(str, body.get("issuers", ())))
            # A limit that an operator set makes them no issuer who has to state its will.
            case RecordKind.ORDER if body.get("role", Role.AUTHORITY) == Role.AUTHORITY:
                self._remembered |= {str(body["by"])}
            case RecordKind.INIT if body["ends"]:
                self._doubt("the journal was made anew, and orders of the one before it are not known", None)
            case RecordKind.QUARANTINE:
                self._doubt(f"the journal was damaged: {body['damage']}", None)
            case RecordKind.DOUBT:
                self._doubt(str(body["why"]), body["epoch"])
            # One that was on its way when a newer head came to light knew nothing of that.
            case RecordKind.STATEMENT if int(body["epoch"]) > self._above:
                self._stated[str(body["by"])] = int(body["epoch"])
                self._end_if_told(int(body["epoch"]))
            case RecordKind.CONFIRMED if not self.issuers:
                self._end(int(body["epoch"]))
            case RecordKind.RETIRED:
                self._retired |= {str(body["issuer"])}
                self._end_if_told(int(body["epoch"]))

        self.reason = self._reason()

    def _reason(self) -> Reason | None:
        if self._why is None:
            return None
        who = ", ".join(self.missing) or "an operator"
        return Reason(Code.ORDERS_MAY_BE_MISSING, self._root, {"why": self._why, "who": who})

    def _doubt(self, why: str, epoch: int | None) -> None:
        """Doubt because of a head of that epoch, or for a cause of which no epoch is known."""
        if epoch is not None and epoch < self.covered_epoch:
            return
        self._why = self._why or why
        self._above = self._above if epoch is None else max(self._above, epoch)
        # Who has stated its will in a later epoch than the head is of knew of all that came before.
        self._stated = {by: said for by, said in self._stated.items() if epoch is not None and said > epoch}

    def _end_if_told(self, epoch: int) -> None:
        if self.issuers and not self.missing:
            self._end(epoch)

    def _end(self, epoch: int) -> None:
        self._why = None
        self._stated.clear()
        self.covered_epoch = max(self.covered_epoch, epoch)
