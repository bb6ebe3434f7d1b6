"""A machine with GPUs that take limits, whatever reaches them: what a setpoint is for them, what they run on, and off.

What it runs on is what is *enforced*, at every reading: the least of what was asked here, of what others ask, and of what the board
allows. A GPU that does not say counts with its highest limit. A limit bounds the draw of a GPU and does not bring it to rest: that
is a matter of jobs, so off is a command of the site's own (`JobHook`), and the machine is said to be off only where its jobs are
gone and it draws no more than the model's off watts. Without such a command off is refused, at their lowest limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from drivers.devices.driver import CALL_S, DeviceIdentity, DeviceSettings, Target
from drivers.devices.gpu_shares import GpuRange, GpuShares
from drivers.devices.job_hook import JobHook, JobVerb
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.agent.proof import most_w
from drivers.fleet.wire import Activity, MeasuredBy

#: Setting limits may take so long of a call; the rest is for the command of the site.
LIMITS_S: Final = 2.5
_ACTIVITIES: Final = {
    JobVerb.DRAIN: Activity.STOPPING,
    JobVerb.STOP: Activity.STOPPING,
    JobVerb.RESUME: Activity.STARTING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSight:
    """One GPU as it says itself, in W; None for what it does not say.

    `asked`: what was asked of it, in the words in which it can be asked again. `error`: why it says nothing of its limit.
    """

    name: str
    range: GpuRange | None = None
    enforced_w: float | None = None
    asked: str | None = None
    watts: float | None = None
    error: str | None = None


class GpuAccess(Protocol):
    """What reaches the GPUs of one machine. All sequences are in its order of GPUs (G,)."""

    @property
    def serial(self) -> str | None:
        """What the machine called itself at the last look."""

    async def look(self) -> Sequence[GpuSight]:
        """Return what each says; raises DriverLoss where none does, or all of them cannot be told from each other."""

    async def limit(self, limits_w: Sequence[int]) -> CommandOutcome:
        """Set limits, what goes down first; nothing goes up any more after one that was not accepted."""

    async def ask_again(self, asked: Mapping[str, str]) -> CommandOutcome:
        """Ask of GPUs, by name, what was asked of them."""

    async def identity(self) -> DeviceIdentity:
        """Return what the machine is; raises DriverLoss."""

    async def warnings(self) -> Sequence[str]:
        """Return what looks wrong about reaching them; raises DriverLoss."""

    async def close(self) -> None:
        """Give back what it holds."""


class GpuMachine:
    """A `DeviceDriver` over `access`."""

    def __init__(self, target: Target, access: GpuAccess) -> None:
        self._model, self._access = target.model, access
        self._hook = None if target.jobs is None else JobHook(target.jobs, device=target.place)
        self._ranges: dict[str, GpuRange] = {}
        self._told_w: int | None = None

    async def read(self) -> DeviceReading:
        """Return what the GPUs say, and the rest of the machine by its model: with such a rest the watts are an estimate."""
        gpus = await self._look(CALL_S)
        shares = self._shares(gpus)
        seen_w = [gpu.watts for gpu in gpus if gpu.watts is not None]
        drawn_w = sum(seen_w) + shares.rest_w if len(seen_w) == len(gpus) else None
        by = MeasuredBy.PSU if shares.rest_w == 0 else MeasuredBy.ESTIMATE
        off = self._is_off(drawn_w, by)
        limits_w = shares.setpoint_w([gpu.enforced_w for gpu in gpus], self._told_w)
        return DeviceReading(
            setpoint_w=self._model.off_w if off else limits_w,
            watts=drawn_w,
            measured_by=MeasuredBy.NOTHING if drawn_w is None else by,
            activity=self._activity(off=off),
            serial=self._access.serial,
        )

    async def command(self, watts: int) -> CommandOutcome:
        """Set the limits that share `watts`; its off watts, or less, take its jobs away."""
        self._told_w = watts
        if watts <= self._model.off_w:
            return await self._rest(JobVerb.DRAIN)
        outcome = await self._limit(lambda shares: shares.of(watts))
        if outcome is not CommandOutcome.ACCEPTED or self._hook is None or self._hook.drained is False:
            return outcome
        return await self._hook.go(JobVerb.RESUME, within_s=CALL_S - LIMITS_S)

    async def stop(self) -> CommandOutcome:
        """Take its jobs away, whatever that costs their work."""
        self._told_w = self._model.off_w
        return await self._rest(JobVerb.STOP)

    async def identity(self) -> DeviceIdentity:
        """Return what the machine is."""
        return await self._access.identity()

    async def settings(self) -> DeviceSettings:
        """Return what was asked of each GPU, whoever has asked it."""
        gpus = await self._look(CALL_S)
        if lost := [f"{gpu.name}: {gpu.error or 'no limit'}" for gpu in gpus if gpu.asked is None]:
            raise DriverLoss(", ".join(lost))
        return DeviceSettings(
            asleep=self._hook is not None and self._hook.drained is True,
            other=tuple((gpu.name, gpu.asked or "") for gpu in gpus),
        )

    async def restore(self, found: DeviceSettings) -> CommandOutcome:
        """Ask of each GPU what was asked of it, and let its jobs come where they could."""
        self._told_w = None
        try:
            async with asyncio.timeout(LIMITS_S):
                outcome = await self._access.ask_again(dict(found.other))
        except (DriverLoss, TimeoutError):
            return CommandOutcome.UNKNOWN
        if outcome is not CommandOutcome.ACCEPTED or self._hook is None or found.asleep:
            return outcome
        return await self._hook.go(JobVerb.RESUME, within_s=CALL_S - LIMITS_S)

    async def findings(self) -> Sequence[str]:
        """Return what looks wrong about leading it."""
        gpus = await self._look(CALL_S)
        shares, lost = self._shares(gpus), [f"{gpu.name} ({gpu.error})" for gpu in gpus if gpu.error]
        least_w, off_w = self._model.modes[1].watts, self._model.off_w
        lowest_w, rest_w = sum(shares.lowest_w), shares.rest_w
        said = {
            f"these of its GPUs do not answer, and count with their highest limit: {', '.join(lost)}": bool(lost),
            f"its GPUs take no less than {lowest_w} W, its model says {least_w:g} W": lowest_w > least_w,
            f"{rest_w} W of it are no GPU's, and are taken from its model": rest_w > 0,
            f"off can never be proven: its model says {off_w} W, of which {rest_w} W are no GPU's": rest_w >= off_w,
            "no command takes its jobs away, so that it cannot be switched off": self._hook is None,
        }
        return [*(words for words, holds in said.items() if holds), *await self._access.warnings()]

    async def close(self) -> None:
        """End a command of the site that is under way; limits stay."""
        if self._hook is not None:
            await self._hook.close()
        await self._access.close()

    async def _rest(self, verb: JobVerb) -> CommandOutcome:
        outcome = await self._limit(lambda shares: shares.lowest_w)
        if self._hook is None:
            return CommandOutcome.REFUSED if outcome is CommandOutcome.ACCEPTED else outcome
        drained = await self._hook.go(verb, within_s=CALL_S - LIMITS_S)
        return drained if outcome is CommandOutcome.ACCEPTED else outcome

    async def _limit(self, wanted: Callable[[GpuShares], list[int] | None]) -> CommandOutcome:
        """Set limits; where there are none that fit, the lowest, which is a refusal."""
        try:
            async with asyncio.timeout(LIMITS_S):
                shares = self._shares(await self._look(LIMITS_S))
                limits = wanted(shares)
                outcome = await self._access.limit(shares.lowest_w if limits is None else limits)
        except (DriverLoss, TimeoutError):
            return CommandOutcome.UNKNOWN
        return CommandOutcome.REFUSED if limits is None and outcome is CommandOutcome.ACCEPTED else outcome

    async def _look(self, within_s: float) -> Sequence[GpuSight]:
        try:
            async with asyncio.timeout(within_s):
                gpus = await self._access.look()
        except TimeoutError as error:
            raise DriverLoss(f"it does not say all of its GPUs within {within_s:g} s") from error
        self._ranges |= {gpu.name: gpu.range for gpu in gpus if gpu.range is not None}
        return gpus

    def _shares(self, gpus: Sequence[GpuSight]) -> GpuShares:
        """Return how its GPUs share a setpoint; raises DriverLoss where none has ever said its limits.

        One that has not is taken for one like another.
        """
        known = next(iter(self._ranges.values()), None)
        if known is None:
            raise DriverLoss("no GPU says its limits")
        return GpuShares(model=self._model, ranges=tuple(self._ranges.get(gpu.name, known) for gpu in gpus))

    def _is_off(self, drawn_w: float | None, by: MeasuredBy) -> bool:
        drained = self._hook is not None and self._hook.drained is True
        return drained and drawn_w is not None and drawn_w <= most_w(self._model.off_w, self._model, by)

    def _activity(self, *, off: bool) -> Activity:
        verb = None if self._hook is None else self._hook.under_way
        return Activity.OFF if off else Activity.RUNNING if verb is None else _ACTIVITIES[verb]
