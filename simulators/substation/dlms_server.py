"""Simulated meters on DLMS/COSEM behind a TCP port: in the wrapper, or in HDLC frames; or on a serial line. With switches for what real ones do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import tty
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from simulators.substation.dlms_meter import Associated, Manners
from simulators.substation.dlms_objects import Objects

_FLAG: Final = 0x7E


@dataclass(slots=True, kw_only=True)
class LineHabits:
    """What a simulated meter does on the wire.

    `silent`: it takes what comes and says nothing. `split_s`: answers come in two parts so far apart. `late_s`: each time that
    is taken out of it, the next answer waits for so long. `close_after`: answers to a GET after which it ends the connection.
    `mute_after`: the same, after which
    it says nothing more on that connection. `connections`: how many it has room for, others are closed. `segment`: bytes of an information field on HDLC. `banner`: what
    it says before anything else. `there`: connections that are open.
    """

    silent: bool = False
    split_s: float = 0.0
    late_s: list[float] = field(default_factory=list)
    close_after: int | None = None
    mute_after: int | None = None
    connections: int | None = None
    segment: int = 128
    banner: bytes = b""
    there: int = 0


@dataclass(slots=True, kw_only=True)
class DlmsUnit:
    """A simulated meter: what it shows, how it behaves, and its server number and physical address."""

    objects: Objects
    manners: Manners = field(default_factory=Manners)
    server: int = 1
    physical: int | None = None


async def serve_dlms(
    host: str,
    port: int,
    units: Mapping[int, DlmsUnit],
    *,
    framing: Literal["wrapper", "hdlc"] = "wrapper",
    habits: LineHabits | None = None,
) -> asyncio.Server:
    """Serve `units`, by server number in the wrapper and by physical address on HDLC; the caller closes the server."""
    ways = habits or LineHabits()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if ways.connections is not None and ways.there >= ways.connections:
            writer.close()
            return
        ways.there += 1
        try:
            await _Served(reader, writer.write, units, ways).run(framing)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            ways.there -= 1
            writer.close()

    return await asyncio.start_server(serve, host, port)


@asynccontextmanager
async def serve_dlms_serial(units: Mapping[int, DlmsUnit], habits: LineHabits | None = None) -> AsyncIterator[str]:
    """Answer for `units` with HDLC frames on a pseudo terminal; yields the path of the device that a client opens."""
    ours, theirs = os.openpty()  # theirs stays open here too: without it, ours would end whenever a client leaves
    tty.setraw(theirs)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", buffering=0)
    )

    def send(content: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # nobody reads: a line has no memory
            os.write(ours, content)

    task = asyncio.ensure_future(_Served(reader, send, units, habits or LineHabits()).run("hdlc"))
    try:
        yield os.ttyname(theirs)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        transport.close()
        os.close(theirs)


class _Served:
    """One connection: each client and unit on it has an association of its own."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        send: Callable[[bytes], None],
        units: Mapping[int, DlmsUnit],
        habits: LineHabits,
    ) -> None:
        self._reader, self._write, self._units, self._habits = reader, send, units, habits
        self._open: dict[tuple[int, int], Associated] = {}

    async def run(self, framing: str) -> None:
        if self._habits.banner:
            self._write(self._habits.banner)
        await (self._wrapped() if framing == "wrapper" else self._frames())

    def _with(self, client: int, number: int) -> Associated | None:
        unit = self._units.get(number)
        if unit is None:
            return None
        made = Associated(unit.objects, unit.manners, client)
        return self._open.setdefault((client, number), made)

    async def _send(self, content: bytes) -> None:
        if self._habits.late_s:
            await asyncio.sleep(self._habits.late_s.pop(0))
        if not self._habits.split_s:
            self._write(content)
            return
        half = len(content) // 2
        for part in (content[:half], content[half:]):
            self._write(part)
            await asyncio.sleep(self._habits.split_s)

    def _over(self, most: int | None) -> bool:
        return most is not None and sum(each.gets for each in self._open.values()) >= most

    @property
    def _mute(self) -> bool:
        return self._habits.silent or self._over(self._habits.mute_after)

    async def _wrapped(self) -> None:
        while True:
            _, client, server, length = struct.unpack(">HHHH", await self._reader.readexactly(8))
            apdu = await self._reader.readexactly(length)
            with_client = self._with(client, server)
            if self._mute or with_client is None:
                continue
            if said := with_client.answer(apdu):
                await self._send(struct.pack(">HHHH", 1, server, client, len(said)) + said)
            if self._over(self._habits.close_after):
                return

    async def _frames(self) -> None:
        links: dict[tuple[bytes, bytes], _HdlcUnit] = {}
        while True:
            await self._reader.readuntil(bytes([_FLAG]))
            if (head := await self._reader.readexactly(1))[0] == _FLAG:
                head = await self._reader.readexactly(1)
            head += await self._reader.readexactly(1)
            body = head + await self._reader.readexactly((int.from_bytes(head, "big") & 0x7FF) - 2)
            if self._mute or crc(body[:-2]) != body[-2:]:
                continue
            link = links.setdefault(_addresses(body), _HdlcUnit(self._with, self._habits.segment))
            for said in link.frame(body):
                await self._send(said)
            if self._over(self._habits.close_after):
                return


