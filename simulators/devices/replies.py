"""How a simulated server answers one request, whatever its framing: with its yes or no, or as the trap of its unit has it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from simulators.devices.traps import PAGE, ReplyForm

#: What a web server in distress says.
ERROR_500: Final = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 21\r\nConnection: close\r\n\r\n"
    b"Internal Server Error"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The bytes of a server's yes and no to one request, and of `PAGE` in its own framing."""

    yes: bytes
    no: bytes
    html: bytes = PAGE


async def say(reply: ReplyForm, words: Words, writer: asyncio.StreamWriter) -> bool:
    """Answer one request; return whether the connection stays open for another."""
    match reply:
        case ReplyForm.NOTHING:
            await asyncio.Event().wait()  # until the server ends
        case ReplyForm.CLOSED:
            return False
        case ReplyForm.HALF:
            writer.write(words.yes[: len(words.yes) // 2])
        case ReplyForm.HTML:
            writer.write(words.html)
        case ReplyForm.HTTP_500:
            writer.write(ERROR_500)
        case ReplyForm.NO:
            writer.write(words.no)
        case ReplyForm.YES:
            writer.write(words.yes)
    await writer.drain()
    return reply in {ReplyForm.YES, ReplyForm.NO}
