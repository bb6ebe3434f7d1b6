"""Changes of orders that relax something: they count once they are on the disk, and nothing waits for them but who wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from controller.core.reasons import Code, Parameter, Reason
from controller.daemon.access import Principal
from controller.daemon.orders.records import OpenOrder
from controller.daemon.orders.refusal import Cause, OrderRefused
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


def not_next(known: OpenOrder, by: Principal) -> OrderRefused:
    """Return the refusal of a change that is not the next one."""
    figures: dict[str, Parameter] = {"order": known.key.id, "revision": known.revision, "next": known.revision + 1}
    return OrderRefused(Cause.CONFLICT, Reason(Code.ORDER_REVISION, by.name, figures), entry=known)


def overtaken(order: OpenOrder, now: OpenOrder, by: Principal) -> OrderRefused:
    """Return the refusal of a change that was to relax an order which has been tightened meanwhile."""
    figures: dict[str, Parameter] = {"order": now.key.id, "revision": order.revision, "newer": now.revision}
    return OrderRefused(Cause.CONFLICT, Reason(Code.ORDER_OVERTAKEN, by.name, figures), entry=now)
