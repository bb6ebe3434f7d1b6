"""What becomes of a command that takes several requests: what is read first, and then each write in its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from drivers.devices.driver import CALL_S
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from drivers.transports.ends import NotSent, Unanswered

#: One write. It returns the device's own yes or no, UNKNOWN for an answer that is neither; raises DriverLoss where there is none.
Write = Callable[[], Awaitable[CommandOutcome]]


async def carry_out(plan: Awaitable[Sequence[Write]]) -> CommandOutcome:
    """Read, by `plan`, what is to be written; then write it, up to the first that the device does not say yes to.

    What is answered but not understood is not written: that is a refusal. Where there is no answer, or a write may have arrived
    before, nobody knows.
    """
    at_risk = False
    try:
        async with asyncio.timeout(CALL_S):
            for write in await plan:
                at_risk = True
                outcome = await write()
                if outcome is not CommandOutcome.ACCEPTED:
                    return outcome
    except (NotSent, Unanswered, TimeoutError):
        return CommandOutcome.UNKNOWN
    except DriverLoss:
        return CommandOutcome.UNKNOWN if at_risk else CommandOutcome.REFUSED
    return CommandOutcome.ACCEPTED


def whatever_it_says(write: Write) -> Write:
    """Return a write whose refusal does not keep the next one from being tried."""

    async def tolerant() -> CommandOutcome:
        outcome = await write()
        return CommandOutcome.ACCEPTED if outcome is CommandOutcome.REFUSED else outcome

    return tolerant
