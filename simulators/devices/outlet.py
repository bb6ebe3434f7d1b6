"""A relay or plug as a thing: closed or open, perhaps for a time, with something behind it that has power or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from drivers.clock import Clock
from simulators.devices.traps import MANNERS, Manner, Trap
from simulators.devices.unit import UnitRequest


class Outlet:
    """A `UnitBoard` that is always up. `feeds`: told whether there is power behind it, whenever that changes; closed at first."""

    def __init__(self, *, clock: Clock, feeds: Callable[[bool], None] = lambda _closed: None) -> None:
        self.trap = Trap.OK
        self._clock, self._feeds = clock, feeds
        self._log: list[UnitRequest] = []
        self._closed = True
        self._flips_s: float | None = None

    @property
    def log(self) -> Sequence[UnitRequest]:
        """Its requests, the newest last."""
        return self._log

    @property
    def answers(self) -> bool:
        """Whether it is up."""
        return True

    @property
    def closed(self) -> bool:
        """Whether its contact is closed now."""
        if self._flips_s is not None and self._clock() >= self._flips_s:
            self._flips_s = None
            self._go(closed=not self._closed)
        return self._closed

    def switch(self, *, closed: bool, for_s: float | None = None) -> None:
        """Close or open it; with `for_s` it goes back after so long."""
        self._go(closed=closed)
        self._flips_s = None if for_s is None else self._clock() + for_s

    def asked(self, verb: str, *, writes: bool) -> None:
        """Note a request."""
        self._log.append(UnitRequest(at_s=self._clock(), verb=verb, writes=writes))

    def manner(self) -> Manner:
        """Return what becomes of a write."""
        return MANNERS[self.trap]

    def wrote(self, before_w: int) -> None:
        """Note that a write is done and answered: nothing comes of that by itself."""

    def _go(self, *, closed: bool) -> None:
        changed, self._closed = closed is not self._closed, closed
        if changed:
            self._feeds(closed)
