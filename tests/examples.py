"""How many examples a property gets: few for every day, twenty times as many where HYPOTHESIS_PROFILE is ``thorough``."""

from __future__ import annotations

import os

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"


def examples(every_day: int) -> int:
    """Return the number of examples for this run, from that of every day."""
    return every_day * (20 if THOROUGH else 1)
