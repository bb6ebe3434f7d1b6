"""Reads meters behind HTTP: a request each, at due times that are spread over the period."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from drivers.clock import Clock, boottime_s
from drivers.errors import DriverLoss
from drivers.meters.http.meter import HttpLogin, HttpMeter
from drivers.meters.payloads.reading import Arrival, PayloadReader, WallClock
from drivers.meters.payloads.stamps import date_s
from drivers.meters.sessions import LoginRefused, Pause, Watched, run_sessions
from drivers.readings import Loss, Publish, Sample
from drivers.transports.http import HttpAnswer, HttpLine

#: A poll that is due sooner than this is made at once: timers are no finer.
_SOON_S: Final = 1e-3
#: Whatever a cache says.
_LONGEST_KEPT_S: Final = 1e9
_REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


async def poll_forever(
    meter: HttpMeter,
    publish: Publish,
    clock: Clock = boottime_s,
    *,
    share: float = 0.0,
    wall_s: WallClock = time.time,
) -> None:
    """Poll a meter and publish a Sample a poll, a Loss when there is none. Never returns; cancel it to stop.

    One that refuses the login is left alone for a minute.

    `share`: 0 to below 1, where in its period its polls lie.
    """
    pause = Pause()
    watched = Watched(publish, pause)
    name = meter.payload.id
    asking = HttpAsking(meter, clock, wall_s)
    begin_s = clock() + share * meter.poll_s

    async def session() -> None:
        """Ask at each due time until an answer is none."""
        try:
            due_s = max(begin_s, clock())
            while True:
                if (wait_s := due_s - clock()) > _SOON_S:
                    await asyncio.sleep(wait_s)
                seen = await asking.once()
                if isinstance(seen, Loss):
                    raise DriverLoss(seen.reason)
                watched(seen)
                due_s = begin_s + (math.floor((clock() - begin_s) / meter.poll_s) + 1) * meter.poll_s
        finally:
            asking.close()

    await run_sessions({name: watched}, session, pause, clock)


class HttpAsking:
    """Asks one meter, over a line that it keeps."""

    def __init__(self, meter: HttpMeter, clock: Clock = boottime_s, wall_s: WallClock = time.time) -> None:
        self._meter, self._clock = meter, clock
        self._reader = PayloadReader(meter.payload, wall_s)
        self._line: HttpLine = meter.line()
        self._path, self._headers = meter.path, meter.headers

    async def once(self) -> Sample | Loss:
        """Return what one answer says; raises DriverLoss where there is none, or none that is meant."""
        asked_s = self._clock()
        answer = await self._line.get(self._path, self._headers)
        if answer.status != HTTPStatus.OK:
            kind = LoginRefused if answer.status in _REFUSED else DriverLoss
            raise kind(f"{self._meter.url.host}: {refusal(answer, self._meter)}")
        arrival = Arrival(
            asked_s=asked_s,
            arrived_s=self._clock(),
            date_s=date_s(answer.headers.get("date")),
            kept_s=_kept_s(answer.headers.get("age", "")),
        )
        return self._reader.read({"": answer.body}, arrival)

    def close(self) -> None:
        """End the connection."""
        self._line.close()


def refusal(answer: HttpAnswer, meter: HttpMeter) -> str:
    """Return in words what a status says that is not 200."""
    status, headers = answer.status, answer.headers
    if status in _REFUSED:
        return f"status {status}: it refuses {_refused(headers, meter.login)}"
    if status == HTTPStatus.NOT_FOUND:
        return f"status 404: it has nothing at {meter.place}"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        where = headers.get("location", "elsewhere").partition("?")[0]  # behind it a login may stand
        return f"status {status}: it sends on to {where[:80]!r}, which is not followed"
    return f"status {status}"


def _kept_s(age: str) -> float:
    """Return for how long a cache says that it had kept an answer (RFC 9111, 5.1), 0 where none does."""
    return min(float(age), _LONGEST_KEPT_S) if re.fullmatch(r"[0-9]{1,400}", age) else 0.0


def _refused(headers: Mapping[str, str], login: HttpLogin) -> str:
    """Return what it does not take: the kind of login where it wants another, else who asks."""
    scheme = headers.get("www-authenticate", "").partition(" ")[0].lower()
    if login.username is not None and scheme == login.form:
        return "this user or password"
    return f"the login, and wants {scheme}" if scheme else "the login"
