"""Meters on Modbus: TCP, RTU over TCP, RTU on a serial port, TLS; one connection a bus, one request at a time on it."""

from drivers.meters.modbus.bus import buses, read_bus, read_forever
from drivers.meters.modbus.meter import ModbusMeter
from drivers.meters.modbus.reader import Reader, read_fully, read_once, reading
from drivers.modbus.answers import EXCEPTIONS
from drivers.modbus.connection import connected
from drivers.modbus.line import NoAnswer, framing_of
from drivers.modbus.place import MeterTls, Place, Serial

__all__ = [
    "EXCEPTIONS",
    "MeterTls",
    "ModbusMeter",
    "NoAnswer",
    "Place",
    "Reader",
    "Serial",
    "buses",
    "connected",
    "framing_of",
    "read_bus",
    "read_forever",
    "read_fully",
    "read_once",
    "reading",
]
