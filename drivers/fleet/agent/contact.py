"""What one device has said last, whether it answers, and when it is read next. Pure; time comes in, in s."""

from __future__ import annotations

from typing import Final

from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.agent.proof import measured_w
from drivers.fleet.agent.steps import Doubt

#: A device that answers is read so often; while it comes down, or does not; while it is silent, at the longest.
READ_S: Final = 1.0
HURRIED_S: Final = 0.25
SILENT_S: Final = 5.0
#: One that does not answer is left alone for so long at least.
LEAST_PAUSE_S: Final = 0.5
#: An agent looks so often at what is due.
TURN_S: Final = 0.1
#: What is read so late, by turns of an agent that has much to do, is read again as if it had not been late.
LATE_S: Final = READ_S / 2
#: What was said longer ago is no longer said of now.
FRESH_S: Final = 5.0


class Contact:
    """`heard_s`: when the device answered last; `doubt`: what has to be read first; `read_due_s`: when it is to be read."""

    def __init__(self, now_s: float) -> None:
        self.doubt = Doubt.UNREAD
        self.reading: DeviceReading | None = None
        self.heard_s = self.read_due_s = self._beat_s = now_s
        self._misses = 0

    @property
    def named_w(self) -> int | None:
        """The setpoint that it named last."""
        return None if self.reading is None else self.reading.setpoint_w

    @property
    def watts(self) -> float | None:
        """What it drew by the last reading; None where nothing measured it."""
        return None if self.reading is None else measured_w(self.reading)

    def is_lost(self, now_s: float) -> bool:
        """Return whether the device does not answer."""
        return self.doubt is Doubt.SILENT or now_s > self.heard_s + FRESH_S

    def answered(self, outcome: CommandOutcome, now_s: float) -> None:
        """Take what has become of a command; it is read next."""
        if outcome is CommandOutcome.UNKNOWN:
            self.doubt = self.doubt if self.doubt is Doubt.SILENT else Doubt.UNKNOWN
        else:
            self.heard_s = now_s
            self.doubt = Doubt.UNREAD if self.doubt is not Doubt.NONE else Doubt.NONE
        self.read_due_s = now_s

    def missed(self, now_s: float) -> None:
        """Note that a reading has failed: it is tried ever more seldom, and the time that no answer took is a part of the pause."""
        self.doubt = Doubt.SILENT
        pause_s = min(SILENT_S, LEAST_PAUSE_S * 2 ** min(self._misses, 5))
        self.read_due_s = max(self._beat_s + pause_s, now_s + LEAST_PAUSE_S)
        self._misses += 1

    def awoke(self, now_s: float) -> None:
        """Note that nobody has listened for a while: nothing is known of now."""
        self.doubt, self.read_due_s, self.heard_s = Doubt.SILENT, now_s, now_s

    def took(self, reading: DeviceReading, now_s: float) -> bool:
        """Take a reading; return whether the device begins anew: after a silence, a restart, or as another one."""
        begins_anew = self.doubt is Doubt.SILENT or _has_restarted(self.reading, reading)
        self.reading, self.heard_s = reading, now_s
        self.doubt, self._misses = Doubt.NONE, 0
        return begins_anew

    def asked(self, now_s: float) -> None:
        """Note that it is being read: a little late is still in the beat; more than that begins another one, so that devices spread."""
        self._beat_s = max(self.read_due_s, now_s - LATE_S)

    def read_next(self, now_s: float, *, hurried: bool) -> None:
        """Have it read again: soon, or in the beat in which it is read, which its time to answer does not stretch."""
        self.read_due_s = now_s + HURRIED_S if hurried else max(self._beat_s + READ_S, now_s + HURRIED_S)


def _has_restarted(before: DeviceReading | None, reading: DeviceReading) -> bool:
    if before is None:
        return False
    younger = None not in {before.uptime_s, reading.uptime_s} and (reading.uptime_s or 0) < (before.uptime_s or 0)
    return younger or (before.serial is not None and reading.serial not in {None, before.serial})
