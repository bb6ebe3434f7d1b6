"""Find a SunSpec model in a meter: behind the marker ``SunS`` stands a chain of models, each with its id and length.

Source: SunSpec Device Information Model Specification; marker at 40000, 50000 or 0, chain ended by the id 0xFFFF.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Final

from drivers.errors import DriverLoss
from drivers.modbus.answers import Answer

#: Reads (function code, address, count); returns the registers, or the exception that was answered.
Read = Callable[[int, int, int], Awaitable[Answer]]

BASES: Final = (40000, 50000, 0)
MARKER: Final = [0x5375, 0x6E53]
END: Final = 0xFFFF


class NoModel(DriverLoss):
    """The meter answers, and has none of the models that its profile is for."""


async def find_model(read: Read, models: Collection[int]) -> int:
    """Return the address of the ID register of the first of `models`; raises NoModel."""
    for base in BASES:
        if list(await read(3, base, 2)) == MARKER:
            return await _walk(read, base + 2, models)
    raise NoModel(f"no SunSpec marker at {', '.join(map(str, BASES))}")


async def _walk(read: Read, address: int, models: Collection[int]) -> int:
    found: list[int] = []
    while address < 0xFFFF:
        answer = await read(3, address, 2)
        if isinstance(answer, str) or answer[0] == END:
            break
        model, length = answer
        if model in models:
            return address
        found.append(model)
        address += 2 + length
    raise NoModel(f"no SunSpec model {', '.join(map(str, models))}; the meter has {found}")
