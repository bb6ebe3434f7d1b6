"""The configuration of an Antminer with its maker's firmware, which is taken whole and holds the pools, too.

So it is written only as it has just been read and understood, with nothing but the mode changed; and it is read again: a pool that
is not as it was ends all writing. A write takes up to 20 s and more, and is never cut off, since what the web server does with a half
taken one is not known: who waits no longer is told that nobody knows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from drivers import ending
from drivers.devices import answers
from drivers.devices.calls import Write
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from drivers.transports.http import HttpLine

_log = logging.getLogger(__name__)

#: A write that has had no answer for so long will have none.
WRITE_S: Final = 60.0
#: What has to stand in a configuration before it is written back, and the name that the firmware's own page sends it under.
_KEYS: Final = {
    "bitmain-fan-ctrl": "bitmain-fan-ctrl",
    "bitmain-fan-pwm": "bitmain-fan-pwm",
    "bitmain-freq-level": "freq-level",
}
#: Firmwares differ in which of these they name and which they take: it is read from the first that is there, and written to both.
_MODE_KEYS: Final = ("bitmain-work-mode", "miner-mode")
_OUTCOMES: Final = {"success": CommandOutcome.ACCEPTED, "error": CommandOutcome.REFUSED}


@dataclass(frozen=True, slots=True)
class AntminerSettings:
    """A configuration as it was read: the mode that it names, and what its own page would send, but for the mode."""

    mode: str
    page: Mapping[str, Any]


class AntminerConf:
    """The configuration of the device at `place`. `get`: reads a page of it; `writer`: what it is written by, within `WRITE_S`."""

    def __init__(self, place: str, get: Callable[[str], Awaitable[dict[str, Any]]], writer: HttpLine) -> None:
        self._place, self._get, self._writer = place, get, writer
        self._writing: asyncio.Task[CommandOutcome] | None = None
        self._written: object = None  # the pools of the last write, until they have been seen again
        self._is_shut = False

    async def read(self) -> AntminerSettings:
        """Return it; raises DriverLoss where not all of it is there, pools above all."""
        conf = await self._get("get_miner_conf")
        mode = next((str(conf[key]) for key in _MODE_KEYS if key in conf), "")
        pools = conf.get("pools")
        if not mode.isdigit() or not set(_KEYS) <= set(conf) or not answers.pools(pools, url="url", user="user"):
            self._compare(pools)
            raise DriverLoss(f"{self._place} gives no configuration with a mode, its keys and a pool")
        self._compare(pools)
        return AntminerSettings(mode, {"pools": pools, **{sent: conf[read] for read, sent in _KEYS.items()}})

    async def change(self, mode: str, *, as_number: bool) -> Sequence[Write]:
        """Read it, and return what writes it with that mode; raises DriverLoss where it is written no more."""
        if (writing := self._under_way) is not None:
            await asyncio.shield(writing)  # two at once would be two configurations
        conf = await self.read()
        if self._is_shut:
            raise DriverLoss(f"{self._place} is written to no more")
        body = {**conf.page, **dict.fromkeys(_MODE_KEYS, int(mode) if as_number else mode)}
        kind = "application/json" if as_number else "text/plain"

        async def write() -> CommandOutcome:
            self._written = conf.page["pools"]
            self._writing = asyncio.create_task(self._post(body, kind))
            return await asyncio.shield(self._writing)

        return [write]

    async def close(self) -> None:
        """Wait for what is being written, and then end it."""
        if (writing := self._under_way) is not None:
            await asyncio.wait([writing], timeout=WRITE_S)
            await ending.end([writing])
        self._writer.close()

    @property
    def _under_way(self) -> asyncio.Task[CommandOutcome] | None:
        return None if self._writing is None or self._writing.done() else self._writing

    async def _post(self, body: Mapping[str, Any], kind: str) -> CommandOutcome:
        try:
            answer = await self._writer.request(
                "POST",
                "/cgi-bin/set_miner_conf.cgi",
                headers={"Content-Type": kind},
                body=msgspec.json.encode(body),
            )
            said = answers.text(answer.json(), "stats")
        except DriverLoss:
            return CommandOutcome.UNKNOWN
        return _OUTCOMES.get(said or "", CommandOutcome.UNKNOWN) if answer.status == 200 else CommandOutcome.UNKNOWN

    def _compare(self, pools: object) -> None:
        """Find out what the last write has made of the pools, with all that stands in them."""
        if self._written is None or self._under_way is not None:
            return
        if pools != self._written and not self._is_shut:
            self._is_shut = True
            _log.error(
                "%s has other pools than were written, and is written to no more",
                self._place,
                extra={"event": "pools_changed", "device": self._place},
            )
        self._written = None
