"""What every meter driver does around its protocol: tell losses, log each once, and come back.

A session is one connection: it hands over what it sees until it is lost, and then raises DriverLoss. Sessions follow
one another for ever, at jittered distances that double from 0.2 s to at most 5 s and start over with every reading.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import SystemRandom
from typing import Final

from drivers.clock import Clock
from drivers.errors import DriverLoss
from drivers.readings import Loss, Publish, Sample

log = logging.getLogger(__name__)

SHORTEST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0

_random = SystemRandom()


class Watched:
    """Passes on what one meter's driver sees, and logs its loss once and its return once."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self.lost = False
        self.pause_s = SHORTEST_PAUSE_S

    def __call__(self, seen: Sample | Loss) -> None:
        """Publish `seen`; a sample without a single value counts as a loss."""
        reason = _why_lost(seen)
        if reason is None:
            self.pause_s = SHORTEST_PAUSE_S
        if reason is not None and not self.lost:
            fields = {"event": "meter_lost", "meter": seen.meter, "reason": reason}
            log.warning("meter %s is lost: %s", seen.meter, reason, extra=fields)
        elif reason is None and self.lost:
            log.info("meter %s is back", seen.meter, extra={"event": "meter_back", "meter": seen.meter})
        self.lost = reason is not None
        self._publish(seen)

    def next_pause_s(self) -> float:
        """Return how long to wait before the next session; full jitter over the upper half."""
        pause_s = self.pause_s * _random.uniform(0.5, 1.0)
        self.pause_s = min(2 * self.pause_s, LONGEST_PAUSE_S)
        return pause_s


async def run_sessions(
    meter: str, session: Callable[[Publish], Awaitable[None]], publish: Publish, clock: Clock
) -> None:
    """Run session after session and publish a Loss at the end of each. Never returns; cancel it to stop."""
    watched = Watched(publish)
    while True:
        try:
            await session(watched)
        except DriverLoss as loss:
            watched(Loss(meter=meter, reason=str(loss), at_s=clock()))
        except Exception as error:  # a fault in one driver must not end it: its meter is lost until it works again
            if not watched.lost:
                log.exception("meter %s: the driver failed", meter, extra={"event": "driver_failed", "meter": meter})
            watched(Loss(meter=meter, reason=f"the driver failed: {error!r}", at_s=clock()))
        await asyncio.sleep(watched.next_pause_s())


def _why_lost(seen: Sample | Loss) -> str | None:
    if isinstance(seen, Loss):
        return seen.reason
    return None if seen.values else "; ".join(f"{name}: {reason}" for name, reason in seen.invalid.items())