class _HdlcUnit:
    """The meter's side of one HDLC link."""

    def __init__(self, find: Callable[[int, int], Associated | None], segment: int) -> None:
        self._find, self._segment = find, segment
        self._sent = self._taken = 0
        self._left: list[bytes] = []
        self._asked = b""

    def frame(self, body: bytes) -> Iterator[bytes]:
        """Yield what is said to a frame with right checks."""
        to, client = _addresses(body)
        end = 2 + len(to)
        control = body[end + 1]
        sevens = [byte >> 1 for byte in to]
        size = max(1, len(sevens) // 2)
        physical = sevens[size] << 7 | sevens[-1] if len(sevens) == 4 else sevens[-1]
        unit = self._find(client[0] >> 1, physical)
        if unit is None:
            return
        if control == 0x93:
            self._sent, self._taken, self._left, self._asked = 0, 0, [], b""
            most = bytes([0x05, 1, self._segment, 0x06, 1, 128, 0x07, 4, 0, 0, 0, 1, 0x08, 4, 0, 0, 0, 1])
            yield framed(client, to, 0x73, b"\x81\x80" + bytes([len(most)]) + most)
        elif control == 0x53:
            yield framed(client, to, 0x73)
        elif control & 0x0F == 0x01:
            yield from self._next(client, to)
        elif not control & 1:
            self._taken = ((control >> 1 & 7) + 1) % 8
            self._asked += body[end + 4 : -2]
            if body[0] & 0x08:  # one more part follows
                yield framed(client, to, self._taken << 5 | 0x11)
                return
            said = b"\xe6\xe7\x00" + (unit.answer(self._asked[3:]) or b"")
            self._asked = b""
            self._left = [said[at : at + self._segment] for at in range(0, len(said), self._segment)]
            yield from self._next(client, to)

    def _next(self, client: bytes, to: bytes) -> Iterator[bytes]:
        if not self._left:
            return
        control = self._taken << 5 | 0x10 | self._sent << 1
        self._sent = (self._sent + 1) % 8
        part = self._left.pop(0)
        yield framed(client, to, control, part, segmented=bool(self._left))


def _addresses(body: bytes) -> tuple[bytes, bytes]:
    """Return the server and the client that a frame names."""
    end = next(at for at in range(2, 6) if body[at] & 1) + 1
    return body[2:end], body[end : end + 1]


def crc(content: bytes) -> bytes:
    """Return the checksum of a frame, bit by bit."""
    value = 0xFFFF
    for byte in content:
        for bit in range(8):
            odd = (value ^ byte >> bit) & 1
            value = value >> 1 ^ (0x8408 if odd else 0)
    return struct.pack("<H", value ^ 0xFFFF)


def framed(to: bytes, sender: bytes, control: int, info: bytes = b"", *, segmented: bool = False) -> bytes:
    """Return a frame of HDLC, format type 3, between flags."""
    addresses = to + sender + bytes([control])
    length = 2 + len(addresses) + 2 + (len(info) + 2 if info else 0)
    head = struct.pack(">H", 0xA000 | (0x800 if segmented else 0) | length) + addresses
    body = head + crc(head) + info if info else head
    return bytes([_FLAG]) + body + crc(body) + bytes([_FLAG])


__all__ = ["DlmsUnit", "LineHabits", "Manners", "Objects", "serve_dlms", "serve_dlms_serial"]
