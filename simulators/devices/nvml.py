"""A machine with GPUs of NVIDIA behind the simulated NVML: limits for each GPU, a BMC that caps below them, GPUs that are lost.

Ranges are those of an H100 SXM5 (nvidia-smi, stackhpc/ansible-slurm-appliance PR 975), codes those of nvidia-ml-py; that a driver
which is loaded anew has forgotten its limits is in NVIDIA's description. Assumed: that all GPUs of a machine draw alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from simulators.devices.server import UnitServer
from simulators.devices.traps import ReplyForm
from simulators.devices.unit import DeviceUnit

LOWEST_W: Final = 200
HIGHEST_W: Final = 700
#: Codes of NVML.
_OK, _INVALID, _NOT_SUPPORTED, _NO_PERMISSION, _NOT_FOUND, _LOST, _UNKNOWN = 0, 2, 3, 4, 6, 15, 999
_FORMS: Final = {ReplyForm.NO: _NO_PERMISSION, ReplyForm.HTTP_500: _LOST}


class NvmlReply(NamedTuple):
    """What is said to one call, and in which form; `then` is to be called once it is said."""

    form: ReplyForm
    said: str
    then: Callable[[], None] = lambda: None


async def answer_lines(
    reply: Callable[[str, str, int], NvmlReply], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer the calls of one thread of the library, one line each, until it goes or has to."""
    while line := await reader.readline():
        name, of, value = line.decode().split()
        form, said, then = reply(name, of, int(value))
        if form is ReplyForm.CLOSED:
            return
        if form is ReplyForm.NOTHING:
            await asyncio.Event().wait()
        writer.write(f"{said if form is ReplyForm.YES else _FORMS.get(form, _UNKNOWN)}\n".encode())
        await writer.drain()
        then()


class NvmlServer(UnitServer):
    """The machine of a unit with so many GPUs. Its habits may be changed at any time.

    `bmc_w`: what a BMC caps each GPU at, None for nothing. `lost`: places of GPUs that are off the bus. `not_permitted`: nobody may
    set limits. `not_supported`: the boards have no such limit. `persistent`: whether persistence mode is on. `jobs`: whether there
    are any; without them all rests at the unit's off watts.
    """

    def __init__(self, unit: DeviceUnit, *, gpus: int = 1, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(unit, self._answer_all, host=host, port=port)
        self._unit, self._count = unit, gpus
        self.bmc_w: int | None = None
        self.lost: set[int] = set()
        self.not_permitted = self.not_supported = False
        self.persistent, self.jobs = True, True
        self.limits_mw = [1000 * HIGHEST_W] * gpus
        self._boots, self._told_w = unit.boots, unit.told_w
        self._share()

    @property
    def uuids(self) -> tuple[str, ...]:
        """The UUIDs of its GPUs."""
        return tuple(f"GPU-{self._unit.serial}-{place}" for place in range(self._count))

    @property
    def _rest_w(self) -> int:
        return max(0, int(self._unit.model.modes[1].watts) - self._count * LOWEST_W)

    def enforced_mw(self, place: int) -> int:
        """Return what is enforced of a GPU."""
        return min(self.limits_mw[place], 1000 * (self.bmc_w or HIGHEST_W))

    def settle(self) -> None:
        """Have the machine run on what is enforced now, after a change from outside."""
        watts = self._rest_w + sum(self.enforced_mw(place) for place in range(self._count)) // 1000
        self._told_w = min(watts, self._unit.model.max_w) if self.jobs else self._unit.model.off_w
        self._unit.tell(self._told_w)

    def _share(self) -> None:
        """Take what the unit was told from elsewhere as limits."""
        each_mw = 1000 * (self._unit.told_w - self._rest_w) // self._count
        self.limits_mw = [min(max(each_mw, 1000 * LOWEST_W), 1000 * HIGHEST_W)] * self._count
        self._told_w = self._unit.told_w

    def _let_time_pass(self) -> None:
        if self._boots != self._unit.boots:
            self._boots, self.limits_mw = self._unit.boots, [1000 * HIGHEST_W] * self._count
            self.settle()
        elif self._unit.told_w != self._told_w:
            self._share()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer_lines(self.reply, reader, writer)

    def reply(self, name: str, of: str, value: int) -> NvmlReply:
        """Return what is said to a call of that name, of a place or a UUID."""
        if not self._unit.answers:
            return NvmlReply(ReplyForm.CLOSED, "")
        self._let_time_pass()
        self._unit.asked(name, writes=name in {"set", "jobs"})
        if name != "set":
            return NvmlReply(ReplyForm.YES, self._say(name, of))
        moved_from_w, code = self._unit.told_w, self._may_set(int(of), value)
        form = self._unit.manner().reply if code == _OK else ReplyForm.YES
        said = self._set(int(of), value, code)
        return NvmlReply(form, said, lambda: self._unit.wrote(moved_from_w))

    def _may_set(self, place: int, limit_mw: int) -> int:
        if place in self.lost:
            return _LOST
        if self.not_supported:
            return _NOT_SUPPORTED
        if self.not_permitted:
            return _NO_PERMISSION
        return _OK if 1000 * LOWEST_W <= limit_mw <= 1000 * HIGHEST_W else _INVALID

    def _set(self, place: int, limit_mw: int, code: int) -> str:
        if code == _OK and self._unit.manner().does:
            self.limits_mw[place] = limit_mw
            self.settle()
        return str(code)

    def _say(self, name: str, of: str) -> str:
        match name:
            case "init":
                return str(_OK)
            case "driver":
                return f"{_OK} 570.86.15"
            case "count":
                return f"{_OK} {self._count}"
            case "by_uuid":
                place = self.uuids.index(of) if of in self.uuids else None
                return str(_NOT_FOUND) if place is None else str(_LOST) if place in self.lost else f"{_OK} {place}"
            case "jobs":
                self.jobs = of == "yes"
                self.settle()
                return str(_OK)
            case _:
                return self._of_gpu(name, int(of))

    def _of_gpu(self, name: str, place: int) -> str:
        if place in self.lost:
            return str(_LOST)
        draw_mw = 1000 * max(0.0, self._unit.said_w - self._rest_w) / self._count
        said = {
            "by_index": place,
            "uuid": self.uuids[place],
            "name": "NVIDIA-H100-80GB-HBM3",
            "persistence": int(self.persistent),
            "usage": round(draw_mw),
            "enforced": self.enforced_mw(place),
            "limit": self.limits_mw[place],
            "default": 1000 * HIGHEST_W,
            "range": f"{1000 * LOWEST_W} {1000 * HIGHEST_W}",
        }
        return f"{_OK} {said[name]}" if name in said else str(_NOT_SUPPORTED)
