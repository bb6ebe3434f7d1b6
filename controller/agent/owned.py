"""One process at a time has the devices of an agent: whoever writes to them holds a lock beside its leases."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from controller.agent.model import AgentFile
from drivers.errors import ConfigError


@contextlib.contextmanager
def owned(file: AgentFile) -> Iterator[None]:
    """Hold the devices of a file; raises ConfigError where another process has them, or where nothing can be kept."""
    path: Path = file.state / f"{file.agent}.lock"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = path.open("wb")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"{path}: another process leads the devices of {file.agent}; stop it first") from error
        yield
