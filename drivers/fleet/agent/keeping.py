"""Keeps the agent's store up to date from a thread of its own, so that a disk that hangs delays nothing but raises."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Final, Protocol

from drivers.clock import Clock
from drivers.fleet.agent.lease import Held

_log = logging.getLogger(__name__)

#: A lowering waits so long for its watts to be stored first, and then goes without.
PATIENCE_S: Final = 0.05
#: A disk that takes longer is no store. After a failure, the next try comes after as long.
LATE_S: Final = 1.0


class Storing(Protocol):
    """Where an agent's leases are kept; `Store` in a process."""

    def load(self) -> Held:
        """Return what was saved last."""

    def save(self, held: Held) -> None:
        """Keep it durably; raises OSError where that cannot be."""


class Keeper:
    """What a restart would find (`stored`), and what it is to find. For one loop, that of `start`."""

    def __init__(self, store: Storing, *, agent: str, clock: Clock) -> None:
        self.stored = store.load()
        self._store, self._clock = store, clock
        self._who = {"agent": agent}
        self._wanted = self.stored
        self._since_s = 0.0
        self._saving = False
        self._error: str | None = None
        self._settled = asyncio.Event()
        self._settled.set()
        self._work = threading.Event()
        self._handed: Held | None = None
        self._thread = threading.Thread(target=self._run, name=f"store-{agent}", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to save."""
        self._loop = loop
        self._thread.start()

    def unstored(self) -> str | None:
        """Return why nothing may be raised; None where the store works."""
        if self._error is not None:
            return f"nothing is raised, the agent's store is unusable: {self._error}"
        if self._saving and self._clock() > self._since_s + LATE_S:
            return "nothing is raised, the agent's store is unusable: it does not answer"
        return None

    def keep(self, held: Held) -> None:
        """Have this found by a restart, as soon as the disk allows."""
        if _same(held, self._wanted) and (self._error is None or self._clock() < self._since_s + LATE_S):
            return
        self._wanted = held
        self._settled.clear()
        self._save()

    async def kept(self) -> None:
        """Wait until what is to be found is stored, or has failed to be; not for long."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._settled.wait()
        except TimeoutError:
            return

    def _save(self) -> None:
        if self._saving:
            return
        self._saving, self._since_s = True, self._clock()
        self._handed = self._wanted
        self._work.set()

    def _run(self) -> None:
        while True:
            self._work.wait()
            self._work.clear()
            held, error = self._handed, None
            if held is None:
                return
            try:
                self._store.save(held)
            except OSError as failure:
                error = str(failure)
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._saved, held, error)

    def _saved(self, held: Held, error: str | None) -> None:
        self._saving = False
        if error is None:
            self.stored = held
            if self._error is not None:
                _log.info("store is back", extra={"event": "store_back"} | self._who)
        elif self._error is None:
            _log.error("store lost, nothing is raised: %s", error, extra={"event": "store_lost"} | self._who)
        self._error = error
        if held is self._wanted or error is not None:
            self._settled.set()
        else:
            self._save()

    async def stop(self) -> None:
        """Wait a little for the last save, and end the thread once the disk lets it."""
        await self.kept()
        self._handed = None
        self._work.set()


def _same(one: Held, other: Held) -> bool:
    """Return whether a restart would make the same of both: the sequence alone need not be kept."""
    return (one.epoch, one.head, one.applied, one.rests) == (other.epoch, other.head, other.applied, other.rests)
