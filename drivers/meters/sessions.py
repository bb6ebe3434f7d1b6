"""What every meter driver does around its protocol: tell losses, log each once, and come back.

A session is one connection: it hands over what it sees until it is lost, and then raises DriverLoss. Sessions follow
one another for ever, at jittered distances that double from 0.2 s to at most 5 s and start over with every reading. After a
login that was refused it is a minute: who asks on is locked out for longer, or for ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from random import SystemRandom
from typing import Final

from drivers.clock import Clock
from drivers.errors import DriverLoss
from drivers.readings import Loss, Publish, Sample

log = logging.getLogger(__name__)

SHORTEST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
AFTER_A_REFUSED_LOGIN_S: Final = 60.0

_random = SystemRandom()


class LoginRefused(DriverLoss):
    """It has looked at our login, and does not take it."""


class Pause:
    """The distance between attempts; it doubles from one to the next until `reset`."""

    def __init__(self) -> None:
        self._pause_s = SHORTEST_PAUSE_S

    def next_s(self) -> float:
        """Return how long to wait before the next attempt; full jitter over the upper half."""
        pause_s = self._pause_s * _random.uniform(0.5, 1.0)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        return pause_s

    def reset(self) -> None:
        """Start over."""
        self._pause_s = SHORTEST_PAUSE_S


class Watched:
    """Passes on what one meter's driver sees, and logs its loss once and its return once.

    `pauses`: what starts over with every reading.
    """

    def __init__(self, publish: Publish, *pauses: Pause) -> None:
        self._publish = publish
        self._pauses = pauses
        self.lost = False

    def __call__(self, seen: Sample | Loss) -> None:
        """Publish `seen`; a sample without a single value counts as a loss, one that goes on trying is not logged yet."""
        if isinstance(seen, Loss) and seen.trying:
            self._publish(seen)
            return
        reason = _why_lost(seen)
        if reason is None:
            for pause in self._pauses:
                pause.reset()
        if reason is not None and not self.lost:
            fields = {"event": "meter_lost", "meter": seen.meter, "reason": reason}
            log.warning("meter %s is lost: %s", seen.meter, reason, extra=fields)
        elif reason is None and self.lost:
            log.info("meter %s is back", seen.meter, extra={"event": "meter_back", "meter": seen.meter})
        self.lost = reason is not None
        self._publish(seen)


async def run_sessions(
    meters: Mapping[str, Watched], session: Callable[[], Awaitable[None]], pause: Pause, clock: Clock
) -> None:
    """Run session after session of a connection that `meters` share, by name; the end of one is a loss of each.

    Never returns; cancel it to stop.
    """
    while True:
        least_s = 0.0
        try:
            await session()
        except DriverLoss as loss:
            reason, least_s = str(loss), AFTER_A_REFUSED_LOGIN_S if isinstance(loss, LoginRefused) else 0.0
        except Exception as error:  # a fault in one driver must not end it: its meter is lost until it works again
            reason = f"the driver failed: {error!r}"
            if not all(watched.lost for watched in meters.values()):
                name = ", ".join(meters)
                log.exception("meter %s: the driver failed", name, extra={"event": "driver_failed", "meter": name})
        else:
            reason = "the session ended"
        for meter, watched in meters.items():
            watched(Loss(meter=meter, reason=reason, at_s=clock()))
        await asyncio.sleep(max(least_s, pause.next_s()))


def _why_lost(seen: Sample | Loss) -> str | None:
    if isinstance(seen, Loss):
        return seen.reason
    return None if seen.values else "; ".join(f"{name}: {reason}" for name, reason in seen.invalid.items())
