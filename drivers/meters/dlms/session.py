"""A meter that is associated whenever it is asked: over a line that several may share."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from drivers.errors import DriverLoss
from drivers.meters.dlms.access import Access
from drivers.meters.dlms.association import Association, DlmsLink, NoSuchService
from drivers.meters.dlms.hdlc_link import HdlcLink
from drivers.meters.dlms.place import DlmsPlace, Station
from drivers.meters.dlms.protection import Protection
from drivers.meters.dlms.stream import ByteStream, Closed, connect
from drivers.meters.dlms.wrapper import WrapperLink
from drivers.meters.dlms.xdlms import Attribute, Denied, Got

#: The client that every meter lets read what is no secret, without authentication.
PUBLIC: Final = 16
#: A meter with one connection only may need a moment before it listens again.
_LISTENS_AGAIN_S: Final = 0.3
_RETRY_S: Final = 0.02
_SETTLES_S: Final = 0.1
_DATA_CLASS: Final = 1


class Line:
    """The connection to a place. `ended` is told by whoever finds it gone; then `stream` makes a new one."""

    def __init__(self, place: DlmsPlace, timeout_s: float) -> None:
        self.place = place
        self._timeout_s = timeout_s
        self._stream: ByteStream | None = None

    async def stream(self) -> ByteStream:
        """Return the connection; raises DriverLoss where nobody accepts in time."""
        if self._stream is None:
            self._stream = await self._connected()
        return self._stream

    async def _connected(self) -> ByteStream:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + min(_LISTENS_AGAIN_S, self._timeout_s)
        while True:
            try:
                return await connect(self.place, self._timeout_s)
            except DriverLoss:
                if loop.time() + _RETRY_S > until_s:
                    raise
            await asyncio.sleep(_RETRY_S)

    def close(self) -> None:
        """End the connection, without waiting for anything."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class Session:
    """One meter on a line."""

    def __init__(self, line: Line, address: Station, access: Access, timeout_s: float) -> None:
        self._line, self._address, self._access, self._timeout_s = line, address, access, timeout_s
        self._link: DlmsLink | None = None
        self._over: ByteStream | None = None
        self._association: Association | None = None
        self._one_by_one = False
        # No counter is used twice, whatever the meter says: with a title that stays, that would open our messages.
        self._counter = 0

    async def get(self, wanted: Sequence[Attribute]) -> dict[Attribute, Got]:
        """Return the values of attributes, or why there are none; raises DriverLoss.

        A connection that the other side ends after it has answered is made again, and the rest is asked over the new one.
        """
        found: dict[Attribute, Got] = {}
        while missing := [each for each in wanted if each not in found]:
            association = await self.begin()
            asked = missing[: 1 if self._one_by_one else association.most]
            try:
                found |= zip(asked, await association.ask(asked), strict=True)
            except NoSuchService as refusal:
                if len(asked) > 1:  # it grants several attributes in one request, and does not serve them
                    self._one_by_one = True
                    continue
                self.drop()
                raise DriverLoss(str(refusal)) from refusal
            except Closed as closed:
                self.drop(gone=True)
                if not association.answers:
                    raise Closed(f"{closed} without an answer: is another client connected?") from closed
            except DriverLoss:
                self.drop()
                raise
        return found

    def drop(self, *, gone: bool = False) -> None:
        """Forget the association; the next question begins with a new one. `gone`: the line is, too."""
        if self._link is not None and not gone:
            self._link.close()
        self._link = self._association = None
        if gone or self._line.place.transport == "wrapper":
            self._line.close()  # with it goes what may still come for the old association

    async def begin(self) -> Association:
        """Associate where that has not been done over this connection; raises DriverLoss."""
        stream = await self._line.stream()
        if self._association is None or stream is not self._over:
            self._association = await self._begun_soon()
        return self._association

    async def _begun_soon(self) -> Association:
        """Associate; a meter that ends the connection at once may not know yet that the one before has ended."""
        counter = 0 if self._access.keys is None else await self._next_counter()
        loop = asyncio.get_running_loop()
        until_s = loop.time() + min(_LISTENS_AGAIN_S, self._timeout_s)
        while True:
            try:
                return await self._begun(await self._line.stream(), max(counter, self._counter))
            except Closed as closed:
                self.drop(gone=True)
                if loop.time() + _SETTLES_S > until_s:
                    raise Closed(f"{closed} instead of an association: is another client connected?") from closed
            except DriverLoss:
                self.drop()
                raise
            await asyncio.sleep(_SETTLES_S)

    async def _begun(self, stream: ByteStream, counter: int) -> Association:
        access = self._access
        protection = None if access.keys is None else Protection(access.keys, counter, access.title)
        self._over, self._link = stream, self._link_to(stream, self._address)
        association = Association(self._link, protection, self._timeout_s)
        try:
            await self._link.open(self._timeout_s)
            await association.begin(access)
        finally:
            if protection is not None:
                self._counter = protection.counter
        return association

    async def _next_counter(self) -> int:
        """Return the first invocation counter that the meter takes: read by the public client, in an association of its own."""
        address = Station(
            client=PUBLIC, server=self._address.server, physical=self._address.physical, length=self._address.length
        )
        public = Session(self._line, address, Access(), self._timeout_s)
        attribute = Attribute(_DATA_CLASS, self._access.counter_code, 2)
        try:
            newest = (await public.get([attribute]))[attribute]
        finally:
            public.drop()
        if isinstance(newest, Denied) or not isinstance(newest, int):
            raise DriverLoss(f"the public client finds no counter in {attribute}: {newest!r}")
        return newest + 1

    def _link_to(self, stream: ByteStream, address: Station) -> DlmsLink:
        made = WrapperLink if self._line.place.transport == "wrapper" else HdlcLink
        return made(stream, address)
