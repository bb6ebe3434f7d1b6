"""Keeps the relay before one device as it is to be. Pure; time comes in, in s.

A relay that opens by itself (its dead-man) is renewed like a lease, as long as its agent lives. What a relay was told is no
proof of its contact; what it says of it when it is read is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.fleet.agent.device import CommandOutcome

#: A relay is read so often; while it is not as it is to be; and it is told again so often.
READ_S: Final = 10.0
HURRIED_S: Final = 0.5
#: A relay that says no, or nothing, is asked again so seldom.
AGAIN_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Have the relay closed or open; `hold_s`: for how long it stays closed."""

    closed: bool
    hold_s: float | None


@dataclass(frozen=True, slots=True)
class Look:
    """Read the relay."""


class RelayKeeper:
    """One relay; `hold_s` where it opens by itself. `is_open`: what it said last, None where that is not known."""

    def __init__(self, *, hold_s: float | None, now_s: float) -> None:
        self.is_open: bool | None = None
        self._hold_s = hold_s
        self._busy = False
        self._switched: Switch | None = None
        self._again_s = self._look_s = now_s
        self._renew_s: float | None = None
        self._looked = False

    def next(self, now_s: float, *, dark: bool) -> Switch | Look | None:
        """Return what to ask of the relay now; `dark`: its device is to be cut off."""
        if self._busy:
            return None
        if not self._looked and not dark:  # whoever starts does not switch on what is off
            return Look() if now_s >= self._look_s else None
        wanted = Switch(closed=not dark, hold_s=None if dark else self._hold_s)
        if now_s >= self._again_s and (self._is_wrong(wanted) or self._is_to_renew(wanted, now_s)):
            return wanted
        return Look() if now_s >= self._look_s else None

    def _is_wrong(self, wanted: Switch) -> bool:
        """Return whether the contact is not as it is to be, or nobody knows and it was told something else."""
        if self.is_open is not None:
            return self.is_open is wanted.closed
        return self._switched != wanted and (not wanted.closed or self._switched is not None)

    def _is_to_renew(self, wanted: Switch, now_s: float) -> bool:
        return wanted.closed and self._hold_s is not None and (self._renew_s is None or now_s >= self._renew_s)

    def began(self) -> None:
        """Note that a request is on its way."""
        self._busy = True

    def switched(self, switch: Switch, outcome: CommandOutcome, now_s: float) -> None:
        """Take what has become of a switch."""
        self._busy = False
        self._look_s = now_s
        if outcome is not CommandOutcome.ACCEPTED:
            self._again_s = now_s + AGAIN_S
            return
        self._switched, self._again_s = switch, now_s + HURRIED_S
        self._renew_s = None if switch.hold_s is None else now_s + switch.hold_s / 3

    def awoke(self, now_s: float) -> None:
        """Note that the agent itself was away: it knows nothing of the relay now, and switches nothing on before it has looked."""
        self.is_open, self._looked, self._look_s = None, False, now_s

    def read(self, closed: bool | None, now_s: float, *, dark: bool) -> None:
        """Take what the relay says of its contact; None: it cannot say, or does not answer."""
        self._busy = False
        self._looked = True
        self.is_open = None if closed is None else not closed
        as_wanted = self.is_open is dark
        self._look_s = now_s + (READ_S if as_wanted or closed is None else HURRIED_S)
