"""A small agent by the letter of docs/contract, over hardware that does at once what it is told when `follow` is called.

It shares no code with the real one: what the two do differently, one of them does wrong, or the contract does not say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drivers.errors import Refused
from drivers.fleet import wire
from drivers.fleet.keys import PublicKey
from drivers.fleet.wire import Activity, Echo, Follow, InventoryDevice, Proof


def fitted(device: InventoryDevice, watts: int) -> int:
    """Return the most that a device can be set to within `watts`."""
    most = min(watts, device.max_w)
    allowed = [min(most, one.to_w) for one in device.ranges if one.from_w <= most]
    return max([device.off_w, *allowed])


class SmallAgent:
    """One agent. `held`: what its disk kept of the last start: epoch, sequence, head, and watts by device."""

    def __init__(
        self,
        *,
        site: str,
        agent: str,
        devices: Sequence[InventoryDevice],
        boot: str,
        now_ms: int,
        settle_ms: int = 15_000,
        held: tuple[int, int, str | None, Mapping[str, int]] = (0, 0, None, {}),
    ) -> None:
        self.site, self.name, self.devices, self.boot, self.settle_ms = site, agent, tuple(devices), boot, settle_ms
        self.inventory_id = wire.inventory_id(self.devices)
        self.epoch, self.seq, self.head, kept = held
        self.applied_seq = 0
        self.refused: str | None = None
        self.basis: tuple[int, list[int]] | None = None
        self.end_ms, self.spread_ms = now_ms, 0
        count = len(self.devices)
        self.lapsed, self.fell_ms = [True] * count, [now_ms] * count
        self.applied = [kept.get(device.id, device.off_w) for device in self.devices]
        self.granted = list(self.applied)
        for k in range(count):
            self._lapse(k, now_ms)
        self.follow()

    @property
    def held(self) -> tuple[int, int, str | None, Mapping[str, int]]:
        watts = {device.id: watts for device, watts in zip(self.devices, self.applied, strict=True)}
        return self.epoch, self.seq, self.head, watts

    def follow(self) -> None:
        """Let the hardware do what is granted, and prove it."""
        self.applied = list(self.granted)
        self.applied_seq = self.seq

    def device_end_ms(self, k: int) -> int:
        return self.end_ms - self.spread_ms * k // len(self.devices)

    def advance(self, now_ms: int) -> None:
        """End the leases whose time has come."""
        for k in range(len(self.devices)):
            if not self.lapsed[k] and self.device_end_ms(k) <= now_ms:
                self._lapse(k, now_ms)

    def _lapse(self, k: int, now_ms: int) -> None:
        device = self.devices[k]
        self.granted[k] = fitted(device, min(self.granted[k], self.applied[k], device.failsafe_w))
        self.lapsed[k], self.fell_ms[k] = True, now_ms

    def arrive(self, payload: bytes, keys: Mapping[str, PublicKey], now_ms: int, *, retained: bool = False) -> bool:
        """Take a set in, and return whether it was accepted."""
        try:
            statement = wire.open_set(payload, keys, site=self.site, agent=self.name)
            self.offer(statement, now_ms, retained=retained)
        except Refused as refusal:
            self.refused = str(refusal)[: wire.MAX_TEXT]
            return False
        return True

    def offer(self, statement: wire.Set, now_ms: int, *, retained: bool = False) -> None:
        """Take a statement; raises Refused, and changes nothing then."""
        self.advance(now_ms)
        if retained:
            raise Refused("retained")
        if (statement.epoch, statement.seq) <= (self.epoch, self.seq):
            raise Refused("not newer")
        mine = statement.echo is not None and statement.echo.boot == self.boot
        if mine and statement.echo.boottime_ms > now_ms:
            raise Refused("the echo is ahead of my clock")
        if statement.inventory != self.inventory_id:
            raise Refused("another inventory")
        if statement.setpoints_w is not None:
            basis = statement.seq, statement.setpoints_w
        elif self.basis is None or (statement.epoch, statement.same_as) != (self.epoch, self.basis[0]):
            raise Refused("same as nothing that is held")
        else:
            basis = self.basis
        if len(basis[1]) != len(self.devices):
            raise Refused("another number of devices")
        self.epoch, self.seq, self.basis, self.refused = statement.epoch, statement.seq, basis, None
        self.head = statement.head or self.head
        end_ms = statement.echo.boottime_ms + statement.ttl_ms if mine else now_ms
        echo_ms = statement.echo.boottime_ms if mine and end_ms > now_ms else None
        if echo_ms is not None:
            self.end_ms, self.spread_ms = end_ms, wire.spread_ms(statement.ttl_ms, self.settle_ms)
        for k, watts in enumerate(basis[1]):
            self._grant(k, watts, echo_ms, now_ms)

    def _grant(self, k: int, watts: int, echo_ms: int | None, now_ms: int) -> None:
        wanted = fitted(self.devices[k], watts)
        if echo_ms is None:
            if self.lapsed[k]:
                self.granted[k] = min(self.granted[k], wanted)
        elif self.device_end_ms(k) <= now_ms:
            self.granted[k] = min(self.granted[k], wanted)
            self._lapse(k, now_ms)
        elif self.fell_ms[k] > echo_ms:
            self.granted[k] = min(self.granted[k], wanted)
        else:
            self.granted[k], self.lapsed[k] = wanted, False

    def inventory(self, now_ms: int) -> wire.Inventory:
        return wire.Inventory(
            v=2,
            site=self.site,
            agent=self.name,
            key=self.name,
            echo=Echo(boot=self.boot, boottime_ms=now_ms),
            inventory=self.inventory_id,
            devices=list(self.devices),
        )

    def report(self, now_ms: int, **changes: object) -> wire.Report:
        self.advance(now_ms)
        count, follows = len(self.devices), [a == g for a, g in zip(self.applied, self.granted, strict=True)]
        fields = {
            "v": 2,
            "site": self.site,
            "agent": self.name,
            "key": self.name,
            "echo": Echo(boot=self.boot, boottime_ms=now_ms),
            "epoch": self.epoch,
            "accepted_seq": self.seq,
            "applied_seq": self.applied_seq,
            "lease_left_ms": max(0, self.end_ms - now_ms),
            "lapsed": any(self.lapsed),
            "inventory": self.inventory_id,
            "applied_w": list(self.applied),
            "measured_w": list(self.applied),
            "measured_by": wire.MeasuredBy.PDU * count,
            "state": "".join(Follow.PROVEN if done else Follow.GRANTED for done in follows),
            "proof": "".join(Proof.BOTH if done else Proof.NONE for done in follows),
            "activity": "".join(
                Activity.OFF if watts == device.off_w else Activity.RUNNING
                for device, watts in zip(self.devices, self.applied, strict=True)
            ),
            "head_seen": self.head,
            "head_stored": self.head,
            "refused": self.refused,
        }
        return wire.Report(**(fields | changes))
