"""The one session that a device with LuxOS has: every write needs it.

One that somebody else has opened is used and left open, unless it is to be taken over; one of our own is closed after each write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from drivers.devices import answers
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from drivers.transports.cgminer import CgminerReply

#: A verb, and its words behind the id of the session.
Step = tuple[str, str]


class Ask(Protocol):
    """Asks the device."""

    async def __call__(self, verb: str, parameter: str | None = None) -> CgminerReply:
        """Return the reply to a verb; raises DriverLoss."""


async def write_in_session(
    ask: Ask, plan: Callable[[], Awaitable[Sequence[Step]]], *, within_s: float, take_over: bool = False
) -> CommandOutcome:
    """Have `plan` read what is to be written, and take its steps in turn, up to the first that is not accepted.

    `within_s` is without the time that closing a session of our own takes. `take_over`: close what somebody else has opened.
    """
    ours = ""
    try:
        async with asyncio.timeout(within_s):
            if take_over and (other := await _open_session(ask)):
                await ask("logoff", other)
            logon = await ask("logon")
            ours = _id_of(logon) if logon.outcome is CommandOutcome.ACCEPTED else ""
            session = ours or await _open_session(ask)
            return await _write(ask, session, await plan()) if session else CommandOutcome.REFUSED
    except (DriverLoss, TimeoutError):
        return CommandOutcome.UNKNOWN
    finally:
        if ours:
            await _log_off(ask, ours)


async def _write(ask: Ask, session: str, steps: Sequence[Step]) -> CommandOutcome:
    for verb, words in steps:
        outcome = (await ask(verb, f"{session},{words}")).outcome
        if outcome is not CommandOutcome.ACCEPTED:
            return outcome
    return CommandOutcome.ACCEPTED


async def _open_session(ask: Ask) -> str:
    """Return the id of the session that there is; empty for none."""
    return _id_of(await ask("session"))


async def _log_off(ask: Ask, session: str) -> None:
    try:
        await ask("logoff", session)
    except DriverLoss:
        return  # the device ends it by itself when nobody has used it for a minute


def _id_of(reply: CgminerReply) -> str:
    return answers.text(reply.part("SESSION"), "SessionID") or ""
