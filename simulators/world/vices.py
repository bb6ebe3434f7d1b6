"""The vices that a simulated device or contactor may have, one at a time or several together.

Each is seen in real devices: what they answer, and what they do, is not what they were told. A device without a vice
does as it is told, and says what it does.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Vice(StrEnum):
    """How a device is no good; `WHAT` has each in words, `simulators/world/devices.py` what it comes to."""

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


class ContactorVice(StrEnum):
    """How a contactor is no good; `simulators/world/contactors.py` has what it comes to."""

    WELDED = "welded"
    SILENT = "silent"


#: What devices (several) with the vice do.
WHAT: Final = {
    Vice.SILENT: "never answer",
    Vice.SLOW: "take 3 s to answer",
    Vice.DEAF: "say OK and do nothing",
    Vice.HALF: "say OK and do half of each change",
    Vice.JUMPS_UP: "draw more for a while when they are lowered",
    Vice.RESTARTS_FULL: "restart at full power when they are given another setpoint",
    Vice.IGNORES_LOWERING: "ignore lowering",
    Vice.UNDERSTATES: "report 40 % less than they draw",
    Vice.FORGETS: "lose their setpoint at a reboot",
    Vice.REFUSES: "answer every command with an error",
    Vice.DENIES: "do as they are told and answer with an error",
    Vice.HALF_ANSWER: "do as they are told and break off their answer",
}
#: What contactors (several) with the vice do.
WHAT_OF_CONTACTORS: Final = {
    ContactorVice.WELDED: "say that they are open and stay closed",
    ContactorVice.SILENT: "never answer",
}
