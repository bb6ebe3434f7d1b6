"""Where meters are on Modbus: behind a TCP address, plain or in TLS, or on a serial port."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from drivers.errors import ConfigError

Transport = Literal["tcp", "rtu_over_tcp", "rtu", "tls"]
Parity = Literal["none", "even", "odd"]

#: What may be wrong where there is a connection, and not a byte ever comes over it.
_UNHEARD: Final[Mapping[Transport, str]] = {
    "tcp": "another unit, `transport: rtu_over_tcp`, or another client on its only connection?",
    "tls": "another unit, or another client on its only connection?",
    "rtu_over_tcp": "another unit, `transport: tcp`, or another baud rate or parity in the device server?",
    "rtu": "another unit, baud rate or parity, or A and B exchanged?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Serial:
    """A serial port with 8 data bits. `device`: its path, best one of ``/dev/serial/by-id``."""

    device: str
    baud: int = 9600
    parity: Parity = "none"
    stop_bits: int = 1

    @property
    def silence_s(self) -> float:
        """3.5 characters of 11 bits, which part two frames; 1.75 ms above 19200 baud (Modbus over serial line 1.02, 2.5.1.1)."""
        return max(3.5 * 11 / self.baud, 0.00175)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterTls:
    """Modbus security: who signed the meter's certificate, and what this client shows in return (all PEM files)."""

    ca: Path
    certificate: Path | None = None
    private_key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return what to connect with; raises ConfigError for files that cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.private_key)
        except OSError as error:  # SSLError is one
            names = ", ".join(str(path) for path in (self.ca, self.certificate, self.private_key) if path)
            raise ConfigError(f"{names}: {error}, allowed are readable PEM files that belong together") from error
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One bus. `serial` belongs to the transport ``rtu`` alone, host and port to the others, `tls` to ``tls``.

    `ignore_transaction`: for a server of Modbus TCP that does not echo the transaction number.
    """

    transport: Transport = "tcp"
    host: str = ""
    port: int = 502
    serial: Serial | None = None
    tls: MeterTls | None = None
    ignore_transaction: bool = False

    @property
    def unheard(self) -> str:
        """What may be wrong where not a byte ever comes from there."""
        return _UNHEARD[self.transport]

    def __str__(self) -> str:
        """Return how a person calls it."""
        return self.serial.device if self.serial else f"{self.host}:{self.port}"
