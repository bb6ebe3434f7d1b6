"""The contact of a simulated outlet: it feeds a unit, opens by itself after a while, and comes back from a power cut as it is set to."""

from __future__ import annotations

import asyncio

from simulators.devices.unit import DeviceUnit


class RelayContact:
    """One contact before a unit, which draws its most while that is closed. `welded`: it says that it has opened, and has not.

    `wakes_closed`: what it is after a power cut. `opens_s`: by the loop's time, when it opens by itself; None: never.
    """

    def __init__(self, unit: DeviceUnit) -> None:
        self._unit = unit
        self.is_closed = unit.told_w > unit.model.off_w
        self.welded = self.wakes_closed = False
        self.opens_s: float | None = None
        self._opening: asyncio.TimerHandle | None = None
        self._told_w, self._boots = unit.told_w, unit.boots

    @property
    def left_s(self) -> float | None:
        """How long it stays closed, None where it does not open by itself."""
        return None if self.opens_s is None else max(0.0, self.opens_s - asyncio.get_running_loop().time())

    def switch(self, *, closed: bool, hold_s: float | None = None) -> None:
        """Move it; closed with `hold_s`, it opens by itself after that time."""
        if self._opening is not None:
            self._opening.cancel()
        self._opening = self.opens_s = None
        self.is_closed = closed
        if not self.welded:
            self._unit.tell(self._unit.model.max_w if closed else self._unit.model.off_w)
        self._told_w = self._unit.told_w
        if closed and hold_s is not None:
            loop = asyncio.get_running_loop()
            self.opens_s = loop.time() + hold_s
            self._opening = loop.call_at(self.opens_s, lambda: self.switch(closed=False))

    def let_time_pass(self) -> None:
        """Take what has moved it from elsewhere, and what a start has made of it."""
        if self._boots != self._unit.boots:
            self._boots = self._unit.boots
            self.switch(closed=self.wakes_closed)
        elif self._unit.told_w != self._told_w:
            self._told_w = self._unit.told_w
            self.is_closed = self._told_w > self._unit.model.off_w

    def close(self) -> None:
        """End what is due."""
        if self._opening is not None:
            self._opening.cancel()
