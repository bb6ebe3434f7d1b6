"""The lease holder: which watts each device of an agent may draw now. Pure; time comes in as CLOCK_BOOTTIME in ms.

The rules, each a test in ``tests/drivers/fleet/agent/test_lease.py``:

- A statement counts whole or not at all. It must be newer (epoch, then sequence), live (not retained), name exactly the
  devices of the agent, and echo no time that the agent has not reached.
- Its lease ends at the echoed time + time to live. Without an echo of this start of the agent, or past that end, it
  grants nothing: leases that run run on, a device without one takes min(setpoint, statement).
- A lease that ends takes the device to min(applied, setpoint, failsafe). The devices of an agent end one after the other
  within the last min(settle, a third of the time to live) before the end, so that a dead controller is no step.
- A device that was taken down so, or by a restart, is raised again only by a statement that echoes a time at or after
  that moment: by a controller that knows.
- No setpoint is above the device's maximum; watts between two modes are the lower mode.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.errors import Refused
from drivers.fleet.catalogue import Model
from drivers.fleet.wire import Echo, Set, spread_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedDevice:
    """One device of an agent: its model, the failsafe watts, and a maximum that may only narrow the model's."""

    model: Model
    failsafe_w: float
    max_w: float = float("inf")

    def at_most(self, watts: float) -> int:
        """Return the largest setpoint in W that is neither above `watts` nor above the device's maximum."""
        return self.model.at_most(min(watts, self.max_w))


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What outlives a restart: the newest statement that was taken, and what the hardware was last told, in W."""

    epoch: int = 0
    seq: int = 0
    applied: Mapping[str, int] = field(default_factory=dict)


class LeaseHolder:
    """Holds the leases of one agent's devices.

    `boot` names this start of the agent, `settle_s` is the site's settle time, `held` what the last start left behind.
    """

    def __init__(
        self, *, agent: str, boot: str, devices: Mapping[str, LeasedDevice], settle_s: float, held: Held, now_ms: int
    ) -> None:
        self.epoch, self.accepted_seq = held.epoch, held.seq
        self._boot = boot
        self._devices = dict(sorted(devices.items()))
        self._settle_ms = round(1000 * settle_s)
        self._order = {device: _order(agent, k, len(devices)) for k, device in enumerate(self._devices)}
        self._applied = {id_: held.applied.get(id_, device.at_most(0)) for id_, device in self._devices.items()}
        self._setpoints = {id_: device.at_most(self._applied[id_]) for id_, device in self._devices.items()}
        self._basis: tuple[int, Mapping[str, int]] | None = None
        self._end_ms = now_ms
        self._spread_ms = 0
        self._lapsed: set[str] = set()
        self._fell_ms: dict[str, int] = {}
        self.lapse(now_ms)

    @property
    def setpoints(self) -> Mapping[str, int]:
        """Watts that each device may draw."""
        return self._setpoints

    @property
    def lapsed(self) -> bool:
        """Whether a device has been taken down by the end of its lease, or a restart, and not been granted since."""
        return bool(self._lapsed)

    def lease_left_ms(self, now_ms: int) -> int:
        """Return how long the last device's lease still runs."""
        return max(0, self._end_ms - now_ms)

    def next_end_ms(self) -> int | None:
        """Return when the next device's lease ends; None when none runs."""
        return min((self._device_end_ms(id_) for id_ in self._devices if id_ not in self._lapsed), default=None)

    def took(self, applied: Mapping[str, int]) -> None:
        """Learn what the hardware has been told, in W."""
        self._applied.update(applied)

    def advance(self, now_ms: int) -> None:
        """End the leases whose time has come."""
        for id_ in self._devices:
            if id_ not in self._lapsed and self._device_end_ms(id_) <= now_ms:
                self._lapse(id_, now_ms)

    def lapse(self, now_ms: int) -> None:
        """End every lease now."""
        self._end_ms = now_ms
        for id_ in self._devices:
            self._lapse(id_, now_ms)

    def offer(self, statement: Set, now_ms: int, *, retained: bool = False) -> None:
        """Take a statement; raises Refused with the reason, and then nothing has changed but by the passing of time."""
        self.advance(now_ms)
        if retained:
            raise Refused("a retained set is never taken")
        if (statement.epoch, statement.seq) <= (self.epoch, self.accepted_seq):
            raise Refused(
                f"epoch {statement.epoch} sequence {statement.seq} is not newer than {self.epoch}/{self.accepted_seq}"
            )
        echo = self._echo(statement, now_ms)
        basis = self._basis_of(statement)
        self.epoch, self.accepted_seq = statement.epoch, statement.seq
        self._basis = basis
        if echo is not None:
            self._end_ms = echo.boottime_ms + statement.ttl_ms
            self._spread_ms = spread_ms(statement.ttl_ms, self._settle_ms)
        for id_, watts in basis[1].items():
            self._grant(id_, watts, echo, now_ms)

    def _echo(self, statement: Set, now_ms: int) -> Echo | None:
        """Return the statement's echo if a lease can run from it."""
        echo = statement.echo
        if echo is None or echo.boot != self._boot:
            return None
        if echo.boottime_ms > now_ms:
            raise Refused(f"the echo {echo.boottime_ms} ms is ahead of the agent's clock {now_ms} ms")
        return echo if echo.boottime_ms + statement.ttl_ms > now_ms else None

    def _basis_of(self, statement: Set) -> tuple[int, Mapping[str, int]]:
        """Return the sequence that spelled the setpoints out, and the setpoints, fitted to the devices."""
        if statement.setpoints is None:
            if self._basis is None or statement.epoch != self.epoch or statement.same_as != self._basis[0]:
                held = "none" if self._basis is None else f"{self.epoch}/{self._basis[0]}"
                raise Refused(f"same as {statement.epoch}/{statement.same_as}, but the setpoints held are of {held}")
            return self._basis
        if statement.setpoints.keys() != self._devices.keys():
            wrong = sorted(statement.setpoints.keys() ^ self._devices.keys())
            raise Refused(f"a statement names every device of the agent and no other; wrong are {', '.join(wrong[:5])}")
        fitted = {id_: self._devices[id_].at_most(watts) for id_, watts in statement.setpoints.items()}
        return statement.seq, fitted

    def _grant(self, id_: str, watts: int, echo: Echo | None, now_ms: int) -> None:
        if echo is None and id_ not in self._lapsed:
            return
        ended = echo is not None and self._device_end_ms(id_) <= now_ms
        unaware = echo is None or echo.boottime_ms < self._fell_ms[id_]
        self._setpoints[id_] = min(self._setpoints[id_], watts) if ended or unaware else watts
        if ended:
            self._lapse(id_, now_ms)
        elif not unaware:
            self._lapsed.discard(id_)

    def _lapse(self, id_: str, now_ms: int) -> None:
        device = self._devices[id_]
        lowest = min(self._setpoints[id_], self._applied[id_], device.failsafe_w)
        self._setpoints[id_] = device.at_most(lowest)
        self._lapsed.add(id_)
        self._fell_ms[id_] = now_ms

    def _device_end_ms(self, id_: str) -> int:
        return self._end_ms - int(self._spread_ms * self._order[id_])


def _order(agent: str, k: int, count: int) -> float:
    """Return the place in [0, 1) of device `k` in the agent's lease ends; the phase differs from agent to agent."""
    digest = hashlib.blake2b(agent.encode(), digest_size=8).digest()
    return (k + int.from_bytes(digest) / 2**64) / count
