"""What the drivers have said since the last tick; nothing is judged here."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from controller.core.site import SURPLUS
from controller.core.snapshot import Grade, SourceLoss, SourceSample
from drivers.readings import Loss, Sample

_log = logging.getLogger(__name__)

#: Samples that are kept for a tick that does not come: minutes of many meters. Then the oldest are dropped.
MAX_WAITING: Final = 20_000
#: Share by which the reading of a surplus that stands still may differ from one to the next.
_WAVERS: Final = 0.01


def as_heard(item: Sample | Loss) -> SourceSample | SourceLoss:
    """Return what a driver has said in the words of the core."""
    if isinstance(item, Loss):
        return SourceLoss(source=item.meter, error=item.reason, at_s=item.at_s)
    return SourceSample(
        source=item.meter,
        values=item.values,
        grade=Grade[item.quality.name],
        taken_s=item.taken_at_s,
        arrived_s=item.arrived_at_s,
        invalid=item.invalid,
        notes=item.notes,
    )


class Mailbox:
    """Takes in from the drivers' thread and hands on to the tick's; neither waits for the other.

    `on_event` is called when a source has been lost that gave values before, and when the surplus falls; it returns at once.
    `rises`: the reading of the surplus rises where the surplus falls, as that of a loaded feeder does.
    """

    def __init__(self, on_event: Callable[[], None] = lambda: None, *, rises: bool = False) -> None:
        self._waiting: deque[SourceSample | SourceLoss] = deque(maxlen=MAX_WAITING)
        self._full = False
        self._on_event, self._lost = on_event, set[str]()
        self._sign = -1.0 if rises else 1.0
        self._before_w = self._newest_w = float("-inf")

    def publish(self, item: Sample | Loss) -> None:
        """Take in what a driver has said."""
        if len(self._waiting) == MAX_WAITING and not self._full:
            self._full = True
            _log.error("no tick takes the samples; the oldest are dropped", extra={"event": "mailbox_full"})
        self._waiting.append(as_heard(item))
        if isinstance(item, Sample):
            self._lost.discard(item.meter)
            self._compare(item)
        elif item.meter not in self._lost:
            self._lost.add(item.meter)
            self._on_event()

    def _compare(self, sample: Sample) -> None:
        """Have a tick begin for a surplus that is below the one of the last tick by more than its reading wavers."""
        reading_w = sample.values.get("surplus_w") if sample.meter == SURPLUS else None
        if reading_w is None:
            return
        self._newest_w = self._sign * reading_w
        if self._newest_w < self._before_w - _WAVERS * abs(self._before_w):
            self._on_event()

    def take(self) -> tuple[SourceSample | SourceLoss, ...]:
        """Return what has come since the last call, in the order of its arrival."""
        self._before_w = self._newest_w
        taken = tuple(self._waiting.popleft() for _ in range(len(self._waiting)))
        if self._full:
            self._full = False
            _log.info("samples are taken again", extra={"event": "mailbox_emptied"})
        return taken
