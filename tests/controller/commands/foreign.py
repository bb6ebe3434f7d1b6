"""Modbus servers of another maker: pyModbusTCP, with the registers of a simulated meter in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pyModbusTCP.server import DataBank, ModbusServer

from tests.ports import free_port


class _Registers(DataBank):
    """Holding and input registers by (function code, address); what is not there is refused with exception 2."""

    def __init__(self, image: Mapping[tuple[int, int], int]) -> None:
        super().__init__(virtual_mode=True)
        self._image = image

    def get_holding_registers(self, address: int, number: int = 1, srv_info: object = None) -> list[int] | None:
        return self._words(3, address, number)

    def get_input_registers(self, address: int, number: int = 1, srv_info: object = None) -> list[int] | None:
        return self._words(4, address, number)

    def _words(self, fc: int, address: int, number: int) -> list[int] | None:
        words = [self._image.get((fc, each)) for each in range(address, address + number)]
        return None if None in words else words


@contextmanager
def pymodbustcp(image: Mapping[tuple[int, int], int]) -> Iterator[int]:
    """Serve the image, whatever unit is asked; yields the port."""
    port = free_port()
    server = ModbusServer(host="127.0.0.1", port=port, no_block=True, data_bank=_Registers(image))
    server.start()
    try:
        yield port
    finally:
        server.stop()
