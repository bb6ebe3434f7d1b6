"""A client of the stream of events, over a socket of its own."""

from __future__ import annotations

import ctypes
import json
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from tests.waiting import DEADLINE_S

#: socket(7): Python has no name for it.
_SO_ATTACH_FILTER = 26


@dataclass
class Told:
    name: str
    id: str
    data: dict[str, Any]


class Stream:
    """Reads event by event, or does not read at all; `line` reads any line, comments too."""

    def __init__(
        self,
        url: str,
        last_id: str | None = None,
        role: str = "viewer",
        *,
        buffer: int | None = None,
        path: str = "/api/v1/events",
    ) -> None:
        host, port = url.removeprefix("http://").split(":")
        self.socket = socket.socket()
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect((host, int(port)))
        wanted = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {role}-secret\r\n{wanted}\r\n"
        self.socket.sendall(request.encode())
        self._file = self.socket.makefile("rb")

    def falls_silent(self) -> None:
        """Have the kernel drop all that comes for it, as a peer does whose cable is out: what is sent to it gets no answer."""
        drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: return 0 bytes of each
        program = struct.pack("HL", 1, ctypes.addressof(drop_all))
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)

    def answer(self) -> tuple[int, str]:
        """Return status and head of the answer."""
        status = int(self._file.readline().split()[1])
        head = b"".join(iter(self._file.readline, b"\r\n")).decode()
        return status, head

    def lines(self) -> Iterator[str]:
        rest = b""
        while size := int(self._file.readline() or b"0", 16):
            rest += self._file.read(size + 2)[:-2]
            *whole, rest = rest.split(b"\n")
            yield from (line.decode() for line in whole)

    def events(self) -> Iterator[Told]:
        """Yield all that is told, after the head of the answer."""
        status, head = self.answer()
        assert status == 200, head + self._file.read().decode()
        fields: dict[str, str] = {}
        for line in self.lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "event" in fields:
                yield Told(fields["event"], fields.get("id", ""), json.loads(fields["data"]))
                fields = {}

    def until(self, name: str, **data: object) -> list[Told]:
        """Return all events up to one of this name with these data."""
        told: list[Told] = []
        for event in self.events():
            told.append(event)
            if event.name == name and data.items() <= event.data.items():
                return told
        raise AssertionError(f"the stream ends without {name}: {told}")

    def close(self) -> None:
        """Cut it off."""
        self._file.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
