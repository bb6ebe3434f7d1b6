"""What stands behind every simulated server: one machine that is told watts, draws watts, boots, tunes and loses its power.

A server knows its machine by the `DeviceUnit` alone, so that a test has a `BenchUnit` with a clock of its own, and the demo the
world's physics. A server keeps what is its firmware's (sessions, tokens, names of profiles) and drops what a start drops when
`boots` has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from drivers.devices.driver import Pool
from drivers.fleet.catalogue import Model
from drivers.fleet.wire import Activity
from simulators.devices.traps import Manner, Trap


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRequest:
    """A request that a server has had: its verb in the family's own words, and whether it writes."""

    at_s: float
    verb: str
    writes: bool


class UnitBoard(Protocol):
    """What answers for a machine on a socket: its control board. `trap`: what its writes are answered with."""

    trap: Trap

    @property
    def log(self) -> Sequence[UnitRequest]:
        """Its requests, the newest last."""

    @property
    def answers(self) -> bool:
        """Whether it is up: a server whose board does not answer accepts no connection, and cuts those it has."""

    def asked(self, verb: str, *, writes: bool) -> None:
        """Note a request."""

    def manner(self) -> Manner:
        """Return what becomes of a write that moves power, by its trap; what comes by itself afterwards is the unit's to do."""

    def wrote(self, before_w: int) -> None:
        """Note that such a write is done and answered; `before_w`: what it ran on before."""


class DeviceUnit(UnitBoard, Protocol):
    """One machine, as its server sees it. Watts are at the wall; all is as of now.

    `pools`: what it works for; a server that lets them be written changes them.
    """

    model: Model
    pools: tuple[Pool, ...]

    @property
    def serial(self) -> str:
        """Its serial number, or that of the device which has its address now."""

    @property
    def mac(self) -> str:
        """Its MAC, or that of the device which has its address now."""

    @property
    def told_w(self) -> int:
        """The setpoint that it runs on by its settings; its off watts when it is asleep."""

    @property
    def draw_w(self) -> float:
        """What it draws."""

    @property
    def said_w(self) -> float:
        """What it says that it draws."""

    @property
    def activity(self) -> Activity:
        """What it is doing."""

    @property
    def uptime_s(self) -> float:
        """Time since its last start."""

    @property
    def boots(self) -> int:
        """How often it has started."""

    def tell(self, watts: int, *, restarts: bool = False, tunes_s: float = 0.0) -> None:
        """Run on `watts` from now on, a setpoint of its model; `restarts`: it boots its hashing first; `tunes_s`: it tunes first."""

    def reboot(self) -> None:
        """Start anew, away for its boot time."""
