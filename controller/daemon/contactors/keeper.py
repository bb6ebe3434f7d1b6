"""One contactor that the daemon itself switches: told again until it is read to be as it is wanted, and looked at for ever.

It is told to open before anything else is asked of it. It is told to close only while the core wants it closed, which
is from a person's reset until it is seen to be. Otherwise it is left as it is, whoever has put it there.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from controller.core.limits.contactors import Wanted
from controller.core.snapshot import ContactorNow, Position
from drivers.clock import Clock, boottime_s
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome, Relay

_log = logging.getLogger(__name__)

#: It is read so often, and while it is not as it is wanted; then it is told again so often.
READ_S: Final = 2.0
HURRIED_S: Final = 0.25
AGAIN_S: Final = 1.0
#: What was read longer ago is not known any more.
OLD_S: Final = 10.0


class Switched(Relay, Protocol):
    """What switches a contactor, over a connection of its own."""

    async def close(self) -> None:
        """End the connection."""


class ContactorKeeper:
    """Keeps one contactor as it is wanted; `run` is a task of the event loop, all else may be called from any thread.

    `node`: its id. `shows_contact`: what is read is its auxiliary contact, and not the order that its device holds.
    """

    def __init__(self, node: str, port: Switched, *, shows_contact: bool, clock: Clock = boottime_s) -> None:
        self.node, self._port, self._shows_contact, self._clock = node, port, shows_contact, clock
        self._wanted = Wanted.LEAVE
        self._closed: bool | None = None
        self._unread, self._untold = "it has not been read yet", ""
        self._read_s, self._told_s, self._told = clock(), float("-inf"), Wanted.LEAVE
        self._logged = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()

    def want(self, wanted: Wanted) -> None:
        """Have it opened, closed or left; returns at once."""
        if wanted is self._wanted:
            return
        self._wanted = wanted
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._wake.set)

    @property
    def now(self) -> ContactorNow:
        """What is known of it now."""
        age_s, closed, unread = self._clock() - self._read_s, self._closed, self._unread
        if age_s > OLD_S and not unread:
            unread = f"not read for {age_s:.0f} s"
        if unread or closed is None:
            return ContactorNow(position=Position.UNKNOWN, fault=unread or self._untold)
        if not self._shows_contact:
            return ContactorNow(position=Position.UNKNOWN, fault=self._untold, held=_position(closed=closed))
        return ContactorNow(position=_position(closed=closed), fault=self._untold)

    def lose(self, why: str) -> None:
        """Know nothing of it any more: what keeps it has ended, and is started anew."""
        self._closed, self._unread = None, why

    async def run(self) -> None:
        """Keep it until cancelled; it is left as it is then."""
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                self._wake.clear()
                await self._turn()
                try:
                    async with asyncio.timeout(READ_S if self._is_as_wanted else HURRIED_S):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            self._loop = None
            await self._port.close()

    async def _turn(self) -> None:
        """Tell it what is wanted where it is not so, and read it; no fault of a port ends this."""
        try:
            await self._tell(self._wanted)
            await self._look()
        except DriverLoss as loss:
            self._closed, self._unread = None, str(loss)
        except Exception as error:  # noqa: BLE001  whatever a port does, the contactor must be told again
            self._closed, self._unread = None, f"{type(error).__name__}: {error}"
        self._note(self._unread or self._untold)

    @property
    def _is_as_wanted(self) -> bool:
        """Whether nothing is wanted, or it was read to be so."""
        wanted = self._wanted
        return wanted is Wanted.LEAVE or self._closed is (wanted is Wanted.CLOSE)

    async def _tell(self, wanted: Wanted) -> None:
        if self._is_as_wanted:
            self._untold = ""
            return
        now_s = self._clock()
        if wanted is self._told and now_s - self._told_s < AGAIN_S:
            return
        self._told, self._told_s, self._closed = wanted, now_s, None
        outcome = await self._port.switch(closed=wanted is Wanted.CLOSE, hold_s=None)
        words = {CommandOutcome.REFUSED: "refuses", CommandOutcome.UNKNOWN: "does not answer"}
        self._untold = f"it {words[outcome]} the command to {wanted}" if outcome in words else ""

    async def _look(self) -> None:
        self._closed = await self._port.read()
        self._read_s, self._unread = self._clock(), ""

    def _note(self, fault: str) -> None:
        if bool(fault) != bool(self._logged):
            words = f"of {self.node} cannot be told or read: {fault}" if fault else f"of {self.node} answers again"
            extra = {"event": "contactor_unread" if fault else "contactor_read", "node": self.node}
            _log.log(logging.WARNING if fault else logging.INFO, "the contactor %s", words, extra=extra)
        self._logged = fault


def _position(*, closed: bool) -> Position:
    return Position.CLOSED if closed else Position.OPEN
