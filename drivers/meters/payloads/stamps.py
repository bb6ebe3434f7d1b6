"""How old a reading is that came in a message. Pure: times come in.

A reading without a stamp is as old as its arrival at best. One with a stamp is as old as that says on the clock of whoever
made it: an HTTP answer names that clock's time beside it (`Date`), so that it does not matter by how much the clocks differ.
Where nobody names it, the stamp is held against this machine's clock. Whatever a stamp says, a reading is never younger
than one without, nor than the first arrival of the same stamp; and one from the future makes it no reading.
"""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal

from drivers.meters.payloads.fields import Documents, Spot
from drivers.meters.payloads.pointer import MISSING

#: How the time is written: with its offset from UTC, without one and in UTC, in seconds or in ms since 1970.
StampForm = Literal["iso8601", "iso8601_utc", "unix_s", "unix_ms"]
#: What a stamp is of: of the measurement, or of the last change of the value.
StampOf = Literal["measurement", "change"]

#: A stamp may be ahead of the clock that it is held against by so much: clocks are set, and `Date` has whole seconds.
AHEAD_S: Final = 2.0
#: Answers that are looked back on for the clock of the other side.
_OFFSETS: Final = 10
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
#: As a message of one bare value has it.
_DIGITS: Final = re.compile(r"[0-9]{9,13}(?:\.[0-9]{1,9})?")
#: From 2001 to 2286: what is outside is in another form, or from a clock that was never set.
_EARLIEST_S, _LATEST_S = 1e9, 1e10


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Where the time of a reading stands.

    `of` `change`: it moves with the value alone, so that a reading is as old as its arrival while the stamp is younger than
    `max_age_s`, and uncertain and as old as the stamp from then on.
    """

    spot: Spot
    form: StampForm
    of: StampOf = "measurement"
    max_age_s: float = math.inf


class NoStamp(ValueError):
    """There is no time where the stamp should stand; the text says what is there."""


def utc_s(raw: object, form: StampForm) -> float:
    """Return the time in seconds since 1970 in UTC; raises NoStamp."""
    if form in {"iso8601", "iso8601_utc"}:
        return _bounded(_iso_s(raw, form), raw)
    if isinstance(raw, str) and _DIGITS.fullmatch(raw):
        raw = float(raw)
    if type(raw) not in {int, float}:
        raise NoStamp(f"{_shown(raw)} is no number of seconds")
    return _bounded(_as_float(raw) / (1e3 if form == "unix_ms" else 1.0), raw)


def _as_float(raw: object) -> float:
    try:
        return float(raw)  # type: ignore[arg-type]
    except OverflowError:
        return math.inf


def _bounded(seconds: float, raw: object) -> float:
    if not _EARLIEST_S <= seconds < _LATEST_S:
        raise NoStamp(f"{_shown(raw)} is not a time from 2001 to 2286: another form, or a clock that was never set")
    return seconds


def _iso_s(raw: object, form: StampForm) -> float:
    match = _ISO.fullmatch(raw) if isinstance(raw, str) else None
    if match is None:
        raise NoStamp(f"{_shown(raw)} is no time in ISO 8601")
    if (match[1] is None) is (form == "iso8601"):
        zone = "without its offset from UTC" if match[1] is None else "with an offset from UTC"
        raise NoStamp(f"{_shown(raw)} is {zone}: another form")
    try:
        when = datetime.fromisoformat(match[0])
    except ValueError as error:
        raise NoStamp(f"{_shown(raw)} is no time: {error}") from error
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _shown(raw: object) -> str:
    return repr(raw)[:40]


def date_s(header: str | None) -> float | None:
    """Return the time in a header `Date` in seconds since 1970; None where there is none. It is in UTC, whether it says so or not."""
    try:
        when = parsedate_to_datetime(header or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


class FarClock:
    """The clock of the other side: the map from its UTC to this machine's boottime.

    It is told in whole seconds that have gone by, so the largest of the last offsets is the nearest.
    """

    def __init__(self) -> None:
        self._offsets_s: deque[float] = deque(maxlen=_OFFSETS)

    def hear(self, told_s: float, at_s: float) -> None:
        """Take what it told in a message that arrived `at_s`."""
        self._offsets_s.append(told_s - at_s)

    def boottime_s(self, time_s: float) -> float:
        """Return when that was, on CLOCK_BOOTTIME."""
        return time_s - max(self._offsets_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingTime:
    """When a reading was taken. `old`: why it is uncertain; empty where it is not."""

    at_s: float
    old: str = ""


class StampMemory:
    """The stamps of one meter: when each was seen first."""

    def __init__(self) -> None:
        self._stamp_s = math.nan
        self._first_s = math.inf

    def taken(
        self, stamp: Stamp, stamp_s: float, mapped_s: float, arrived_s: float, oldest_s: float = math.inf
    ) -> ReadingTime:
        """Return when the reading was taken that has this stamp; raises NoStamp where that is to come.

        `stamp_s`: in UTC; `mapped_s`, `arrived_s`: on CLOCK_BOOTTIME. `oldest_s`: how old the reading is at least, whatever
        its stamp says.
        """
        oldest_s = min(oldest_s, arrived_s)
        if mapped_s > arrived_s + AHEAD_S:
            raise NoStamp(f"its stamp is {mapped_s - arrived_s:.0f} s ahead: one of the two clocks is wrong")
        if stamp_s != self._stamp_s:
            self._stamp_s, self._first_s = stamp_s, oldest_s
        at_s = min(mapped_s, self._first_s)
        if stamp.of == "measurement":
            return ReadingTime(at_s=at_s)
        if arrived_s - at_s <= stamp.max_age_s:
            return ReadingTime(at_s=oldest_s)
        return ReadingTime(
            at_s=at_s, old=f"it has not changed for {arrived_s - at_s:.0f} s, allowed are {stamp.max_age_s:g} s"
        )


def stamp_of(stamp: Stamp, documents: Documents) -> float:
    """Return the stamp in the documents of a reading, in UTC; raises NoStamp."""
    raw = stamp.spot.pointer.find(documents.get(stamp.spot.topic, MISSING))
    if raw is MISSING:
        raise NoStamp(f"no stamp at {stamp.spot}")
    return utc_s(raw, stamp.form)
