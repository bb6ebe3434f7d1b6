"""The mode machine: doubt may tighten, never relax."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """INIT: nothing is raised yet. NORMAL. HOLD: only downwards. FAILSAFE: down to the failsafe watts."""

    INIT = "init"
    NORMAL = "normal"
    HOLD = "hold"
    FAILSAFE = "failsafe"
