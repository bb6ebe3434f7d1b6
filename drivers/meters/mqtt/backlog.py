"""Whether what comes from a broker is read as fast as it comes: what waits in between is older than its arrival says."""

from __future__ import annotations

import math
from typing import Final

#: Age that what has waited may have before it is none at all.
LONGEST_S: Final = 2.0


class Backlog:
    """Since when something has been waiting to be read at every look. Nothing that is read meanwhile is sure to be younger."""

    def __init__(self) -> None:
        self.since_s = math.inf

    def look(self, waiting: int, now_s: float) -> None:
        """Take how many bytes are waiting now."""
        self.since_s = min(self.since_s, now_s) if waiting else math.inf

    def is_long(self, now_s: float) -> bool:
        """Tell whether it has lasted for so long that nobody knows any more how old a message is."""
        return now_s - self.since_s > LONGEST_S
