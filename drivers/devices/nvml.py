"""GPUs of NVIDIA in the agent's own machine, by NVML: a power limit for each. One device is one GPU, or all of a machine.

What it runs on is what NVML says that it *enforces*, at every reading: the least of what was asked here, of what a BMC caps, and of
what the board allows. A GPU that has fallen off the bus counts with its highest limit. A limit bounds the draw of a GPU and does
not bring it to rest: that is a matter of jobs, so off is a command of the site's own (`JobHook`), and the machine is said to be
off only where its jobs are gone and its GPUs draw no more than the model's off watts. Without such a command off is refused, at
their lowest limits. All calls of the library are made in one thread, for any of them may block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import pynvml

from drivers.devices.driver import CALL_S, DeviceIdentity, DeviceSettings, Target
from drivers.devices.gpu_shares import GpuRange, GpuShares
from drivers.devices.job_hook import JobHook, JobVerb
from drivers.devices.work_thread import WorkThread
from drivers.errors import ConfigError, DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.agent.proof import most_w
from drivers.fleet.wire import Activity, MeasuredBy

T = TypeVar("T")

#: Setting limits may take so long of a call; the rest is for the command of the site.
_LIMITS_S: Final = 2.0
#: After these nothing was done: out of its range, no such thing on this board, not allowed to this user or guest.
_REFUSALS: Final = frozenset(
    {pynvml.NVML_ERROR_INVALID_ARGUMENT, pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_NO_PERMISSION}
)
_NOT_BEGUN: Final = frozenset({pynvml.NVML_ERROR_UNINITIALIZED, pynvml.NVML_ERROR_DRIVER_NOT_LOADED})
_ACTIVITIES: Final = {
    JobVerb.DRAIN: Activity.STOPPING,
    JobVerb.STOP: Activity.STOPPING,
    JobVerb.RESUME: Activity.STARTING,
}


class NvmlLibrary:
    """NVML, begun by its first call and anew after its driver was away; all of it in one thread."""

    def __init__(self) -> None:
        self.thread = WorkThread("NVML")
        self._is_begun = False

    async def ask(self, work: Callable[[Callable[[], bool]], T], *, within_s: float = CALL_S) -> T:
        """Return what `work` returns; raises DriverLoss where NVML has an error or does not answer."""
        try:
            return await self.thread.run(lambda is_wanted: self._begun(work, is_wanted), within_s=within_s)
        except pynvml.NVMLError as error:
            raise DriverLoss(f"NVML: {error}") from error

    def _begun(self, work: Callable[[Callable[[], bool]], T], is_wanted: Callable[[], bool]) -> T:
        if not self._is_begun:
            pynvml.nvmlInit()
            self._is_begun = True
        try:
            return work(is_wanted)
        except pynvml.NVMLError as error:
            self._is_begun = error.value not in _NOT_BEGUN
            raise


#: The library of this process.
library = NvmlLibrary()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gpu:
    """One GPU as it says itself, in W. `error`: what NVML says instead, None where it answers."""

    uuid: str
    range: GpuRange | None = None
    enforced_w: float | None = None
    requested_mw: int | None = None
    watts: float | None = None
    error: str | None = None


def open_device(target: Target) -> Nvml:
    """Return the driver of the GPUs that the file names; raises ConfigError where it names none."""
    if not target.gpus:
        raise ConfigError("NVML: found no `gpus`, allowed are UUIDs of GPUs as `nvidia-smi -L` lists them")
    return Nvml(target)


class Nvml:
    """A `DeviceDriver`."""

    def __init__(self, target: Target) -> None:
        self._target, self._model, self._uuids = target, target.model, target.gpus
        self._hook = None if target.jobs is None else JobHook(target.jobs, device=target.gpus[0])
        self._ranges: dict[str, GpuRange] = {}
        self._told_w: int | None = None

    async def read(self) -> DeviceReading:
        """Return what the GPUs say, and the rest of the machine by its model: with such a rest the watts are an estimate."""
        gpus = await library.ask(self._gpus)
        shares = self._shares()
        seen_w = [gpu.watts for gpu in gpus]
        drawn_w = None if None in seen_w else sum(watts for watts in seen_w if watts is not None) + shares.rest_w
        by = MeasuredBy.PSU if shares.rest_w == 0 else MeasuredBy.ESTIMATE
        off = self._is_off(drawn_w, by)
        limits_w = shares.setpoint_w([gpu.enforced_w for gpu in gpus], self._told_w)
        return DeviceReading(
            setpoint_w=self._model.off_w if off else limits_w,
            watts=drawn_w,
            measured_by=MeasuredBy.NOTHING if drawn_w is None else by,
            activity=self._activity(off=off),
            serial=self._uuids[0],
        )

    async def command(self, watts: int) -> CommandOutcome:
        """Set the limits that share `watts`; its off watts, or less, take its jobs away."""
        self._told_w = watts
        if watts <= self._model.off_w:
            return await self._rest(JobVerb.DRAIN)
        outcome = await self._limit(lambda shares: shares.of(watts))
        if outcome is not CommandOutcome.ACCEPTED or self._hook is None or self._hook.drained is False:
            return outcome
        return await self._hook.go(JobVerb.RESUME, within_s=CALL_S - _LIMITS_S)

    async def stop(self) -> CommandOutcome:
        """Take its jobs away, whatever that costs their work."""
        self._told_w = self._model.off_w
        return await self._rest(JobVerb.STOP)

    async def identity(self) -> DeviceIdentity:
        """Return what the machine is: it is the one of the file where any GPU of the file is in it."""

        def look(_: Callable[[], bool]) -> tuple[str | None, str | None, str]:
            ours = [uuid for uuid in self._uuids if _is_here(uuid)]
            first = next(iter(ours), None) or _first_uuid()
            model = None if first is None else _or_none(lambda uuid: pynvml.nvmlDeviceGetName(_handle(uuid)), first)
            return self._uuids[0] if ours else first, model, pynvml.nvmlSystemGetDriverVersion()

        serial, model, version = await library.ask(look)
        return DeviceIdentity(family="nvml", model=model, firmware=version, serial=serial)

    async def settings(self) -> DeviceSettings:
        """Return what was asked of each GPU, whoever has asked it."""
        gpus = await library.ask(self._gpus)
        if lost := [f"{gpu.uuid}: {gpu.error or 'no limit'}" for gpu in gpus if gpu.requested_mw is None]:
            raise DriverLoss(f"NVML: {', '.join(lost)}")
        asked = {gpu.uuid: gpu.requested_mw or 0 for gpu in gpus}
        return DeviceSettings(
            limit_w=sum(asked.values()) // 1000,
            asleep=self._hook is not None and self._hook.drained is True,
            other=tuple((uuid, f"{limit_mw} mW") for uuid, limit_mw in asked.items()),
        )

    async def restore(self, found: DeviceSettings) -> CommandOutcome:
        """Ask of each GPU what was asked of it, and let its jobs come where they could."""
        self._told_w = None
        was_mw = {uuid: int(text.removesuffix(" mW")) for uuid, text in found.other if uuid in self._uuids}
        outcome = await library.ask(lambda is_wanted: _set(was_mw, is_wanted), within_s=_LIMITS_S)
        if outcome is not CommandOutcome.ACCEPTED or self._hook is None or found.asleep:
            return outcome
        return await self._hook.go(JobVerb.RESUME, within_s=CALL_S - _LIMITS_S)

    async def findings(self) -> Sequence[str]:
        """Return what looks wrong about leading it."""

        def look(is_wanted: Callable[[], bool]) -> tuple[list[_Gpu], list[str]]:
            modes = {
                uuid: _or_none(lambda u: pynvml.nvmlDeviceGetPersistenceMode(_handle(u)), uuid) for uuid in self._uuids
            }
            return self._gpus(is_wanted), [uuid for uuid, mode in modes.items() if mode == 0]

        gpus, fleeting = await library.ask(look)
        shares, lost = self._shares(), [f"{gpu.uuid} ({gpu.error})" for gpu in gpus if gpu.error]
        least_w, off_w = self._model.modes[1].watts, self._model.off_w
        said = {
            f"these of its GPUs do not answer, and count with their highest limit: {', '.join(lost)}": bool(lost),
            f"persistence mode is off, so that limits are lost when nothing uses them: {', '.join(fleeting)}": bool(
                fleeting
            ),
            f"its GPUs take no less than {sum(shares.lowest_w)} W, its model says {least_w:g} W": sum(shares.lowest_w)
            > least_w,
            f"{shares.rest_w} W of it are no GPU's, and are taken from its model": shares.rest_w > 0,
            f"off can never be proven: its model says {off_w} W, of which {shares.rest_w} W are no GPU's": shares.rest_w
            >= off_w,
            "no command takes its jobs away, so that it cannot be switched off": self._hook is None,
        }
        return [words for words, holds in said.items() if holds]

    async def close(self) -> None:
        """End a command of the site that is under way; limits stay."""
        if self._hook is not None:
            await self._hook.close()

    async def _rest(self, verb: JobVerb) -> CommandOutcome:
        outcome = await self._limit(lambda shares: shares.lowest_w)
        if self._hook is None:
            return CommandOutcome.REFUSED if outcome is CommandOutcome.ACCEPTED else outcome
        drained = await self._hook.go(verb, within_s=CALL_S - _LIMITS_S)
        return drained if outcome is CommandOutcome.ACCEPTED else outcome

    async def _limit(self, wanted: Callable[[GpuShares], list[int] | None]) -> CommandOutcome:
        """Set limits; where there are none that fit, the lowest, which is a refusal."""

        def work(is_wanted: Callable[[], bool]) -> CommandOutcome:
            self._gpus(is_wanted)
            shares = self._shares()
            limits = wanted(shares)
            pairs = zip(self._uuids, shares.lowest_w if limits is None else limits, strict=True)
            outcome = _set({uuid: 1000 * watts for uuid, watts in pairs}, is_wanted)
            return CommandOutcome.REFUSED if limits is None and outcome is CommandOutcome.ACCEPTED else outcome

        try:
            return await library.ask(work, within_s=_LIMITS_S)
        except DriverLoss:
            return CommandOutcome.UNKNOWN

    def _gpus(self, _: Callable[[], bool]) -> list[_Gpu]:
        gpus = [_gpu(uuid) for uuid in self._uuids]
        self._ranges |= {gpu.uuid: gpu.range for gpu in gpus if gpu.range is not None}
        if all(gpu.error is not None for gpu in gpus):
            raise DriverLoss(f"NVML: {gpus[0].uuid}: {gpus[0].error}")
        return gpus

    def _shares(self) -> GpuShares:
        """Return how its GPUs share a setpoint; raises DriverLoss where none has ever said its limits.

        One that has not is taken for one like another.
        """
        known = next(iter(self._ranges.values()), None)
        if known is None:
            raise DriverLoss("NVML: no GPU says its limits")
        return GpuShares(model=self._model, ranges=tuple(self._ranges.get(uuid, known) for uuid in self._uuids))

    def _is_off(self, drawn_w: float | None, by: MeasuredBy) -> bool:
        drained = self._hook is not None and self._hook.drained is True
        return drained and drawn_w is not None and drawn_w <= most_w(self._model.off_w, self._model, by)

    def _activity(self, *, off: bool) -> Activity:
        verb = None if self._hook is None else self._hook.under_way
        return Activity.OFF if off else Activity.RUNNING if verb is None else _ACTIVITIES[verb]


def _gpu(uuid: str) -> _Gpu:
    try:
        handle = _handle(uuid)
        enforced_w = pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000
    except pynvml.NVMLError as error:
        if error.value in _NOT_BEGUN:
            raise
        return _Gpu(uuid=uuid, error=str(error))
    limits_mw = _or_none(pynvml.nvmlDeviceGetPowerManagementLimitConstraints, handle)
    drawn_mw = _or_none(pynvml.nvmlDeviceGetPowerUsage, handle)
    return _Gpu(
        uuid=uuid,
        range=None
        if limits_mw is None
        else GpuRange(lowest_w=-(-limits_mw[0] // 1000), highest_w=limits_mw[1] // 1000),
        enforced_w=enforced_w,
        requested_mw=_or_none(pynvml.nvmlDeviceGetPowerManagementLimit, handle),
        watts=None if drawn_mw is None else drawn_mw / 1000,
    )


def _set(limits_mw: dict[str, int], is_wanted: Callable[[], bool]) -> CommandOutcome:
    """Set limits, what goes down first; nothing goes up any more after one that was not accepted."""
    worst = CommandOutcome.ACCEPTED
    steps = sorted((_rise_mw(uuid, limit_mw), uuid, limit_mw) for uuid, limit_mw in limits_mw.items())
    for rise_mw, uuid, limit_mw in steps:
        if not is_wanted():
            return CommandOutcome.UNKNOWN
        if rise_mw > 0 and worst is not CommandOutcome.ACCEPTED:
            break
        outcome = _set_one(uuid, limit_mw)
        if worst is not CommandOutcome.UNKNOWN and outcome is not CommandOutcome.ACCEPTED:
            worst = outcome
    return worst


def _set_one(uuid: str, limit_mw: int) -> CommandOutcome:
    try:
        pynvml.nvmlDeviceSetPowerManagementLimit(_handle(uuid), limit_mw)
    except pynvml.NVMLError as error:
        return CommandOutcome.REFUSED if error.value in _REFUSALS else CommandOutcome.UNKNOWN
    return CommandOutcome.ACCEPTED


def _rise_mw(uuid: str, limit_mw: int) -> int:
    """Return by how much a limit is above what is enforced; 0 where that cannot be read, after all that goes down."""
    enforced_mw = _or_none(lambda one: pynvml.nvmlDeviceGetEnforcedPowerLimit(_handle(one)), uuid)
    return limit_mw - enforced_mw if isinstance(enforced_mw, int) else 0


def _is_here(uuid: str) -> bool:
    """Return whether the machine has the GPU, be it off the bus."""
    try:
        _handle(uuid)
    except pynvml.NVMLError as error:
        if error.value in _NOT_BEGUN:
            raise
        return bool(error.value != pynvml.NVML_ERROR_NOT_FOUND)
    return True


def _first_uuid() -> str | None:
    if pynvml.nvmlDeviceGetCount() == 0:
        return None
    uuid: str | None = _or_none(lambda place: pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(place)), 0)
    return uuid


def _handle(uuid: str) -> Any:
    return pynvml.nvmlDeviceGetHandleByUUID(uuid)


def _or_none(ask: Callable[[Any], Any], argument: object) -> Any:
    try:
        return ask(argument)
    except pynvml.NVMLError as error:
        if error.value in _NOT_BEGUN:
            raise
        return None
