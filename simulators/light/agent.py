"""One light agent: what it holds, what it says. Time comes in; it is no lease holder, and follows only as far as a load needs.

It verifies each set, takes it, and says so at once, as the real one does. Its devices draw what they are told from then on.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers.errors import Refused
from drivers.fleet import wire
from drivers.fleet.agent.inventory import inventory_of
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.keys import PrivateKey, PublicKey

#: What a device draws less than it is told, in W; each report shows another one of them.
_SHORT_W: Final = (0, 3, 7, 2, 5)


class LightAgent:
    """An agent of these devices, in columns (D,) sorted by id.

    `led_s`: when it took the first statement that grants a lease since it was last `met`, None before. `down_s`: since when all that
    it may draw is off, None while it is not. `known`: the broker has said that it has its inventory, since it was last `met`.
    `taken`, `lapses`, `unsure_raises`: statements taken, leases that have ended, and statements that raised a device by a clock
    of before the connection.
    """

    def __init__(
        self,
        *,
        site: str,
        agent: str,
        devices: Mapping[str, LeasedDevice],
        key: PrivateKey,
        controller_keys: Mapping[str, PublicKey],
    ) -> None:
        self._site, self.agent, self._key, self._controller_keys = site, agent, key, controller_keys
        self._devices = inventory_of(devices)
        self._inventory = wire.inventory_id(self._devices)
        self._boot = uuid.uuid4().hex
        self._off_w = np.array([device.off_w for device in self._devices], dtype=np.int64)
        self._failsafe_w = np.maximum([device.failsafe_w for device in self._devices], self._off_w)
        self.setpoints_w = self._off_w.copy()
        self._count = len(self._devices)
        self._epoch = self._seq = self._end_ms = self._fell_ms = self._met_ms = self._reports = 0
        self._head: str | None = None
        self._lapsed = True
        self.led_s: float | None = None
        self.down_s: float | None = 0.0
        self.known = False
        self.taken = self.lapses = self.unsure_raises = 0

    @property
    def draw_w(self) -> int:
        """What its devices draw now."""
        return int(self.setpoints_w.sum())

    def topic(self, leaf: wire.Leaf) -> str:
        """Return its topic."""
        return wire.topic(self._site, self.agent, leaf)

    def status(self, presence: wire.Presence) -> bytes:
        """Return whether it is there."""
        return wire.encode_status(wire.Status(v=2, site=self._site, agent=self.agent, state=presence))

    def meet(self, now_s: float) -> bytes:
        """Be on a new connection, and return the inventory."""
        self.led_s, self.known, self._met_ms = None, False, int(1000 * now_s)
        return self._signed(
            wire.Inventory(
                v=2, site=self._site, agent=self.agent, key=self.agent, echo=self._echo(now_s), inventory=self._inventory,
                devices=self._devices,
            )
        )  # fmt: skip

    def take(self, payload: bytes, now_s: float) -> bool:
        """Take a statement; False for one that does not count."""
        try:
            statement = wire.open_set(payload, self._controller_keys, site=self._site, agent=self.agent)
        except Refused:
            return False
        now_ms = int(1000 * now_s)
        self._lapse(now_ms)
        if (statement.epoch, statement.seq) <= (self._epoch, self._seq) or statement.inventory != self._inventory:
            return False
        self._epoch, self._seq, self._head = statement.epoch, statement.seq, statement.head or self._head
        echo = statement.echo
        grants = echo is not None and echo.boot == self._boot and echo.boottime_ms + statement.ttl_ms > now_ms
        if statement.setpoints_w is not None:
            self._follow(np.array(statement.setpoints_w, dtype=np.int64), echo, now_s, grants=grants)
        if grants and echo is not None:
            self._end_ms = max(self._end_ms, echo.boottime_ms + statement.ttl_ms)
            self._lapsed = False
            self.led_s = now_s if self.led_s is None else self.led_s
        self.taken += 1
        return True

    def _follow(self, said_w: NDArray[np.int64], echo: wire.Echo | None, now_s: float, *, grants: bool) -> None:
        raises = bool((said_w > self.setpoints_w).any())
        self.unsure_raises += raises and grants and echo is not None and echo.boottime_ms < self._met_ms
        aware = grants and echo is not None and echo.boottime_ms >= self._fell_ms
        self.setpoints_w = said_w if aware else np.minimum(said_w, self.setpoints_w)
        if self.draw_w > self._off_w.sum():
            self.down_s = None
        elif self.down_s is None:
            self.down_s = now_s

    def report(self, now_s: float) -> bytes:
        """Return what it holds now; each says something else of what its devices draw."""
        now_ms, self._reports = int(1000 * now_s), self._reports + 1
        self._lapse(now_ms)
        applied_w = self.setpoints_w.tolist()
        short_w = _SHORT_W[self._reports % len(_SHORT_W)]
        measured_w = np.maximum(self.setpoints_w - short_w, 0).tolist()
        runs = "r" if self.down_s is None else "o"
        return self._signed(
            wire.Report(
                v=2, site=self._site, agent=self.agent, key=self.agent, echo=self._echo(now_s), epoch=self._epoch,
                accepted_seq=self._seq, applied_seq=self._seq, lease_left_ms=min(max(0, self._end_ms - now_ms), wire.MAX_TTL_MS),
                lapsed=self._lapsed, inventory=self._inventory, applied_w=applied_w, measured_w=measured_w,
                measured_by="d" * self._count, state="p" * self._count, proof="b" * self._count, activity=runs * self._count,
                head_seen=self._head, head_stored=self._head, refused=None,
            )
        )  # fmt: skip

    def _lapse(self, now_ms: int) -> None:
        if not self._lapsed and now_ms >= self._end_ms:
            self._lapsed, self._fell_ms, self.lapses = True, now_ms, self.lapses + 1
            self.setpoints_w = np.minimum(self.setpoints_w, self._failsafe_w)

    def _echo(self, now_s: float) -> wire.Echo:
        return wire.Echo(boot=self._boot, boottime_ms=int(1000 * now_s))

    def _signed(self, body: wire.Report | wire.Inventory) -> bytes:
        """Return the payload; it is not looked at again, for a load must cost less than what it loads."""
        text = msgspec.json.encode(body)
        return self._key.sign(text) + text
