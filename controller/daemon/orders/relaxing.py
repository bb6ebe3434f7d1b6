"""Changes of orders that relax something: they count once they are on the disk, and nothing waits for them but who wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from controller.daemon.orders.records import OpenOrder
from controller.daemon.orders.refusal import OrderRefused
from drivers.errors import JournalUnusable, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxing:
    """A change that relaxes something, on its way to the disk. `finish`: waits for that, has it count and returns the order."""

    finish: Callable[[], OpenOrder]


def finish_all(changes: Iterable[Relaxing]) -> None:
    """Finish all, whatever becomes of the one before; then OrderRefused or JournalUnusable, as the first failed."""
    failures: list[Refused | JournalUnusable] = []
    for change in changes:
        try:
            change.finish()
        except (OrderRefused, JournalUnusable) as failure:
            failures.append(failure)
    if failures:
        raise failures[0]
