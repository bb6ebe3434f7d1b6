"""Measures what one device does when it is told, and leaves it as it was found; for ``surplusd agent drill``.

It goes to its most, through every mode, to off and up again, and loses its power once where it has a relay. What it draws is what it says itself, or
its PSU: the evidence says which. A time is that of the last reading outside the band in which it then stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from drivers.clock import Clock
from drivers.devices.driver import DeviceSettings
from drivers.devices.families import Family
from drivers.devices.guard import Guard
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading, Relay
from drivers.fleet.agent.lease import LeasedDevice

_log = logging.getLogger(__name__)
#: It is read so often; so many readings in a row within the band are steady.
LOOK_S: Final = 0.5
STEADY: Final = 6
#: The band, as a share of the most that the device may draw.
BAND: Final = 0.03
#: Beside the family's own time, so long is waited for a device to be steady.
PATIENCE_S: Final = 60.0
#: For so long its power is off.
DARK_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What came of one command: `drawn_w` and `took_s` are None where it told no watts, or never became steady."""

    told_w: int
    outcome: CommandOutcome
    named_w: int | None
    drawn_w: float | None
    took_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLoss:
    """What a device came up with after its power was cut: when it answered again, and what it then named and drew."""

    answers_s: float | None
    move: Move | None


@dataclass(slots=True, kw_only=True)
class DrillEvidence:
    """What a drill has measured. `wrong`: why the device is not as it was found, or the drill was given up."""

    measured_by: str = "nothing"
    modes: list[Move] = field(default_factory=list)
    off: Move | None = None
    up: Move | None = None
    power_loss: PowerLoss | None = None
    wrong: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Return the evidence as it is written to a file."""
        modes = {f"{move.told_w} W": _figures(move) for move in self.modes}
        loss = self.power_loss
        return {
            "measured_by": self.measured_by,
            "modes": modes,
            "off": _figures(self.off),
            "up_from_off": _figures(self.up),
            "after_a_power_loss": "not tried: it has no relay"
            if loss is None
            else {"answers_after": _seconds(loss.answers_s), **_figures(loss.move)},
            "wrong": list(self.wrong),
        }


class Drill:
    """One device with its guard, and the relay before it, if any. `clock`: of the running loop, or the machine's.

    `tell` is given a line at each step: what is begun and how long that may take, and what has come of it.
    """

    def __init__(
        self,
        *,
        guard: Guard,
        relay: Relay | None,
        leased: LeasedDevice,
        family: Family,
        clock: Clock,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._tell = tell
        self._guard, self._relay, self._family, self._clock = guard, relay, family, clock
        self._model, self._most_w = leased.model, leased.at_most(leased.max_w)
        self._told_w = self._model.off_w
        self.evidence = DrillEvidence()

    async def run(self) -> DrillEvidence:
        """Measure, and hand the device back whatever happens meanwhile; raises DriverLoss where it does not answer at first."""
        found = await self._guard.settings()
        self.evidence.measured_by = (await self._guard.read()).measured_by.name.lower()
        try:
            await self._measure()
        except DriverLoss as loss:
            self.evidence.wrong.append(f"given up: {loss}")
        finally:
            await self._hand_back(found)
        return self.evidence

    async def _measure(self) -> None:
        evidence, model = self.evidence, self._model
        await self._move(self._most_w)
        for watts in [int(mode.watts) for mode in reversed(model.modes[1:]) if mode.watts <= self._most_w]:
            evidence.modes.append(await self._move(watts))
        evidence.off = await self._move(model.off_w)
        evidence.up = await self._move(self._most_w)
        if self._relay is not None:
            evidence.power_loss = await self._lose_power(self._relay)

    async def _move(self, watts: int) -> Move:
        most_s = self._own_s(watts) + PATIENCE_S
        self._tell(f"to {watts} W, for at most {most_s:.0f} s")
        outcome = await self._guard.command(watts)
        move = await self._follow(watts, outcome)
        self._told_w = watts
        self._tell(f"  {_in_words(move)}")
        return move

    async def _follow(self, watts: int, outcome: CommandOutcome) -> Move:
        """Read it until it is steady, or its time is over."""
        began_s, seen, named_w = self._clock(), list[tuple[float, float]](), None
        own_s = self._own_s(watts)
        while self._clock() < began_s + own_s + PATIENCE_S:
            reading = await self._read()
            if reading is not None:
                named_w = reading.setpoint_w
            if reading is not None and reading.watts is not None:
                seen.append((self._clock() - began_s, reading.watts))
            has_time = self._clock() < began_s + own_s + STEADY * LOOK_S
            if not has_time and self._is_steady(seen) and (named_w is None or named_w == watts):
                break
            await asyncio.sleep(LOOK_S)
        if not self._is_steady(seen):
            return Move(told_w=watts, outcome=outcome, named_w=named_w, drawn_w=None, took_s=None)
        drawn_w = sum(watts for _, watts in seen[-STEADY:]) / STEADY
        outside = [at_s for at_s, watts in seen if abs(watts - drawn_w) > BAND * self._model.max_w]
        return Move(told_w=watts, outcome=outcome, named_w=named_w, drawn_w=drawn_w, took_s=max(outside, default=0.0))

    def _own_s(self, watts: int) -> float:
        """Return the time that the device has for the way to a setpoint, by its family or by its model."""
        family, model = self._family, self._model
        down_s, up_s = max(family.down_s, model.down_s), max(family.up_s, model.up_s)
        booting = (family.restarts or model.restarts_on_change) and watts > model.off_w
        return up_s if booting or watts > self._told_w else down_s

    async def _read(self) -> DeviceReading | None:
        try:
            return await self._guard.read()
        except DriverLoss:
            return None

    def _is_steady(self, seen: Sequence[tuple[float, float]]) -> bool:
        last = [watts for _, watts in seen[-STEADY:]]
        return len(last) == STEADY and max(last) - min(last) <= BAND * self._model.max_w

    async def _lose_power(self, relay: Relay) -> PowerLoss:
        """Cut its power and give it back; the relay is closed at the end whatever happens."""
        self._tell(
            f"its power is cut by its relay for {DARK_S:.0f} s; then {self._family.boot_s + PATIENCE_S:.0f} s to answer at most"
        )
        try:
            await relay.switch(closed=False, hold_s=None)
            await asyncio.sleep(DARK_S)
        finally:
            outcome = await relay.switch(closed=True, hold_s=None)
        if outcome is not CommandOutcome.ACCEPTED:
            self.evidence.wrong.append(f"its relay answered {outcome.value} when it was told to close")
        began_s = self._clock()
        while await self._read() is None:
            if self._clock() > began_s + self._family.boot_s + PATIENCE_S:
                return PowerLoss(answers_s=None, move=None)
            await asyncio.sleep(LOOK_S)
        answers_s, self._told_w = self._clock() - began_s, self._model.off_w
        move = await self._follow(self._most_w, outcome)
        self._tell(f"  answers after {_seconds(answers_s)}; {_in_words(move)}")
        return PowerLoss(answers_s=answers_s, move=move)

    async def _hand_back(self, found: DeviceSettings) -> None:
        self._tell("handed back as it was found")
        why = await self._guard.hand_back(found)
        self._tell(f"  {why or 'it is as it was found'}")
        if why:
            _log.error("not as it was found: %s", why, extra={"event": "not_handed_back"})
            self.evidence.wrong.append(f"not as it was found: {why}")


def _in_words(move: Move) -> str:
    """Return in one line what came of a command."""
    return ", ".join(f"{name} {value}" for name, value in _figures(move).items())


def _figures(move: Move | None) -> dict[str, Any]:
    if move is None:
        return {"told": "not tried"}
    return {
        "answered": move.outcome.value,
        "named": "nothing" if move.named_w is None else f"{move.named_w} W",
        "drew": "unknown, or not steady" if move.drawn_w is None else f"{move.drawn_w:.0f} W",
        "took": _seconds(move.took_s),
    }


def _seconds(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds:.1f} s"
