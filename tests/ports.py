"""Ports of the loopback for what a test starts.

They lie below those that the system gives to connections, so that none is taken between the question and the start, and
in a range of each worker's own.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Final

_FIRST: Final = 10_000
#: Of one worker; a whole run asks for a few hundred.
_SHARE: Final = 1_000
_SHARES: Final = 12


def free_port() -> int:
    """Return a TCP port that nobody listens on, and that this process was never given before."""
    return next(_ports)


def _free_ports() -> Iterator[int]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    share = int(worker.removeprefix("gw") or -1) + 1
    first = _FIRST + share % _SHARES * _SHARE
    # Two runs at once have the same workers.
    begin = os.getpid() % _SHARE
    for step in range(_SHARE):
        port = first + (begin + step) % _SHARE
        if _is_free(port):
            yield port
    raise AssertionError(f"all ports from {first} to {first + _SHARE} have been given out")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_ports: Final = _free_ports()
