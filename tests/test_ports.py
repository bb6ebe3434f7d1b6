"""Ports that tests start on: free, given out once, and no other worker's."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.ports import free_port
from tests.waiting import DEADLINE_S

#: From here on Linux gives ports to connections.
_EPHEMERAL = 32_768


def given_to(worker: str, count: int) -> list[int]:
    code = f"from tests.ports import free_port; print(*(free_port() for _ in range({count})))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
        cwd=Path(__file__).parents[1],
        env=os.environ | {"PYTEST_XDIST_WORKER": worker},
    )
    return [int(word) for word in done.stdout.split()]


def test_no_port_is_given_out_twice_nor_to_two_workers() -> None:
    given = [port for worker in ("", "gw0", "gw1", "gw10") for port in given_to(worker, 500)]
    assert len(set(given)) == len(given) == 2000
    assert max(given) < _EPHEMERAL


def test_a_port_that_is_taken_is_not_given_out() -> None:
    following = free_port() + 1
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # where somebody else has taken it: as good
            taken.bind(("127.0.0.1", following))
        assert free_port() != following
