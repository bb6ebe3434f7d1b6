"""One JSON command a TCP connection, answered in JSON until the peer closes or sends a NUL: the way of CGMiner and its kin."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from drivers.transports.ends import NotSent, Unanswered

#: No answer is longer; more is not read.
_MOST_BYTES: Final = 1 << 20
_NUL: Final = b"\x00"


async def ask(host: str, port: int, request: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
    """Return the JSON object that answers a request, within `timeout_s`, connecting included.

    Raises NotSent where nobody accepts a connection, and Unanswered for no answer, half of one, or one that is no JSON.
    """
    place, sent = f"{host}:{port}", False
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port)
            sent = True
            text = await _exchange(reader, writer, msgspec.json.encode(request))
    except TimeoutError as error:
        raise (Unanswered if sent else NotSent)(f"{place} does not answer within {timeout_s:g} s") from error
    except OSError as error:
        raise (Unanswered if sent else NotSent)(f"{place}: {error}") from error
    try:
        answer = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unanswered(f"{place} answers {text[:60]!r}, which is no JSON") from error
    if not isinstance(answer, dict):
        raise Unanswered(f"{place} answers {text[:60]!r}, which is no JSON object")
    return answer


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    try:
        writer.write(request)
        answer = bytearray()
        while chunk := await reader.read(1 << 16):
            answer += chunk
            if _NUL in chunk or len(answer) > _MOST_BYTES:
                break
    finally:
        writer.transport.abort()  # a peer that hangs is not waited for
    return bytes(answer).partition(_NUL)[0]
