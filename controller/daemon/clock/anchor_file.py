"""The anchor in a file of its own, so that it outlives the process and the machine's start."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from controller.daemon.clock.anchor import AgentClock, Anchor
from drivers.durable import read_summed, replace_summed

#: Its name in the state folder.
ANCHOR: Final = "clock.anchor"
#: One with ten thousand agents is shorter.
_MOST_BYTES: Final = 2_000_000


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    utc_s: float
    count_s: float
    boot: str
    slack_s: float
    by: str
    agents: dict[str, tuple[str, float]]


class AnchorFile:
    """One file with one anchor and its SHA-256, replaced whole and durably. Not safe from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        """Return its path."""
        return str(self._path)

    def read(self) -> Anchor | None:
        """Return the anchor that was written last, None where there is no file; Refused with the reason where it is damaged."""
        stored = read_summed(self._path, _MOST_BYTES, _Stored)
        if stored is None:
            return None
        agents = {name: AgentClock(boot=boot, ahead_s=ahead_s) for name, (boot, ahead_s) in stored.agents.items()}
        return Anchor(
            utc_s=stored.utc_s,
            count_s=stored.count_s,
            boot=stored.boot,
            slack_s=stored.slack_s,
            by=stored.by,
            agents=agents,
        )

    def write(self, anchor: Anchor) -> None:
        """Replace what is there; OSError, and the old one stays, where that cannot be."""
        agents = {name: (clock.boot, clock.ahead_s) for name, clock in anchor.agents.items()}
        stored = _Stored(anchor.utc_s, anchor.count_s, anchor.boot, anchor.slack_s, anchor.by, agents)
        replace_summed(self._path, stored)
