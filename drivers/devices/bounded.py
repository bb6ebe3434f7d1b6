"""The bound of a call to a device, and the values of its answers, where they are what they should be."""

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


def text_of(value: object) -> str | None:
    """Return a text that says something, else None."""
    return value.strip() if isinstance(value, str) and value.strip() else None


def number_of(value: object) -> float | None:
    """Return a number, else None; a truth is none, nor is a text."""
    return float(value) if type(value) in {int, float} else None  # type: ignore[arg-type]
