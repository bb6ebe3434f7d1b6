"""Where meters are that speak DLMS/COSEM: behind a TCP address, in the wrapper or in HDLC frames, or on a serial port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from drivers.modbus.place import Serial

Transport = Literal["wrapper", "hdlc_over_tcp", "hdlc"]

#: The port of DLMS/COSEM that IANA lists.
PORT: Final = 4059
#: What may be wrong where there is a connection, and not a byte ever comes over it.
_UNHEARD: Final[Mapping[Transport, str]] = {
    "wrapper": "another client or server address, `transport: hdlc_over_tcp`, or another client on its only connection?",
    "hdlc_over_tcp": "another client, server or physical address, `transport: wrapper`, or another baud rate in the "
    "device server?",
    "hdlc": "another physical address, baud rate or parity, or A and B exchanged?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DlmsPlace:
    """One line. `serial` belongs to the transport ``hdlc`` alone, host and port to the others."""

    transport: Transport = "wrapper"
    host: str = ""
    port: int = PORT
    serial: Serial | None = None

    @property
    def unheard(self) -> str:
        """What may be wrong where not a byte ever comes from there."""
        return _UNHEARD[self.transport]

    def __str__(self) -> str:
        """Return how a person calls it."""
        return self.serial.device if self.serial else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """Who asks whom on a line: the client, and the server (the logical device), as numbers.

    `physical`: of the meter on an HDLC line, None where it is alone on it. `length`: bytes of the server's HDLC address, 1, 2
    or 4; 0 for as few as hold it.
    """

    client: int
    server: int
    physical: int | None = None
    length: int = 0
