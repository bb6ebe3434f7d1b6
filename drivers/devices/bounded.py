"""The bound of a call to a device."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from drivers.devices.driver import CALL_S
from drivers.errors import DriverLoss


@asynccontextmanager
async def bounded(place: str, within_s: float = CALL_S) -> AsyncIterator[None]:
    """Raise DriverLoss where what is inside takes longer."""
    try:
        async with asyncio.timeout(within_s):
            yield
    except TimeoutError as error:
        raise DriverLoss(f"{place} does not answer all within {within_s:g} s") from error
