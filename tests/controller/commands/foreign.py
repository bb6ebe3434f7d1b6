"""Modbus servers of other makers, each with the registers of a simulated meter in it: pyModbusTCP, libmodbus, modbus-serial."""

from __future__ import annotations

import ctypes
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path

import pytest
from pyModbusTCP.server import DataBank, ModbusServer

from tests.ports import free_port

#: A word by function code (3 or 4) and address.
Image = Mapping[tuple[int, int], int]

MODBUS_SERIAL = Path(__file__).parent / "modbus_serial"


class _Registers(DataBank):
    """Holding and input registers; what is not there is refused with exception 2."""

    def __init__(self, image: Image) -> None:
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
def pymodbustcp(image: Image) -> Iterator[int]:
    """Serve the image, whatever unit is asked; yields the port."""
    port = free_port()
    server = ModbusServer(host="127.0.0.1", port=port, no_block=True, data_bank=_Registers(image))
    server.start()
    try:
        yield port
    finally:
        server.stop()


@contextmanager
def libmodbus(image: Image) -> Iterator[int]:
    """Serve the image by the C library that most makers of gateways use; a gap between two words of one function code reads as 0."""
    name = find_library("modbus")
    if name is None:
        pytest.skip("libmodbus is not installed")
    library = ctypes.CDLL(name)
    library.modbus_new_tcp.restype = library.modbus_mapping_new_start_address.restype = ctypes.c_void_p
    mapping = _mapping(library, image)
    talks: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:  # it is closed: the test is over
                    return
                talks.append(threading.Thread(target=_talk, args=(library, mapping, connection)))
                talks[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield port
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
    for talk in talks:
        talk.join()
    library.modbus_mapping_free(ctypes.c_void_p(mapping))


class _Mapping(ctypes.Structure):
    """`modbus_mapping_t` of modbus.h."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("nb_bits", "start_bits", "nb_input_bits", "start_input_bits")),
        *((name, ctypes.c_int) for name in ("nb_input", "start_input", "nb_registers", "start_registers")),
        *((name, ctypes.c_void_p) for name in ("bits", "input_bits")),
        *((name, ctypes.POINTER(ctypes.c_uint16)) for name in ("input", "registers")),
    ]


def _mapping(library: ctypes.CDLL, image: Image) -> int:
    spans = []
    for fc in (3, 4):
        addresses = [address for of, address in image if of == fc]
        spans.append((min(addresses, default=0), max(addresses, default=-1) + 1 - min(addresses, default=0)))
    (holding, holdings), (inputs, count) = spans
    made: int = library.modbus_mapping_new_start_address(0, 0, 0, 0, holding, holdings, inputs, count)
    mapping = _Mapping.from_address(made)
    for (fc, address), word in image.items():
        (mapping.registers if fc == 3 else mapping.input)[address - (holding if fc == 3 else inputs)] = word
    return made


def _talk(library: ctypes.CDLL, mapping: int, connection: socket.socket) -> None:
    """Answer until the other side goes."""
    context = ctypes.c_void_p(library.modbus_new_tcp(b"127.0.0.1", 0))
    library.modbus_set_socket(context, connection.fileno())
    query = (ctypes.c_uint8 * 260)()
    with connection:
        while (length := library.modbus_receive(context, query)) >= 0:
            if length:
                library.modbus_reply(context, query, length, ctypes.c_void_p(mapping))
    library.modbus_free(context)


@contextmanager
def modbus_serial(image: Image) -> Iterator[int]:
    """Serve the image by the package of node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (MODBUS_SERIAL / "node_modules").is_dir():
        pytest.skip("modbus-serial is not installed: npm ci --prefix tests/controller/commands/modbus_serial")
    words: dict[int, dict[int, int]] = {3: {}, 4: {}}
    for (fc, address), word in image.items():
        words[fc][address] = word
    port = free_port()
    command = [node, str(MODBUS_SERIAL / "server.cjs"), str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(words) + "\n")
        process.stdin.flush()
        try:
            assert process.stdout.readline() == "listens\n"
            yield port
        finally:
            process.stdin.close()


FOREIGN = {"pymodbustcp": pymodbustcp, "libmodbus": libmodbus, "modbus_serial": modbus_serial}
