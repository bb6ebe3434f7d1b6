"""What the processes of the simulated world have in common: their start line, and their end on a signal or with who started them."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import signal
import sys
from collections.abc import Coroutine
from typing import Any, Final

from drivers.ending import until_cancelled

_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None, use_errno=True)


def announce_ready(what: str) -> None:
    """Print the line that the launcher waits for; it begins with ``ready``."""
    sys.stdout.write(f"ready {what}\n")
    sys.stdout.flush()


async def until_signalled(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until it ends or SIGTERM or SIGINT comes; a failure of it is raised."""
    task = asyncio.ensure_future(until_cancelled(work))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return


def split_address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``; a type for argparse, and raises its ArgumentTypeError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"found {text!r}, allowed is HOST:PORT")
    return host, int(port)


def end_with_the_parent() -> None:
    """Have this process be told to end (SIGTERM) when the one that started it is gone; for the moment between fork and exec."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
