"""The lease holder: which watts each device of an agent may draw now. Pure; time comes in as CLOCK_BOOTTIME in ms.

The rules, each a test in ``tests/drivers/fleet/agent/test_lease.py``:

- A statement counts whole or not at all. It must be newer (epoch, then sequence), live (not retained), name the inventory
  that holds now, say something of each of its devices, and echo no time that the agent has not reached.
- Its lease ends at the echoed time + time to live. Without an echo of this start of the agent, or past that end, it
  grants nothing: leases that run run on, a device without one takes min(setpoint, statement).
- A lease that ends takes the device to min(applied, setpoint, failsafe). The devices of an agent end one after the other
  within the last min(settle, a third of the time to live) before the end, so that a dead controller is no step.
- A device that was taken down so, or by a restart, is raised again only by a statement that echoes a time at or after
  that moment: by a controller that knows. Meanwhile it follows downwards what turns out to be applied.
- No setpoint is above the device's maximum; watts between two modes are the lower mode, and between open and closed a
  contactor stays as it is.
- The head that the newest statement carried is kept; one without a head takes none away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drivers.errors import Refused
from drivers.fleet.catalogue import Model
from drivers.fleet.wire import LEAVE_W, DeadMan, Echo, MeasuredBy, Proof, Set, spread_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedDevice:
    """One device of an agent: its model, the failsafe watts, and a maximum that may only narrow the model's.

    `proof` is the best that can show what it runs on, `measured_by` what measures its watts, `dead_man` what takes it
    down when the agent's machine is dead. `serial`: what the hardware calls itself, where that is known. `is_contactor`: it is the contactor of a node, which nothing but a statement moves.
    """

    model: Model
    failsafe_w: float
    max_w: float = float("inf")
    proof: Proof = Proof.NONE
    measured_by: MeasuredBy = MeasuredBy.NOTHING
    dead_man: DeadMan | None = None
    is_contactor: bool = False
    serial: str | None = None

    @property
    def unknown_w(self) -> int:
        """What it is taken to run on where nothing is stored: off; a contactor is left as it is found."""
        return self.at_most(self.failsafe_w if self.is_contactor else 0)

    def at_most(self, watts: float) -> int:
        """Return the largest setpoint in W that is neither above `watts` nor above the device's maximum.

        Of a contactor anything between open and closed means that it stays as it is.
        """
        if self.is_contactor and 0 < watts < self.model.max_w:
            return LEAVE_W
        return self.model.at_most(min(watts, self.max_w))


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What outlives a restart: the newest statement that was taken, its head, and what each device was last told, in W.

    `rests`: the devices that rest because they had to be brought down, with how often in a row.
    """

    epoch: int = 0
    seq: int = 0
    head: str | None = None
    applied: Mapping[str, int] = field(default_factory=dict)
    rests: Mapping[str, int] = field(default_factory=dict)


