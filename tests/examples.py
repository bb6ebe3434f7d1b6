"""How many examples a property gets.

Few for every day, twenty times as many (or `times`, where each is slow) where HYPOTHESIS_PROFILE is ``thorough``, and the share
EXAMPLES_SHARE of them.
"""

from __future__ import annotations

import os

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
_SHARE = float(os.environ.get("EXAMPLES_SHARE", "1"))


def examples(every_day: int, *, times: int = 20) -> int:
    """Return the number of examples for this run, from that of every day."""
    return max(1, round(every_day * _SHARE)) * (times if THOROUGH else 1)
