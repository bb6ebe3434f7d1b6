"""The newest records of the journal, as the page lists them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from anyio import to_thread

from controller.daemon.events.event import Cursor, EventName
from controller.daemon.plain import recorded
from controller.daemon.service import Service
from controller.texts.catalogue import PHRASES, all_told
from controller.texts.phrases import Language
from controller.texts.words import words_of
from drivers.errors import JournalUnusable
from drivers.quantities import format_power

MOST: Final = 12
#: So many records back it is looked for them at the start; most kinds are told.
_BACK: Final = 200
#: What names what a record is about, in the sequence in which it is shown.
_ABOUT: Final = ("id", "issuer", "node", "subject", "meter")


class Records:
    """The newest records that are told; for the thread of the loop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._place: Cursor | None = None
        self._newest: deque[tuple[EventName, dict[str, Any]]] = deque(maxlen=MOST)

    async def begin(self) -> None:
        """Read from the journal what was before somebody looked; where it cannot be read, only what comes is shown."""
        if self._place is not None:
            return
        feed = self._service.feed
        self._place = place = feed.place
        back = replace(place, seq=max(0, place.seq - _BACK))
        try:
            found = await to_thread.run_sync(feed.recorded, back, place)
        except JournalUnusable:
            found = None
        earlier = [(name, json.loads(text)) for _, name, text in found or ()]
        self._newest = deque([*earlier, *self._newest], maxlen=MOST)

    def hear(self) -> None:
        """Take in what has happened since."""
        place = self._place or self._service.feed.place
        while events := self._service.feed.after(place):
            told = ((event.name, json.loads(event.data)) for event in events)
            self._newest.extend((name, data) for name, data in told if "seq" in data)
            place = self._service.feed.id_of(events[-1])
        if self._service.feed.after(place) is None:
            # So much has happened since somebody looked last that some of it is gone from the feed.
            place = self._service.feed.place
        self._place = place

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
