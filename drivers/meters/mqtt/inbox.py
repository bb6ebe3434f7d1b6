"""Messages on their way from the broker's thread to asyncio: of each topic the newest, whatever the rate at which they come."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

from drivers.clock import Clock


@dataclass(frozen=True, slots=True)
class Message:
    """A message, and when it arrived, in s on CLOCK_BOOTTIME."""

    body: bytes
    arrived_s: float


class MessageInbox:
    """Takes in from the broker's thread, and wakes the loop once for all that came.

    The broker's stored copies are not kept, since nobody knows how old they are: `stored` names their topics.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self.came = asyncio.Event()
        self.stored: set[str] = set()
        self.up = False
        self.why_down = "the broker has not answered yet"
        self._loop, self._clock = loop, clock
        self._lock = threading.Lock()
        self._newest: dict[str, Message] = {}

    def put(self, topic: str, body: bytes, stored: bool) -> None:
        """Take in a message; `stored`: it is a copy that the broker kept."""
        with self._lock:
            if stored:
                self.stored.add(topic)
                return
            awake = bool(self._newest)
            self._newest[topic] = Message(body, self._clock())
        if not awake:
            self._wake()

    def connection(self, up: bool) -> None:
        """Take in that the connection stands with its subscriptions, or has been lost."""
        self.up = up
        self._wake()

    def trouble(self, reason: str) -> None:
        """Take in why there is no connection."""
        self.up, self.why_down = False, reason
        self._wake()

    def take(self) -> dict[str, Message]:
        """Return what came since the last call, by topic."""
        self.came.clear()
        with self._lock:
            taken, self._newest = self._newest, {}
        return taken

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.came.set)
