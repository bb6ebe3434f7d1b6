"""Whose a file is that root makes for a service: the service has to be able to read it, and nobody else."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Final

#: The user of the daemon (`deploy/systemd/surplusd.sysusers`).
SERVICE: Final = "surplusd"
_ROOT: Final = 0


def owner_to_be(path: Path) -> tuple[int, int]:
    """Return user and group of what is to be written at `path`: of what is there, else of the nearest folder.

    Where that is root it is the service's, if there is such a user. Only root can give, so for others it is their own.
    """
    if os.geteuid() != _ROOT:
        return os.geteuid(), os.getegid()
    there = next(place for place in (path, *path.absolute().parents) if place.exists()).stat()
    return (there.st_uid, there.st_gid) if there.st_uid != _ROOT else _service(there.st_uid, there.st_gid)


def _service(owner: int, group: int) -> tuple[int, int]:
    try:
        entry = pwd.getpwnam(SERVICE)
    except KeyError:
        return owner, group
    return entry.pw_uid, entry.pw_gid
