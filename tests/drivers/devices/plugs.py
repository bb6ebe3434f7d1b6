"""A plug before a machine: its unit feeds the machine, or cuts it off, and says what flows."""

from __future__ import annotations

from drivers.clock import Clock
from drivers.fleet.catalogue import load_catalogue
from simulators.devices.bench_unit import BenchUnit, Pace

RELAY = load_catalogue()["heater-2kw"]
_PACE = Pace(down_s=0.5, up_s=0.5, boot_s=0.5)


class PlugUnit(BenchUnit):
    """The unit of a plug before `machine`."""

    def __init__(self, machine: BenchUnit, *, clock: Clock, mac: str = "02:00:00:00:03:00") -> None:
        super().__init__(model=RELAY, pace=_PACE, clock=clock, told_w=RELAY.max_w, mac=mac)
        self._machine = machine

    @property
    def said_w(self) -> float:
        """What flows through it."""
        return self._machine.draw_w

    def tell(self, watts: int, *, restarts: bool = False, tunes_s: float = 0.0) -> None:
        """Close for its highest mode."""
        super().tell(watts, restarts=restarts, tunes_s=tunes_s)
        (self._machine.feed if watts > self.model.off_w else self._machine.cut)()
