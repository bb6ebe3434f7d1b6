"""The watts of an Antminer whose firmware tells them on a page of its own, as some firmware of the S19 XP Hydro, S21 and S21 Pro does.

The page is a text, ``something:WATTS``, on a port of its own (mdk, antminer). What measures them is not known.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final

from drivers.devices import answers
from drivers.errors import DriverLoss
from drivers.transports.http import HttpLine

PORT: Final = 6060
PATH: Final = "/miner_power"
#: It must not keep the reading of a device waiting; a device without such a page is asked for it so seldom.
TIMEOUT_S: Final = 1.0
AGAIN_S: Final = 60.0


class PowerPage:
    """The page of one device. No login goes there."""

    def __init__(self, host: str) -> None:
        self._line = HttpLine(host, PORT, timeout_s=TIMEOUT_S)
        self._due_s = -math.inf

    async def watts(self) -> float | None:
        """Return what it says; None where there is no such page, or it says no watts."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._due_s:
            return None
        try:
            answer = await self._line.get(PATH)
        except DriverLoss:
            watts = None
        else:
            words = answer.body.decode("latin-1").strip().rpartition(":")[2].split()
            watts = answers.watts(words[:1], 0) if answer.status == 200 and words else None
        if watts is None:
            self._due_s = now_s + AGAIN_S
        return watts

    def close(self) -> None:
        """Close what is open."""
        self._line.close()
