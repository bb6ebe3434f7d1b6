"""The agent beside a group of devices: takes sets, applies setpoints, reports back, and ends leases by its own clock."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol

from drivers.clock import Clock, boottime_s
from drivers.errors import Refused
from drivers.fleet import wire
from drivers.fleet.agent.actuation import Actuation
from drivers.fleet.agent.hardware import Hardware
from drivers.fleet.agent.lease import LeasedDevice, LeaseHolder
from drivers.fleet.agent.store import Store
from drivers.fleet.keys import PrivateKey, PublicKey
from drivers.fleet.link import Link, OnConnection, OnMessage

_log = logging.getLogger(__name__)

#: Messages that may wait for the agent's thread; a flood beyond is dropped, for the controller repeats itself.
INBOX: Final = 100


class Connect(Protocol):
    """Makes the agent's link; `functools.partial` of `MqttLink` over where the broker is."""

    def __call__(
        self,
        *,
        client_id: str,
        will: tuple[str, bytes],
        subscriptions: Sequence[str],
        on_message: OnMessage,
        on_connection: OnConnection,
    ) -> Link:
        """Return a link that is not started."""


class Agent:
    """One agent of one site. `run` works in the caller's thread until `stop`, which any thread may call.

    `devices` are its devices by id, `key` is its own private key, `controller_keys` the public keys by key id whose sets
    it takes, `settle_s` the site's settle time. It reports every `report_s`, and at once when something happens.
    """

    def __init__(
        self,
        *,
        site: str,
        agent: str,
        devices: Mapping[str, LeasedDevice],
        hardware: Hardware,
        connect: Connect,
        key: PrivateKey,
        controller_keys: Mapping[str, PublicKey],
        store: Store,
        settle_s: float,
        report_s: float = 1.0,
        clock: Clock = boottime_s,
    ) -> None:
        self._site, self._agent = site, agent
        self._devices = devices
        self._key, self._controller_keys = key, controller_keys
        self._report_ms = round(1000 * report_s)
        self._clock = clock
        self._boot = uuid.uuid4().hex
        held = store.load()
        self._holder = LeaseHolder(
            agent=agent, boot=self._boot, devices=devices, settle_s=settle_s, held=held, now_ms=self._now_ms()
        )
        self._actuation = Actuation(agent=agent, devices=devices, hardware=hardware, store=store, held=held)
        self._refused: str | None = None
        self._next_report_ms = 0
        # None only wakes the thread: to look at what is set below.
        self._inbox: queue.Queue[tuple[bytes, bool] | None] = queue.Queue(INBOX)
        self._connected, self._stopping = threading.Event(), threading.Event()
        offline = wire.Status(v=1, site=site, agent=agent, state=wire.Presence.OFFLINE)
        self._link = connect(
            client_id=f"{site}.{agent}",
            will=(self._topic(wire.Leaf.STATUS), wire.encode_status(offline)),
            subscriptions=[self._topic(wire.Leaf.SET)],
            on_message=lambda _topic, payload, retained: self._put((payload, retained)),
            on_connection=self._on_connection,
        )

    def run(self) -> None:
        """Bring the devices to what they may draw, then serve until `stop`; leave them at min(applied, failsafe)."""
        self._actuation.follow(self._holder)
        self._link.start()
        try:
            while not self._stopping.is_set():
                self._turn()
        finally:
            self._holder.lapse(self._now_ms())
            self._actuation.follow(self._holder)
            self._say(wire.Presence.OFFLINE)
            self._link.stop()

    def stop(self) -> None:
        """End `run`."""
        self._stopping.set()
        self._put(None)

    def _turn(self) -> None:
        """Wait for the next thing to happen or to be due, and deal with all that has happened."""
        for payload, retained in self._arrived():
            self._take(payload, retained=retained)
        if self._connected.is_set():
            self._connected.clear()
            self._introduce()
        self._holder.advance(self._now_ms())
        if self._actuation.follow(self._holder) or self._now_ms() >= self._next_report_ms:
            self._actuation.measure()
            self._report()

    def _arrived(self) -> Iterator[tuple[bytes, bool]]:
        """Yield the sets that have arrived; wait for one until the next report or the next lease end is due."""
        due_ms = min(self._next_report_ms, self._holder.next_end_ms() or self._next_report_ms)
        wait_s = max(0, due_ms - self._now_ms()) / 1000
        with contextlib.suppress(queue.Empty):
            for _ in range(INBOX):
                if (message := self._inbox.get(timeout=wait_s)) is not None:
                    yield message
                wait_s = 0

    def _take(self, payload: bytes, *, retained: bool) -> None:
        """Offer a set to the lease holder; an authentic one is answered at once, whatever becomes of it."""
        try:
            statement = wire.open_set(payload, self._controller_keys, site=self._site, agent=self._agent)
        except Refused as error:
            self._refuse(error)
            return
        before = dict(self._holder.setpoints)
        try:
            self._holder.offer(statement, self._now_ms(), retained=retained)
            self._refused = None
        except Refused as error:
            self._refuse(error)
        self._next_report_ms = self._now_ms()
        if self._holder.setpoints != before:
            self._report()

    def _refuse(self, error: Refused) -> None:
        if self._refused is None:
            _log.warning("set refused: %s", error, extra={"event": "set_refused", "agent": self._agent})
        self._refused = str(error)

    def _report(self) -> None:
        now_ms = self._now_ms()
        self._holder.advance(now_ms)
        refused = self._refused or self._actuation.unstored
        report = wire.Report(
            v=1,
            site=self._site,
            agent=self._agent,
            key=self._agent,
            echo=wire.Echo(boot=self._boot, boottime_ms=now_ms),
            epoch=self._holder.epoch,
            accepted_seq=self._holder.accepted_seq,
            applied_seq=self._actuation.applied_seq,
            lease_left_ms=self._holder.lease_left_ms(now_ms),
            lapsed=self._holder.lapsed,
            devices=self._actuation.reports(),
            refused=None if refused is None else refused[: wire.MAX_TEXT],
        )
        self._next_report_ms = now_ms + self._report_ms
        expiry_s = 3 * self._report_ms / 1000
        self._link.publish(self._topic(wire.Leaf.REPORT), wire.sign(report, self._key), expiry_s=expiry_s)

    def _introduce(self) -> None:
        inventory = wire.Inventory(
            v=1,
            site=self._site,
            agent=self._agent,
            key=self._agent,
            echo=wire.Echo(boot=self._boot, boottime_ms=self._now_ms()),
            devices={id_: _inventory_device(device) for id_, device in self._devices.items()},
        )
        self._link.publish(self._topic(wire.Leaf.INVENTORY), wire.sign(inventory, self._key), retain=True)
        self._say(wire.Presence.ONLINE)
        self._next_report_ms = self._now_ms()

    def _say(self, presence: wire.Presence) -> None:
        status = wire.Status(v=1, site=self._site, agent=self._agent, state=presence)
        self._link.publish(self._topic(wire.Leaf.STATUS), wire.encode_status(status), retain=True)

    def _on_connection(self, up: bool) -> None:
        if up:
            self._connected.set()
            self._put(None)

    def _put(self, message: tuple[bytes, bool] | None) -> None:
        with contextlib.suppress(queue.Full):
            self._inbox.put_nowait(message)

    def _topic(self, leaf: wire.Leaf) -> str:
        return wire.topic(self._site, self._agent, leaf)

    def _now_ms(self) -> int:
        return int(1000 * self._clock())


def _inventory_device(device: LeasedDevice) -> wire.InventoryDevice:
    return wire.InventoryDevice(
        model=device.model.id,
        max_w=device.at_most(device.max_w),
        off_w=device.model.off_w,
        failsafe_w=device.at_most(device.failsafe_w),
    )
