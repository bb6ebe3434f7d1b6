"""Device identification: the meter says in words who made it, if it can (function 43, MEI type 14).

Source: Modbus application protocol 1.1b3, section 6.21. Over a connection of its own, which is closed afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient, AsyncModbusTlsClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerType
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse

from controller.commands.meter.meter_line import Address
from controller.terminal.escaped import escaped

# A meter without it is the usual case, and pymodbus would report that as a failure.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_Client = AsyncModbusTcpClient | AsyncModbusSerialClient | AsyncModbusTlsClient


async def identify(address: Address) -> tuple[str, ...]:
    """Return vendor, product code and revision; nothing where the meter does not say."""
    client = _client(address)
    try:
        if not await client.connect():
            return ()
        response = await client.read_device_information(read_code=1, device_id=address.unit)
    except (ModbusException, OSError):
        return ()
    finally:
        client.close()
    if not isinstance(response, ReadDeviceInformationResponse):
        return ()
    return tuple(_text(response.information[key]) for key in sorted(response.information))


def _client(address: Address) -> _Client:
    place, timeout_s = address.place, address.timeout_s
    if place.serial is not None:
        serial = place.serial
        return AsyncModbusSerialClient(
            serial.device,
            baudrate=serial.baud,
            parity=serial.parity[0].upper(),
            stopbits=serial.stop_bits,
            timeout=timeout_s,
            retries=0,
            reconnect_delay=0,
        )
    if place.tls is not None:
        return AsyncModbusTlsClient(
            place.host, port=place.port, sslctx=place.tls.context(), timeout=timeout_s, retries=0, reconnect_delay=0
        )
    framer = FramerType.RTU if place.transport == "rtu_over_tcp" else FramerType.SOCKET
    return AsyncModbusTcpClient(
        place.host, port=place.port, framer=framer, timeout=timeout_s, retries=0, reconnect_delay=0
    )


def _text(value: bytes | Sequence[bytes]) -> str:
    raw = value if isinstance(value, bytes) else b" ".join(value)
    return escaped(raw.decode("latin-1").strip("\0 "))
