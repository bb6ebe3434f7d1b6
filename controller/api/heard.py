"""The body of a request before its turn: a client that is slow, or dead, takes no turn from others that have its token."""

from __future__ import annotations

import asyncio
from collections import deque

from starlette.types import Message, Receive

from controller.api.body import BODY_TIMEOUT_S, MAX_BODY


async def heard(receive: Receive) -> Receive:
    """Return what hears it all once more, as soon as a short body is whole; one that comes too slowly ends as if its client were gone."""
    messages, length, more = deque[Message](), 0, True
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while more and length <= MAX_BODY:
                message = await receive()
                messages.append(message)
                length += len(message.get("body", b""))
                more = message.get("more_body", False)
    except TimeoutError:
        messages.append({"type": "http.disconnect"})

    async def again() -> Message:
        return messages.popleft() if messages else await receive()

    return again
