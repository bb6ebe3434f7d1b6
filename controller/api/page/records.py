"""The newest records of the journal, as the page lists them."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from controller.api.readers import Readers
from controller.daemon.events.event import Cursor, EventName
from controller.daemon.plain import recorded
from controller.daemon.service import Service
from controller.texts.catalogue import PHRASES, all_told
from controller.texts.phrases import Language
from controller.texts.words import words_of
from drivers.errors import JournalUnusable
from drivers.quantities import format_power

MOST: Final = 12
#: So many records back it is looked for them; most kinds are told.
_BACK: Final = 200
#: Whoever begins to look waits so long at most for the journal to be read; a disk may be dead.
_READ_S: Final = 1.0
#: What names what a record is about, in the sequence in which it is shown.
_ABOUT: Final = ("id", "issuer", "node", "subject", "meter")


class Records:
    """The newest records that are told; for the thread of the loop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._place: Cursor | None = None
        self._newest: deque[tuple[EventName, dict[str, Any]]] = deque(maxlen=MOST)
        self._reading: asyncio.Task[None] | None = None
        self._readers = Readers()

    async def begin(self) -> None:
        """Be as new as the feed for somebody who begins to look; what the journal gives later comes later."""
        self.hear()
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=_READ_S)

    def hear(self) -> None:
        """Take in what has happened since."""
        feed = self._service.feed
        if self._place is None or feed.after(self._place) is None:
            # Nobody has looked yet, or so much has happened since that some of it is gone from the feed: the journal has it.
            self._place, self._newest = feed.place, deque(maxlen=MOST)
            self._reading = asyncio.get_running_loop().create_task(self._read(self._place))
        while events := feed.after(self._place):
            told = ((event.name, json.loads(event.data)) for event in events)
            self._newest.extend((name, data) for name, data in told if "seq" in data)
            self._place = feed.id_of(events[-1])

    async def _read(self, upto: Cursor) -> None:
        """Put before all else what the journal has up to a place; where it cannot be read, only what comes is shown."""
        back = replace(upto, seq=max(0, upto.seq - _BACK))
        try:
            found = await self._readers.read("", lambda: self._service.feed.recorded(back, upto))
        except JournalUnusable:
            found = None
        if self._reading is asyncio.current_task():
            earlier = [(name, json.loads(text)) for _, name, text in found or ()]
            self._newest = deque([*earlier, *self._newest], maxlen=MOST)

    def told(self, language: Language) -> str:
        """Return them as JSON, the newest first, in words of a language."""
        rows = [_row(name, data, language) for name, data in reversed(self._newest)]
        return json.dumps(rows, separators=(",", ":"), ensure_ascii=False)


def _row(name: EventName, data: Mapping[str, Any], language: Language) -> dict[str, Any]:
    words = words_of(language)
    key = f"record_{name.value}_{data['what']}" if "what" in data else f"record_{name.value}"
    return {
        "seq": data["seq"],
        "at": data["at"],
        "what": words.get(key, f"{name.value} {data.get('what', '')}".strip()),
        "state": words.get(f"{name.value}_{data.get('mode') or data.get('compliance')}", ""),
        "about": " · ".join(str(data[each]) for each in _ABOUT if data.get(each)),
        "words": _words(data, language),
    }


def _words(data: Mapping[str, Any], language: Language) -> str:
    """Return what stands in a record beside what it is about: its limit, what is missing, who, and why."""
    say, words = PHRASES[language], words_of(language)
    parts = []
    if isinstance(data.get("limit_w"), int | float):
        parts.append(words["at_most"].format(power=say.number(format_power(float(data["limit_w"])))))
    if data.get("shortfall_w"):
        parts.append(words["missing"].format(power=say.number(format_power(float(data["shortfall_w"])))))
    if data.get("by"):
        parts.append(say.name(str(data["by"])))
    reasons = recorded(data["reasons"]) if isinstance(data.get("reasons"), list) else ()
    why = all_told(reasons, language) if reasons else data.get("reason") or data.get("why") or ""
    return "; ".join([*parts, *([say.name(why) if not reasons else why] if isinstance(why, str) and why else [])])
