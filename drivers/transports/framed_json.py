"""JSON over TCP, each message behind its length (four bytes, the lowest first); one request a connection."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from drivers.transports.ends import NotSent, Unanswered

#: The most bytes of an answer; what claims to be longer is something else than a frame.
MOST_BYTES: Final = 1 << 20
_LENGTH_BYTES: Final = 4


async def ask(host: str, port: int, request: object, timeout_s: float) -> Any:
    """Return the answer to one request, decoded; raises NotSent and Unanswered, the latter for what is no frame, too."""
    sent = False
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                body = msgspec.json.encode(request)
                sent = True
                writer.write(len(body).to_bytes(_LENGTH_BYTES, "little") + body)
                return msgspec.json.decode(await _frame(reader))
            finally:
                writer.transport.abort()
    except TimeoutError as error:
        raise _end(sent)(f"{host}:{port}: no whole answer within {timeout_s:g} s") from error
    except (OSError, EOFError, ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise _end(sent)(f"{host}:{port}: {error or type(error).__name__}") from error


def _end(sent: bool) -> type[NotSent | Unanswered]:
    return Unanswered if sent else NotSent


async def _frame(reader: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "little")
    if length > MOST_BYTES:
        raise ValueError(f"a frame of {length} bytes, allowed are {MOST_BYTES}")
    return await reader.readexactly(length)
