"""What every simulated server over TCP has in common: a unit behind it, connections, and an end that leaves none open."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Protocol, Self


class Answering(Protocol):
    """Serves one connection; returns when it is to be closed."""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read what comes and answer it."""


class Board(Protocol):
    """What may be up or not."""

    @property
    def answers(self) -> bool:
        """Whether it is up: a server whose board does not answer accepts no connection, and cuts those it has."""


class UnitServer:
    """A TCP server before one unit: no connection of a unit that does not answer lives. Use as ``async with``."""

    def __init__(
        self,
        board: Board,
        answering: Answering,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self._board, self._answering = board, answering
        self._host, self._wanted = host, port
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        if self._server is None:
            return self._wanted
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, self._host, self._wanted, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all."""
        if self._server is not None:
            self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            if self._board.answers:
                with contextlib.suppress(ConnectionError):
                    await self._answering(reader, writer)
        except asyncio.CancelledError:
            pass  # the server ends; asyncio would log it as an error
        finally:
            if self._board.answers and not writer.transport.is_closing():
                writer.close()
            else:
                writer.transport.abort()
