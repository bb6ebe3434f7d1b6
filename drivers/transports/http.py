"""HTTP/1.1 to one device, over one connection that is kept; each request is bounded in time and in bytes.

A request ends in one of three ways: with an `HttpAnswer`, whatever its status; with `NotSent`, the device has certainly
not heard it; or with `Unanswered`, nobody knows. A request that changes something goes out on a new connection, since a
kept one that breaks leaves open whether the request was heard; and it is never sent twice, but after a 401, which says
that it was not carried out. A read over a kept connection that the device has closed meanwhile is asked over a new one, and
so is one over a connection on which something came without a question: it would be taken for the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import msgspec

from drivers.errors import DriverLoss
from drivers.transports.digest import DigestAuth
from drivers.transports.ends import NotSent, Unanswered
from drivers.transports.tls import PinnedTls

#: The most bytes of a head and of a body; what is longer is no answer of a device.
MOST_HEAD: Final = 16_384
MOST_BODY: Final = 1 << 20
_BODILESS: Final = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back; `body` is as it was sent, names of `headers` are in small letters."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def is_refusal(self) -> bool:
        """Whether its status is the device's own no, after which nothing was done."""
        return HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR

    def said(self, place: str, asked: str) -> Any:
        """Return the JSON that answers what was `asked` of a `place`; raises DriverLoss for any status but 200."""
        if self.status != HTTPStatus.OK:
            raise DriverLoss(f"{place} answers {asked} with status {self.status}")
        return self.json()

    def json(self) -> Any:
        """Return the body as JSON; raises DriverLoss where it is none: a page, half an answer, nothing."""
        try:
            return msgspec.json.decode(self.body)
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            raise DriverLoss(f"status {self.status} with a body that is not JSON: {error}") from error


@dataclass(frozen=True, slots=True)
class _Head:
    status: int
    headers: Mapping[str, str]
    challenges: tuple[str, ...]

    @property
    def keeps(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"


class HttpLine:
    """HTTP to `host` and `port`. `timeout_s` bounds a request with all that it needs; one request at a time."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout_s: float,
        digest: DigestAuth | None = None,
        tls: PinnedTls | None = None,
    ) -> None:
        self._host, self._port, self._timeout_s = host, port, timeout_s
        self._digest, self._tls = digest, tls
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Read `path`; raises NotSent and Unanswered."""
        return await self.request("GET", path, headers=headers)

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        changes: bool | None = None,
    ) -> HttpAnswer:
        """Return the answer to one request, with any status; raises NotSent and Unanswered.

        `changes`: whether it changes anything; None: all but a GET do.
        """
        sent = False
        try:
            async with asyncio.timeout(self._timeout_s):
                if method != "GET" if changes is None else changes:
                    self.close()
                is_kept = await self._connect()
                sent = True
                try:
                    return await self._authorized(method, path, headers or {}, body)
                except (ConnectionError, EOFError):
                    if not is_kept:
                        raise
                self.close()
                await self._connect()
                return await self._authorized(method, path, headers or {}, body)
        except TimeoutError as error:
            self.close()
            raise self._end(sent)(f"{self._host}: no whole answer within {self._timeout_s:g} s") from error
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            self.close()
            raise self._end(sent)(f"{self._host}: {error or type(error).__name__}") from error
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _end(sent: bool) -> type[NotSent | Unanswered]:
        return Unanswered if sent else NotSent

    def close(self) -> None:
        """End the connection, without waiting for anything."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _connect(self) -> bool:
        """Have a connection; return whether it is one that was kept."""
        if self._streams is not None and not await _is_quiet(self._streams[0]):
            self.close()
        if self._streams is not None:
            return True
        context = None if self._tls is None else self._tls.context
        self._streams = await asyncio.open_connection(self._host, self._port, ssl=context, limit=MOST_HEAD)
        if self._tls is not None:
            self._tls.check(self._streams[1].get_extra_info("ssl_object"))
        return False

    async def _authorized(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Ask, and once more with what the device wants to be answered, if it wants that."""
        digest = self._digest
        ask = headers if digest is None or digest.challenge is None else {**headers, **digest.header(method, path)}
        head, answer = await self._ask(method, path, ask, body)
        if head.status != HTTPStatus.UNAUTHORIZED or digest is None or not digest.take(head.challenges):
            return answer
        await self._connect()
        return (await self._ask(method, path, {**headers, **digest.header(method, path)}, body))[1]

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[_Head, HttpAnswer]:
        if self._streams is None:
            raise EOFError("the connection is closed")
        reader, writer = self._streams
        writer.write(self._wire(method, path, headers, body))
        head = _parsed(await reader.readuntil(b"\r\n\r\n"))
        answer = HttpAnswer(head.status, await _body(reader, head), head.headers)
        if not head.keeps:
            self.close()
        return head, answer

    def _wire(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        host = f"[{self._host}]" if ":" in self._host else self._host
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{self._port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method != "GET":
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def _is_quiet(reader: asyncio.StreamReader) -> bool:
    """Return whether nothing has come that nobody asked for, the end included."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await reader.read(1)
            return False
    return True


def _parsed(head: bytes) -> _Head:
    """Return what stands in a head; raises ValueError where that is not HTTP."""
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
        raise ValueError(f"{first[:40]!r} is not HTTP")
    pairs = [
        (name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines if line)
    ]
    headers = dict(pairs)
    if version == "HTTP/1.0":
        headers.setdefault("connection", "close")
    challenges = tuple(value for name, value in pairs if name == "www-authenticate")
    return _Head(int(rest[:3]), headers, challenges)


async def _body(reader: asyncio.StreamReader, head: _Head) -> bytes:
    if head.status in _BODILESS:
        return b""
    if "chunked" in head.headers.get("transfer-encoding", "").lower():
        return await _chunks(reader)
    length = head.headers.get("content-length")
    if length is not None:
        return await reader.readexactly(_bounded(int(length)))
    body = bytearray()
    while piece := await reader.read(MOST_HEAD):
        _bounded(len(body) + len(piece))
        body += piece
    return bytes(body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        body += (await reader.readexactly(_bounded(len(body) + size) - len(body) + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return bytes(body)


def _bounded(length: int) -> int:
    if not 0 <= length <= MOST_BODY:
        raise ValueError(f"a body of {length} bytes, allowed are {MOST_BODY}")
    return length
