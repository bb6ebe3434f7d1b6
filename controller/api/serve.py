"""Runs an application behind a door, in a task of the daemon's loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from controller.api.door import MOST, Doorkeeper
from controller.api.visitor import MAX_HEAD, Visitor
from drivers.errors import ConfigError

_log = logging.getLogger(__name__)

#: So many connections are taken in one turn of the loop, far fewer than may be open: whoever comes in is heard before it may have to go.
_AT_ONCE: Final = 64
#: So many wait for it. What comes beyond, the kernel drops, and whoever it was tries again a second later.
_WAITING: Final = 4096
_SWEEP_S: Final = 1.0
#: So many go when no file descriptor is left, and so seldom is it said.
_TO_GO: Final = 32
_SAID_S: Final = 60.0


class _Server(uvicorn.Server):
    """Leaves the signals to the daemon."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Listener(socket.socket):
    """Lets more wait than are taken in one turn of the loop; asyncio has one figure for both."""

    def listen(self, _at_once: int = 0, /) -> None:
        super().listen(_WAITING)


def most_connections() -> int:
    """Return how many connections may be open: at most half of what this process may open."""
    return min(MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


async def serve(
    app: ASGIApp, door: Doorkeeper, host: str, port: int, listening: Callable[[int], None] | None = None
) -> None:
    """Serve `app` until cancelled, then end all streams and let the requests under way finish for up to 2 s.

    `listening` is called with the port once connections are taken; port 0 means any free one.
    ConfigError: the address cannot be listened on.
    """
    with _listen(host, port) as listener, _out_of_descriptors(door):
        server = _Server(_configured(app, door))
        running = asyncio.create_task(server.serve(sockets=[listener]), name="uvicorn")
        sweeping = asyncio.create_task(_sweep(door), name="door")
        if listening is not None:
            listening(listener.getsockname()[1])
        try:
            await asyncio.shield(running)
        finally:
            sweeping.cancel()
            server.should_exit = True
            door.close()
            await running


def _configured(app: ASGIApp, door: Doorkeeper) -> uvicorn.Config:
    # Whoever sends nonsense must not fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    visitor: Any = partial(Visitor, door)
    return uvicorn.Config(
        app,
        http=visitor,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        backlog=_AT_ONCE,
        h11_max_incomplete_event_size=MAX_HEAD,
        timeout_graceful_shutdown=2,
    )


async def _sweep(door: Doorkeeper) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_SWEEP_S)
        door.sweep(loop.time())


@contextlib.contextmanager
def _out_of_descriptors(door: Doorkeeper) -> Iterator[None]:
    """Make room where a connection cannot be taken for want of a file descriptor, and say so now and then."""
    loop = asyncio.get_running_loop()
    before, said_s = loop.get_exception_handler(), float("-inf")

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal said_s
        if "socket.accept() out of system resource" not in context.get("message", ""):
            (before(loop, context) if before else loop.default_exception_handler(context))
            return
        door.make_room(_TO_GO)
        if loop.time() - said_s > _SAID_S:
            said_s = loop.time()
            _log.error("no file descriptor is left: connections that wait are closed", extra={"event": "http_full"})

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        loop.set_exception_handler(before)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = _Listener(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ConfigError(f"http: cannot listen on {host}:{port}: {error}") from error
    return listener
