"""A machine for a bench: its draw is a course of straight lines over time, worked out when somebody looks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from drivers.clock import Clock
from drivers.devices.driver import Pool
from drivers.devices.families import Family, Wakes
from drivers.fleet.catalogue import Model
from drivers.fleet.wire import Activity
from simulators.devices.traps import MANNERS, MOVES_BACK_S, OTHER_MAC, OTHER_SERIAL, Manner, Trap
from simulators.devices.unit import UnitRequest

#: A start draws this share of what it goes to while it boots, which takes this share of its time.
_BOOT_DRAW: Final = 0.1
_BOOT_TIME: Final = 0.8
#: What tunes draws so much of what it is told.
_TUNING: Final = 1.1
POOLS: Final[tuple[Pool, ...]] = (
    Pool(url="stratum+tcp://pool.example.org:3333", user="site.unit"),
    Pool(url="stratum+tcp://spare.example.org:3333", user="site.unit"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The times of a machine in s."""

    down_s: float
    up_s: float
    boot_s: float

    @classmethod
    def of(cls, family: Family) -> Pace:
        """Return the times of a family."""
        return cls(down_s=family.down_s, up_s=family.up_s, boot_s=family.boot_s)


class BenchUnit:
    """A `DeviceUnit` with a clock of its own, drawing `told_w` at first.

    `said`: the share of its draw that it owns up to. `wakes`: what a start comes up with.
    """

    def __init__(
        self,
        *,
        model: Model,
        pace: Pace,
        clock: Clock,
        told_w: int,
        wakes: Wakes = Wakes.AS_SET,
        serial: str = "BENCH0UNIT000001",
        mac: str = "02:00:00:00:00:01",
        said: float = 1.0,
    ) -> None:
        self.model, self.pools, self.trap = model, POOLS, Trap.OK
        self.log: list[UnitRequest] = []
        self._pace, self._clock, self._wakes = pace, clock, wakes
        self._serial, self._mac, self._said = serial, mac, said
        self._told_w = told_w
        self._course = [(clock(), float(told_w))]
        self._started_s = clock()
        self._boots = 0
        self._up_s = clock()
        self._powered = True
        self._back: tuple[float, int] | None = None

    @property
    def serial(self) -> str:
        """Its serial number."""
        return OTHER_SERIAL if self.trap is Trap.WRONG_SERIAL else self._serial

    @property
    def mac(self) -> str:
        """Its MAC."""
        return OTHER_MAC if self.trap is Trap.WRONG_SERIAL else self._mac

    @property
    def told_w(self) -> int:
        """The setpoint that it runs on by its settings."""
        self._move_back()
        return self._told_w

    @property
    def draw_w(self) -> float:
        """What it draws."""
        self._move_back()
        return self._at(self._clock()) if self._powered else 0.0

    @property
    def said_w(self) -> float:
        """What it says that it draws."""
        return self.draw_w * self._said

    @property
    def activity(self) -> Activity:
        """What it is doing."""
        self._move_back()
        on = self._told_w > self.model.off_w
        if self._clock() >= self._course[-1][0]:
            return Activity.RUNNING if on else Activity.OFF
        return Activity.STARTING if on else Activity.STOPPING

    @property
    def uptime_s(self) -> float:
        """Time since its last start."""
        return self._clock() - self._started_s

    @property
    def boots(self) -> int:
        """How often it has started."""
        return self._boots

    @property
    def answers(self) -> bool:
        """Whether its control board is up."""
        return self._powered and self._clock() >= self._up_s

    def tell(self, watts: int, *, restarts: bool = False, tunes_s: float = 0.0) -> None:
        """Run on `watts` from now on."""
        now_s, from_w = self._clock(), self.draw_w
        self._back = None
        if watts == self._told_w and not restarts:
            return
        self._told_w = watts
        time_s = self._pace.up_s if watts > from_w else self._pace.down_s
        if restarts and watts > self.model.off_w:
            low_w = self.model.off_w + _BOOT_DRAW * (watts - self.model.off_w)
            boots_s = now_s + max(self._pace.down_s, _BOOT_TIME * self._pace.up_s)
            self._course = [(now_s, from_w), (now_s + self._pace.down_s, low_w), (boots_s, low_w)]
            self._course.append((boots_s + (1 - _BOOT_TIME) * self._pace.up_s, float(watts)))
        elif tunes_s:
            tuned_s = now_s + time_s + tunes_s
            self._course = [(now_s, from_w), (now_s + time_s, _TUNING * watts), (tuned_s, _TUNING * watts)]
            self._course.append((tuned_s, float(watts)))
        else:
            self._course = [(now_s, from_w), (now_s + time_s, float(watts))]

    def reboot(self) -> None:
        """Start anew, away for its boot time."""
        if self._powered:
            self._start()

    def cut(self) -> None:
        """Take its power."""
        self._powered = False
        self._back = None

    def feed(self) -> None:
        """Give it power again."""
        if not self._powered:
            self._powered = True
            self._start()

    def asked(self, verb: str, *, writes: bool) -> None:
        """Note a request."""
        self.log.append(UnitRequest(at_s=self._clock(), verb=verb, writes=writes))

    def manner(self) -> Manner:
        """Return what becomes of a write that moves power."""
        return MANNERS[self.trap]

    def wrote(self, before_w: int) -> None:
        """Note that such a write is done and answered."""
        match self.manner().then:
            case Trap.REBOOTS:
                self.reboot()
            case Trap.MOVES_BACK if before_w != self._told_w:
                self._back = self._clock() + MOVES_BACK_S, before_w

    def _start(self) -> None:
        now_s, off_w = self._clock(), float(self.model.off_w)
        self._boots += 1
        self._started_s, self._up_s, self._back = now_s, now_s + self._pace.boot_s, None
        self._told_w = {Wakes.FULL: self.model.max_w, Wakes.ASLEEP: self.model.off_w}.get(self._wakes, self._told_w)
        self._course = [(now_s, off_w), (self._up_s, off_w), (self._up_s + self._pace.up_s, float(self._told_w))]

    def _move_back(self) -> None:
        if self._back is not None and self._clock() >= self._back[0]:
            watts, self._back = self._back[1], None
            self.tell(watts)

    def _at(self, now_s: float) -> float:
        for (from_s, from_w), (to_s, to_w) in pairwise(self._course):
            if now_s < to_s:
                return from_w + (to_w - from_w) * max(0.0, now_s - from_s) / (to_s - from_s)
        return self._course[-1][1]
