"""TLS to a device that is known by its own certificate, or by the one that signed it; nobody else is trusted."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from drivers.errors import ConfigError


@dataclass(frozen=True, slots=True)
class PinnedTls:
    """What a connection is made with; `sha256`: of the certificate that the device has to show, None where a CA vouches for it."""

    context: ssl.SSLContext
    sha256: str | None = None

    @classmethod
    def by_ca(cls, path: Path) -> Self:
        """Trust what a CA has signed for the address that is asked; raises ConfigError for a file that is no certificate."""
        try:
            return cls(ssl.create_default_context(cafile=path))
        except OSError as error:  # an SSLError is one
            raise ConfigError(f"{path}: {error.strerror or error}") from error

    @classmethod
    def by_sha256(cls, digits: str) -> Self:
        """Trust one certificate alone, whatever it says and whoever has signed it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # `check` is stricter
        return cls(context, digits.lower())

    def check(self, connection: ssl.SSLObject) -> None:
        """Raise OSError unless the device has shown the certificate that is meant; nothing has been sent to it yet."""
        if self.sha256 is None:
            return
        shown = hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
        if shown != self.sha256:
            raise OSError(f"it shows another certificate, with the SHA-256 {shown}")
