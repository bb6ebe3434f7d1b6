"""Runs an application in a task of the daemon's loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

from drivers.errors import ConfigError


class _Server(uvicorn.Server):
    """Leaves the signals to the daemon."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(app: FastAPI, host: str, port: int, listening: Callable[[int], None] | None = None) -> None:
    """Serve `app` until cancelled, then let the requests under way finish for up to 2 s.

    `listening` is called with the port once connections are taken; port 0 means any free one.
    ConfigError: the address cannot be listened on.
    """
    with _listen(host, port) as listener:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            limit_concurrency=256,
            timeout_graceful_shutdown=2,
        )
        server = _Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]), name="uvicorn")
        if listening is not None:
            listening(listener.getsockname()[1])
        try:
            await asyncio.shield(running)
        finally:
            server.should_exit = True
            await running


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(256)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ConfigError(f"http: cannot listen on {host}:{port}: {error}") from error
    return listener
