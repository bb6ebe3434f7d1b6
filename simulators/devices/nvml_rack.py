"""One machine with the GPUs of several devices: NVML of a process sees them all, each device names its own by their UUIDs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from simulators.devices.nvml import NvmlReply, NvmlServer, answer_lines
from simulators.devices.server import UnitServer
from simulators.devices.traps import ReplyForm

_OF_THE_MACHINE: Final = frozenset({"init", "driver"})


class NvmlRack(UnitServer):
    """The GPUs of `devices`, in their order, behind one library; those of a device that does not answer are as lost as it is."""

    def __init__(self, devices: Sequence[NvmlServer], *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(_Always(), self._answer, host=host, port=port)
        self._devices = tuple(devices)
        self._places = [(device, place) for device in devices for place in range(len(device.uuids))]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer_lines(self._reply, reader, writer)

    def _reply(self, name: str, of: str, value: int) -> NvmlReply:
        if name in _OF_THE_MACHINE:
            return self._devices[0].reply(name, of, value)
        if name == "jobs":
            return self._places[value][0].reply(name, of, value)
        if name == "count":
            return NvmlReply(ReplyForm.YES, f"0 {len(self._places)}")
        if name == "by_uuid":
            here = next((device for device in self._devices if of in device.uuids), self._devices[0])
            reply = here.reply(name, of, value)
            code, _, place = reply.said.partition(" ")
            return reply._replace(said=f"{code} {self._places.index((here, int(place)))}") if place else reply
        device, place_in_it = self._places[int(of)]
        reply = device.reply(name, str(place_in_it), value)
        return reply._replace(said=f"0 {of}") if name == "by_index" and reply.said.startswith("0 ") else reply


class _Always:
    """A machine that is up, whatever becomes of its GPUs."""

    answers = True
