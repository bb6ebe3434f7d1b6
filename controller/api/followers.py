"""What a follower of events is sent: the present state, then what happens, in the format of server-sent events.

A follower is a place in the feed and nothing more: while it does not read, nothing is kept for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from enum import StrEnum
from typing import Final

from fastapi.sse import format_sse_event
from pydantic import BaseModel

from controller.api.readers import Readers
from controller.api.status import StatusBody, status_of
from controller.core.decision import Decision
from controller.daemon.events.event import Cursor, EventName
from controller.daemon.service import Service
from drivers.errors import JournalUnusable

#: Seconds of silence after which a comment is sent, so that either side finds a dead peer.
HEARTBEAT_S: Final = 10.0
#: Milliseconds after which a client that was cut off asks again.
RETRY_MS: Final = 2000
#: Whoever comes back waits so long at most for the journal to be read; a disk may be dead.
READ_S: Final = 2.0
_HEARTBEAT: Final = format_sse_event(comment="")


class Missed(StrEnum):
    """What a follower has missed since the event that it has named, and is not told."""

    CHANGES = "changes"  #: what is no record: limits, reasons, contactors, proofs. All records are told
    EVERYTHING = "everything"  #: records too


class Why(StrEnum):
    """Why it has missed it."""

    RESTARTED = "restarted"  #: the daemon was
    BEHIND = "behind"  #: more has happened than is kept
    UNKNOWN_ID = "unknown_id"  #: it is of another journal, or no id
    JOURNAL_UNREADABLE = "journal_unreadable"


class StateBody(BaseModel):
    """The first event: the present state. What follows happened after the place that the id of this event names.

    `missed`, `missed_because`: what is not told, null where nothing is missing. `earlier`: so many of the events that follow are
    older than this state. `head`: what the journal ends with, signed. `stopped`: an operator keeps the site at failsafe.
    """

    missed: Missed | None
    missed_because: Why | None
    earlier: int
    head: str | None
    stopped: bool
    journal_usable: bool
    status: StatusBody


class _Beginning:
    """From where a follower is told: `place`, after the `earlier` events out of the journal that are told first."""

    def __init__(
        self,
        place: Cursor,
        shown: str,
        earlier: tuple[tuple[Cursor, EventName, str], ...] = (),
        missed: tuple[Missed, Why] | None = None,
    ) -> None:
        self.place, self.shown, self.earlier, self.missed = place, shown, earlier, missed


class Followers:
    """All who follow; for the thread of the loop, but for `_told`."""

    def __init__(self, service: Service) -> None:
        """Nobody follows yet."""
        self._service, self._feed = service, service.feed
        self._waiting: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waking = False
        self._readers = Readers()
        self._status: tuple[Decision | None, tuple[Cursor, bool], StatusBody] | None = None
        self._feed.on_told = self._told

    async def follow(self, last_id: str | None, may: Callable[[], bool], name: str) -> AsyncIterator[bytes]:
        """Yield what a follower is sent for as long as it stays, and `may`.

        `last_id`: of the newest event that it has, None where it has none. `name`: of its token.
        """
        self._loop = asyncio.get_running_loop()
        place, first = (None if last_id is None else Cursor.parse(last_id)), last_id is None
        while may():
            begins = _Beginning(now := self._feed.place, str(now)) if first else await self._begin(place, name)
            was_well = self._service.health().ok
            yield self._state(begins)
            for at, what, data in begins.earlier:
                yield _framed(str(at), what, data)
            first, place = False, begins.place
            async with contextlib.aclosing(self._live(place, may, was_well=was_well)) as live:
                async for behind, framed in live:
                    place = behind
                    yield framed

    async def _live(
        self, place: Cursor, may: Callable[[], bool], *, was_well: bool
    ) -> AsyncGenerator[tuple[Cursor, bytes]]:
        """Yield what happens after a place, with the place behind it, until some of it is gone before it could be told, or nobody may hear it.

        `was_well`: whether the tick was running when the state was told last.
        """
        with self._woken() as woken:
            while may() and (events := self._feed.after(place)) is not None:
                woken.clear()
                # To send may take no turn of the loop: others have theirs, and whoever is gone is found to be.
                await asyncio.sleep(0)
                is_well = self._service.health().ok
                if events:
                    place = self._feed.id_of(events[-1])
                    yield place, b"".join(_framed(str(self._feed.id_of(e)), e.name, e.data) for e in events)
                elif is_well is not was_well:
                    # A tick that stands tells nothing, and that is to be known.
                    was_well = is_well
                    yield place, self._state(_Beginning(place, str(place)))
                elif not await _within(woken, HEARTBEAT_S):
                    yield place, _HEARTBEAT

    async def _begin(self, last: Cursor | None, name: str) -> _Beginning:
        """Return from where somebody is told who has all up to a place, None where nobody knows which."""
        now = self._feed.place
        if last is None:
            return _Beginning(now, str(now), missed=(Missed.EVERYTHING, Why.UNKNOWN_ID))
        if self._feed.after(last) is not None:
            return _Beginning(last, str(last))
        because = Why.BEHIND if last.start == now.start and last.n <= now.n else Why.RESTARTED
        if last.journal != now.journal or last.seq > now.seq:
            return _Beginning(now, str(now), missed=(Missed.EVERYTHING, Why.UNKNOWN_ID))
        try:
            earlier = await self._readers.read_within(READ_S, name, lambda: self._feed.recorded(last, now))
        except (JournalUnusable, TimeoutError):
            return _Beginning(now, str(now), missed=(Missed.EVERYTHING, Why.JOURNAL_UNREADABLE))
        if earlier is None:
            return _Beginning(now, str(now), missed=(Missed.EVERYTHING, Why.BEHIND))
        return _Beginning(now, str(last), earlier, (Missed.CHANGES, because))

    def _state(self, begins: _Beginning) -> bytes:
        missed, because = begins.missed or (None, None)
        body = StateBody(
            missed=missed,
            missed_because=because,
            earlier=len(begins.earlier),
            head=self._service.head(),
            stopped=self._service.desks.stops.reason is not None,
            journal_usable=self._feed.failure is None,
            status=self._present(),
        )
        return format_sse_event(data_str=body.model_dump_json(), event="state", id=begins.shown, retry=RETRY_MS)

    def _present(self) -> StatusBody:
        """Return the status, made once for all who ask while nothing has changed."""
        decision, key = self._service.decision(), (self._feed.place, self._service.health().ok)
        if self._status is None or self._status[0] is not decision or self._status[1] != key:
            self._status = decision, key, status_of(self._service)
        return self._status[2]

    @contextlib.contextmanager
    def _woken(self) -> Iterator[asyncio.Event]:
        """Give what is set whenever something has happened."""
        woken = asyncio.Event()
        self._waiting.add(woken)
        try:
            yield woken
        finally:
            self._waiting.discard(woken)

    def _told(self) -> None:
        """Wake all who follow, once for all that is told meanwhile; from any thread."""
        if self._waiting and not self._waking and self._loop is not None:
            self._waking = True
            # Where the loop has ended, so has everybody who follows.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._waking = False
        for woken in self._waiting:
            woken.set()


def _framed(shown: str, name: EventName, data: str) -> bytes:
    return format_sse_event(data_str=data, event=name.value, id=shown)


async def _within(woken: asyncio.Event, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await woken.wait()
    except TimeoutError:
        return False
    return True
