"""GPUs of NVIDIA in the agent's own machine, by NVML. One device is one GPU, or all of a machine; what it is told is `GpuMachine`'s.

What is enforced is NVML's own word for it, so that the cap of a BMC, which wins silently, is seen at the next reading, as is a limit
that somebody has raised or that was lost with the driver. All calls of the library are made in one thread, for any may block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import pynvml

from drivers.devices.driver import CALL_S, DeviceIdentity, Target
from drivers.devices.gpu_machine import GpuMachine, GpuSight
from drivers.devices.gpu_shares import GpuRange
from drivers.devices.work_thread import WorkThread
from drivers.errors import ConfigError, DriverLoss
from drivers.fleet.agent.device import CommandOutcome

T = TypeVar("T")

#: After these nothing was done: out of its range, no such thing on this board, not allowed to this user or guest.
_REFUSALS: Final = frozenset(
    {pynvml.NVML_ERROR_INVALID_ARGUMENT, pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_NO_PERMISSION}
)
_NOT_BEGUN: Final = frozenset({pynvml.NVML_ERROR_UNINITIALIZED, pynvml.NVML_ERROR_DRIVER_NOT_LOADED})


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


def open_device(target: Target) -> GpuMachine:
    """Return the driver of the GPUs that the file names; raises ConfigError where it names none."""
    if not target.gpus:
        raise ConfigError("NVML: found no `gpus`, allowed are UUIDs of GPUs as `nvidia-smi -L` lists them")
    return GpuMachine(target, NvmlGpus(target.gpus))


class NvmlGpus:
    """A `GpuAccess`; GPUs are named by their UUIDs, limits in mW."""

    def __init__(self, uuids: tuple[str, ...]) -> None:
        self._uuids = uuids

    @property
    def serial(self) -> str:
        """The first of them: what is said is of none but these."""
        return self._uuids[0]

    async def look(self) -> Sequence[GpuSight]:
        """Return what NVML says of each."""
        gpus = await library.ask(lambda _: [_sight(uuid) for uuid in self._uuids])
        if all(gpu.error is not None for gpu in gpus):
            raise DriverLoss(f"NVML: {gpus[0].name}: {gpus[0].error}")
        return gpus

    async def limit(self, limits_w: Sequence[int]) -> CommandOutcome:
        """Set limits."""
        limits_mw = {uuid: 1000 * watts for uuid, watts in zip(self._uuids, limits_w, strict=True)}
        return await library.ask(lambda is_wanted: _set(limits_mw, is_wanted))

    async def ask_again(self, asked: Mapping[str, str]) -> CommandOutcome:
        """Set the limits of before."""
        limits_mw = {uuid: int(text.removesuffix(" mW")) for uuid, text in asked.items() if uuid in self._uuids}
        return await library.ask(lambda is_wanted: _set(limits_mw, is_wanted))

    async def identity(self) -> DeviceIdentity:
        """Return what the machine is: it is the one of the file where any GPU of the file is in it."""

        def look(_: Callable[[], bool]) -> tuple[str | None, str | None, str]:
            ours = [uuid for uuid in self._uuids if _is_here(uuid)]
            first = next(iter(ours), None) or _first_uuid()
            model = None if first is None else _or_none(lambda uuid: pynvml.nvmlDeviceGetName(_handle(uuid)), first)
            return self._uuids[0] if ours else first, model, pynvml.nvmlSystemGetDriverVersion()

        serial, model, version = await library.ask(look)
        return DeviceIdentity(family="nvml", model=model, firmware=version, serial=serial)

    async def warnings(self) -> Sequence[str]:
        """Return which limits would be lost."""

        def look(_: Callable[[], bool]) -> list[str]:
            modes = {
                uuid: _or_none(lambda u: pynvml.nvmlDeviceGetPersistenceMode(_handle(u)), uuid) for uuid in self._uuids
            }
            return [uuid for uuid, mode in modes.items() if mode == 0]

        fleeting = ", ".join(await library.ask(look))
        lost = f"persistence mode is off, so that limits are lost when nothing uses them: {fleeting}"
        return [lost] if fleeting else []

    async def close(self) -> None:
        """Hold nothing: the library is the process's."""


def _sight(uuid: str) -> GpuSight:
    try:
        handle = _handle(uuid)
        enforced_w = pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000
    except pynvml.NVMLError as error:
        if error.value in _NOT_BEGUN:
            raise
        return GpuSight(name=uuid, error=str(error))
    range_mw = _or_none(pynvml.nvmlDeviceGetPowerManagementLimitConstraints, handle)
    asked_mw = _or_none(pynvml.nvmlDeviceGetPowerManagementLimit, handle)
    drawn_mw = _or_none(pynvml.nvmlDeviceGetPowerUsage, handle)
    return GpuSight(
        name=uuid,
        range=None if range_mw is None else GpuRange(lowest_w=-(-range_mw[0] // 1000), highest_w=range_mw[1] // 1000),
        enforced_w=enforced_w,
        asked=None if asked_mw is None else f"{asked_mw} mW",
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
