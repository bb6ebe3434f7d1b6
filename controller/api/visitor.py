"""A connection to the HTTP server, as the door sees it: it may neither dawdle nor ask again and again without a token."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from controller.api.door import Doorkeeper
from controller.api.errors import too_many_tries
from controller.daemon.access import Principal

#: A request's head, and then its body, may take so long; so may the answer to one without a valid token.
HEAD_S: Final = 5.0
BODY_S: Final = 10.0
ANSWER_S: Final = 30.0
#: Whoever follows events and takes none of them for so long has to go; the kernel is told the same of one that is dead.
STALLED_S: Final = 30.0
#: Bytes that wait at most for whoever follows: here, and in the kernel.
_WAITING_HERE: Final = 16384
_WAITING_BELOW: Final = 65536
#: The longest head of a request in bytes.
MAX_HEAD: Final = 16384
#: `struct linger`: on, for no time.
_AT_ONCE: Final = struct.pack("ii", 1, 0)


class Visitor(H11Protocol):
    """One connection; `peer` is its address. `by`: who holds the valid token of what it asks now, None where it has none."""

    def __init__(self, door: Doorkeeper, **given: Any) -> None:
        super().__init__(**given)
        self._door = door
        self._head = b""
        self._since_s = self.loop.time()
        self._stalled_s: float | None = None
        self._follows = False
        self.peer = ""
        self.by: Principal | None = None
        self.app_state = {**self.app_state, "visitor": self}

    def stay(self, by: Principal) -> bool:
        """Stay, to follow what happens, for the holder of its token; False where there is no room for that."""
        self._follows = self._door.stay(self, by)
        if self._follows:
            connection: socket.socket = self.transport.get_extra_info("socket")
            self.transport.set_write_buffer_limits(high=_WAITING_HERE)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WAITING_BELOW)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * STALLED_S))
        return self._follows

    @property
    def is_waiting(self) -> bool:
        """Whether it has asked nothing that is still to be answered."""
        return self.cycle is None or self.cycle.response_complete

    def leave(self) -> None:
        """Close it at once, and forget what is still on its way: the kernel would keep it for whoever does not read."""
        connection: socket.socket = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def overstays(self, now_s: float) -> bool:
        """Return whether it has taken too long over its request, or over its answer."""
        if self._follows:
            return self._stalled_s is not None and now_s - self._stalled_s > STALLED_S
        past_s = now_s - self._since_s
        if self.is_waiting:
            return past_s > HEAD_S
        if self.conn.their_state is h11.SEND_BODY:
            return past_s > BODY_S
        return past_s > ANSWER_S and self.by is None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Come in."""
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else ""
        self._door.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Go."""
        self._door.left(self)
        super().connection_lost(exc)
        # It holds this object: of thousands that come and go each second, none may wait for the collector.
        self.app_state = {}

    def data_received(self, data: bytes) -> None:
        """Take what the client sends; of a peer that is barred, only what passes."""
        if self._head or (self.is_waiting and self._door.is_barred(self.peer, self.loop.time())):
            data = self._passing(data)
            if not data:
                return
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._since_s = self.loop.time()
            self.by = self._door.asker(dict(self.headers))

    def pause_writing(self) -> None:
        """Note that the client takes nothing now."""
        self._stalled_s = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that it does again."""
        self._stalled_s = None
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._since_s = self.loop.time()
        self._door.served(self)
        super().on_response_complete()

    def _passing(self, data: bytes) -> bytes:
        """Return all that was sent once its head is whole and passes; refuse one that does not."""
        self._head += data
        if b"\r\n\r\n" not in self._head and len(self._head) <= MAX_HEAD:
            return b""
        head, self._head = self._head, b""
        if self._door.passes(head[:MAX_HEAD]):
            return head
        self.transport.write(too_many_tries())
        self.transport.close()
        return b""
