"""The vices that a simulated device may have, one at a time or several together.

Each is seen in real devices: what they answer, and what they do, is not what they were told. A device without a vice
does as it is told, and says what it does.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Vice(StrEnum):
    """How a device is no good; `WHAT` has each in words. A relay in front of a device has none of them."""

    SILENT = "silent"
    SLOW = "slow"
    DEAF = "deaf"
    HALF = "half"
    JUMPS_UP = "jumps_up"
    RESTARTS_FULL = "restarts_full"
    IGNORES_LOWERING = "ignores_lowering"
    UNDERSTATES = "understates"
    FORGETS = "forgets"
    REFUSES = "refuses"
    DENIES = "denies"
    HALF_ANSWER = "half_answer"


#: What devices (several) with the vice do.
WHAT: Final = {
    Vice.SILENT: "never answer, and do nothing",
    Vice.SLOW: "answer after 3 s",
    Vice.DEAF: "say OK and do nothing",
    Vice.HALF: "do half of each change, and say OK",
    Vice.JUMPS_UP: "draw more for a while when they are lowered",
    Vice.RESTARTS_FULL: "restart at every new setpoint, and come up at full power",
    Vice.IGNORES_LOWERING: "say OK and ignore lowering, but stop when told to",
    Vice.UNDERSTATES: "report 40 % less than they draw",
    Vice.FORGETS: "come up at full power from a reboot",
    Vice.REFUSES: "answer every command with an error, and do nothing",
    Vice.DENIES: "do as they are told, and answer with an error",
    Vice.HALF_ANSWER: "do as they are told, and break off in the middle of the answer",
}