class LeaseHolder:
    """Holds the leases of one agent's devices, in columns (D,) sorted by id.

    `inventory` names the devices, `boot` this start of the agent; `settle_s` is the site's settle time, `held` what the
    last start left behind.
    """

    def __init__(
        self,
        *,
        agent: str,
        boot: str,
        devices: Mapping[str, LeasedDevice],
        inventory: str,
        settle_s: float,
        held: Held,
        now_ms: int,
    ) -> None:
        self.epoch, self.accepted_seq, self.head = held.epoch, held.seq, held.head
        self._boot, self._inventory = boot, inventory
        ids = sorted(devices)
        self._devices = [devices[id_] for id_ in ids]
        self._settle_ms = round(1000 * settle_s)
        self._place = [_place(agent, k, len(ids)) for k in range(len(ids))]
        self._applied = [held.applied.get(id_, devices[id_].unknown_w) for id_ in ids]
        self._setpoints = [device.at_most(watts) for device, watts in zip(self._devices, self._applied, strict=True)]
        self._basis: tuple[int, list[int]] | None = None
        self._end_ms = now_ms
        self._spread_ms = 0
        self._lapsed: set[int] = set()
        self._fell_ms = [now_ms] * len(ids)
        self.lapse(now_ms)

    @property
    def setpoints_w(self) -> Sequence[int]:
        """Watts that each device may draw (D,)."""
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
        running = (self._device_end_ms(k) for k in range(len(self._devices)) if k not in self._lapsed)
        return min(running, default=None)

    def took(self, applied_w: Sequence[int]) -> None:
        """Learn the least that each device may be running on (D,); one that has lapsed is not raised to more."""
        self._applied = list(applied_w)
        for k in self._lapsed:
            if applied_w[k] < self._setpoints[k]:
                self._setpoints[k] = self._devices[k].at_most(applied_w[k])

    def advance(self, now_ms: int) -> None:
        """End the leases whose time has come."""
        for k in range(len(self._devices)):
            if k not in self._lapsed and self._device_end_ms(k) <= now_ms:
                self._lapse(k, now_ms)

    def begin_anew(self, boot: str, now_ms: int) -> None:
        """Be another start of the agent: every lease ends, and no setpoints are held that a renewal could name."""
        self._boot, self._basis = boot, None
        self.lapse(now_ms)

    def is_ahead(self, statement: Set, now_ms: int) -> bool:
        """Return whether a new statement echoes a time of this start that is still to come: then its clock has gone back."""
        echo = statement.echo
        new = (statement.epoch, statement.seq) > (self.epoch, self.accepted_seq)
        return new and echo is not None and echo.boot == self._boot and echo.boottime_ms > now_ms

    def lapse(self, now_ms: int) -> None:
        """End every lease now."""
        self._end_ms = now_ms
        for k in range(len(self._devices)):
            self._lapse(k, now_ms)

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
        self.head = statement.head or self.head
        self._basis = basis
        if echo is not None:
            self._end_ms = echo.boottime_ms + statement.ttl_ms
            self._spread_ms = spread_ms(statement.ttl_ms, self._settle_ms)
        for k, watts in enumerate(basis[1]):
            self._grant(k, watts, echo, now_ms)

    def _echo(self, statement: Set, now_ms: int) -> Echo | None:
        """Return the statement's echo if a lease can run from it."""
        echo = statement.echo
        if echo is None or echo.boot != self._boot:
            return None
        if self.is_ahead(statement, now_ms):
            raise Refused(f"the echo {echo.boottime_ms} ms is ahead of the agent's clock {now_ms} ms")
        return echo if echo.boottime_ms + statement.ttl_ms > now_ms else None

    def _basis_of(self, statement: Set) -> tuple[int, list[int]]:
        """Return the sequence that spelled the setpoints out, and the setpoints (D,), fitted to the devices."""
        if statement.inventory != self._inventory:
            raise Refused(f"the setpoints are of the inventory {statement.inventory}, not of {self._inventory}")
        if statement.setpoints_w is None:
            if self._basis is None or statement.epoch != self.epoch or statement.same_as != self._basis[0]:
                held = "none" if self._basis is None else f"{self.epoch}/{self._basis[0]}"
                raise Refused(f"same as {statement.epoch}/{statement.same_as}, but the setpoints held are of {held}")
            return self._basis
        if len(statement.setpoints_w) != len(self._devices):
            found, wanted = len(statement.setpoints_w), len(self._devices)
            raise Refused(f"found setpoints of {found} devices, the inventory has {wanted}")
        fitted = zip(self._devices, statement.setpoints_w, strict=True)
        return statement.seq, [device.at_most(watts) for device, watts in fitted]

    def _grant(self, k: int, watts: int, echo: Echo | None, now_ms: int) -> None:
        if echo is None and k not in self._lapsed:
            return
        ended = echo is not None and self._device_end_ms(k) <= now_ms
        unaware = echo is None or echo.boottime_ms < self._fell_ms[k]
        self._setpoints[k] = min(self._setpoints[k], watts) if ended or unaware else watts
        if ended:
            self._lapse(k, now_ms)
        elif not unaware:
            self._lapsed.discard(k)

    def _lapse(self, k: int, now_ms: int) -> None:
        device = self._devices[k]
        self._setpoints[k] = device.at_most(min(self._setpoints[k], self._applied[k], device.failsafe_w))
        self._lapsed.add(k)
        self._fell_ms[k] = now_ms

    def _device_end_ms(self, k: int) -> int:
        return self._end_ms - int(self._spread_ms * self._place[k])


def _place(agent: str, k: int, count: int) -> float:
    """Return the place in [0, 1) of device `k` in the agent's lease ends; the phase differs from agent to agent."""
    digest = hashlib.blake2b(agent.encode(), digest_size=8).digest()
    return (k + int.from_bytes(digest) / 2**64) / count
