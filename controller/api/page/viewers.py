"""Those who have the page open: once a second they are told what has changed, and it is made once for all of them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from typing import Final

from fastapi.sse import format_sse_event

from controller.api.page.records import Records
from controller.api.page.view import columns_of, now_of
from controller.daemon.service import Service
from controller.texts.phrases import Language

PERIOD_S: Final = 1.0
#: Of more devices than this the columns are told less often.
_DEVICES: Final = 20_000
RETRY_MS: Final = 2000


class _Part:
    """One part of what is told, as an event, with a mark that changes with it."""

    def __init__(self, name: str) -> None:
        self.name, self.mark, self.framed, self._text = name, 0, b"", ""

    def tell(self, text: str) -> None:
        if text != self._text or not self.framed:
            self._text, self.mark = text, self.mark + 1
            self.framed = format_sse_event(data_str=text, event=self.name)


class Viewers:
    """All who look; for the thread of the loop. A slow one is told the newest when it takes it, and keeps nobody waiting."""

    def __init__(self, service: Service, mark: str) -> None:
        """`mark`: of the devices that all columns are about."""
        self._service, self._records = service, Records(service)
        self._devices, self._mark = _Part("devices"), mark
        self._parts = {language: (_Part("now"), _Part("records")) for language in Language}
        self._made: dict[str, int] = {}
        self._every = max(1, math.ceil(len(service.site.devices.ids) / _DEVICES))

    async def view(self, language: Language, may: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Yield what somebody is told for as long as it stays, and `may`."""
        await self._records.begin()
        yield format_sse_event(comment="", retry=RETRY_MS)
        loop, marks = asyncio.get_running_loop(), dict[str, int]()
        while may():
            if new := self._new(language, marks, loop.time()):
                yield new
            await asyncio.sleep(PERIOD_S - loop.time() % PERIOD_S)

    def _new(self, language: Language, marks: dict[str, int], now_s: float) -> bytes:
        """Return the parts that somebody with these marks does not have yet, and note that it has them."""
        self._make(language, int(now_s / PERIOD_S))
        parts = [part for part in (*self._parts[language], self._devices) if marks.get(part.name) != part.mark]
        marks.update({part.name: part.mark for part in parts})
        return b"".join(part.framed for part in parts)

    def _make(self, language: Language, period: int) -> None:
        """Make the parts anew, unless that was done in this period for somebody else."""
        if self._made.get(language) == period:
            return
        self._made[language] = period
        now, records = self._parts[language]
        now.tell(now_of(self._service, language))
        self._records.hear()
        records.tell(self._records.told(language))
        if self._made.get("devices", -self._every) + self._every <= period:
            self._made["devices"] = period
            self._devices.tell(columns_of(self._service, self._mark))
