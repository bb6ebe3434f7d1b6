"""Simulated devices that speak HTTP/1.1: requests come in, pages go out, as the trap of the unit has it."""

from __future__ import annotations

import asyncio
import ssl
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import msgspec

from simulators.devices.replies import Words, say
from simulators.devices.server import UnitServer
from simulators.devices.traps import PAGE, ReplyForm
from simulators.devices.unit import DeviceUnit, UnitBoard

_MOST_BYTES: Final = 1 << 16
_HTML: Final = {"Content-Type": "text/html"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebRequest:
    """One request; the names of `headers` are in small letters."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return what its body says, None where that is no JSON."""
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPage:
    """What a request is answered with; `after_s` later than at once.

    `moved_from_w`: what the unit ran on before, where this answers a write that moves power; then its trap says how it is answered,
    and `no` is its refusal.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    moved_from_w: int | None = None
    no: WebPage | None = None

    def wire(self) -> bytes:
        """Return its bytes."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        headers = {"Content-Type": "application/json", **self.headers, "Content-Length": str(len(self.body))}
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def page(said: object, status: int = 200) -> WebPage:
    """Return a page that says something in JSON."""
    return WebPage(status=status, body=msgspec.json.encode(said))


NOT_FOUND: Final = WebPage(status=404, body=b"<html><body>404 Not Found</body></html>", headers=_HTML)


class HttpBoardServer(UnitServer):
    """A control board behind HTTP; what it says is its family's to know. Each request is noted as its method and path."""

    def __init__(
        self, board: UnitBoard, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(board, self._answer_all, host=host, port=port, tls=tls)
        self._machine = board

    @abstractmethod
    def respond(self, request: WebRequest) -> WebPage:
        """Return the page that answers a request."""

    @abstractmethod
    def writes(self, request: WebRequest) -> bool:
        """Return whether a request changes anything."""

    def cut_off(self, request: WebRequest) -> None:
        """Note that whoever sent a request did not wait for its answer."""

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stays = True
        while stays:
            request = await _request(reader)
            if request is None or not self._machine.answers:
                return
            answer = self.respond(request)
            self._machine.asked(
                f"{request.method} {request.path}",
                writes=self.writes(request) and answer.status != HTTPStatus.UNAUTHORIZED,
            )
            await asyncio.sleep(answer.after_s)
            if answer.after_s and reader.at_eof():
                self.cut_off(request)
            moved = answer.moved_from_w is not None
            form = self._machine.manner().reply if moved else ReplyForm.YES
            html = WebPage(body=PAGE, headers=_HTML).wire()
            stays = await say(form, Words(yes=answer.wire(), no=(answer.no or answer).wire(), html=html), writer)
            if answer.moved_from_w is not None:
                self._machine.wrote(answer.moved_from_w)


class HttpUnitServer(HttpBoardServer):
    """A machine behind HTTP."""

    def __init__(
        self, unit: DeviceUnit, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(unit, host=host, port=port, tls=tls)
        self.unit = unit


async def _request(reader: asyncio.StreamReader) -> WebRequest | None:
    """Return the request that comes, None at the end or where it is none."""
    try:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        method, path, _ = first.split(" ")
        body = await reader.readexactly(min(int(headers.get("content-length", "0")), _MOST_BYTES))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        return None
    return WebRequest(method=method, path=path, headers=headers, body=body)
