"""Talks to systemd by its notification socket, see sd_notify(3); silent where there is none."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

_log = logging.getLogger(__name__)


class Notifier:
    """Sends without ever blocking, so that the tick may kick the watchdog.

    `watchdog_s`: systemd kills the daemon when it is not kicked for so long; None without a watchdog.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Read NOTIFY_SOCKET, a path or an abstract name behind ``@``, WATCHDOG_USEC and WATCHDOG_PID."""
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        self._lost = False
        self.watchdog_s = _watchdog_s(environment)

    def ready(self) -> None:
        """Say that the daemon is up."""
        self._send("READY=1")

    def watchdog(self) -> None:
        """Kick the watchdog; for the tick alone, so that a tick that hangs is noticed."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the daemon is on its way down."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Set the line that ``systemctl status`` shows."""
        self._send("STATUS=" + " ".join(text.split()))

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()

    def _send(self, message: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(message.encode(), socket.MSG_DONTWAIT, self._address)
            self._lost = False
        except OSError as error:
            if not self._lost:
                _log.warning("systemd cannot be notified: %s", error, extra={"event": "notify_lost"})
            self._lost = True


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    period, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not period.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(period) / 1e6
