"""The agent beside a group of devices: takes sets, applies setpoints, reports back, and ends leases by its own clock."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from drivers.clock import Clock, boottime_s
from drivers.errors import DriverLoss, Refused
from drivers.fleet import wire
from drivers.fleet.agent.hardware import Hardware, Measured
from drivers.fleet.agent.lease import Device, Held, LeaseHolder
from drivers.fleet.agent.store import Store
from drivers.fleet.catalogue import MAX_W
from drivers.fleet.keys import PrivateKey, PublicKey
from drivers.fleet.link import Link, OnConnection, OnMessage
from drivers.fleet.wire import DeviceState

_log = logging.getLogger(__name__)

#: Messages that may wait for the agent's thread; a flood beyond is dropped, the leases go on.
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


@dataclass(frozen=True, slots=True)
class _SetArrived:
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class _Connected:
    pass


@dataclass(frozen=True, slots=True)
class _Stop:
    pass


_Event = _SetArrived | _Connected | _Stop


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
        devices: Mapping[str, Device],
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
        self._hardware = hardware
        self._key, self._controller_keys = key, controller_keys
        self._store = store
        self._report_ms = round(1000 * report_s)
        self._clock = clock
        self._boot = uuid.uuid4().hex
        held = store.load()
        self._holder = LeaseHolder(
            agent=agent, boot=self._boot, devices=devices, settle_s=settle_s, held=held, now_ms=self._now_ms()
        )
        self._saved = held
        self._applied = {id_: held.applied.get(id_, device.at_most(0)) for id_, device in devices.items()}
        self._unsure = set(devices)
        self._applied_seq = 0
        self._measured: Mapping[str, Measured] = {}
        self._lost: frozenset[str] = frozenset()
        self._silent = False
        self._refused: str | None = None
        self._unstored: str | None = None
        self._next_report_ms = 0
        self._inbox: queue.Queue[_Event] = queue.Queue(INBOX)
        self._stopping = threading.Event()
        offline = wire.Status(v=1, site=site, agent=agent, state=wire.Presence.OFFLINE)
        self._link = connect(
            client_id=f"{site}.{agent}",
            will=(self._topic(wire.Leaf.STATUS), wire.encode_status(offline)),
            subscriptions=[self._topic(wire.Leaf.SET)],
            on_message=self._on_message,
            on_connection=self._on_connection,
        )

    @property
    def id(self) -> str:
        """Its id in the site."""
        return self._agent

    def run(self) -> None:
        """Bring the devices to what they may draw, then serve until `stop`; leave them at min(applied, failsafe)."""
        self._follow()
        self._link.start()
        try:
            while not self._stopping.is_set():
                self._turn()
        finally:
            self._holder.lapse(self._now_ms())
            self._follow()
            self._say(wire.Presence.OFFLINE)
            self._link.stop()

    def stop(self) -> None:
        """End `run`."""
        self._stopping.set()
        self._put(_Stop())

    def _turn(self) -> None:
        """Wait for the next thing to happen or to be due, and deal with all that has happened."""
        for event in self._events():
            match event:
                case _SetArrived(payload, retained):
                    self._take(payload, retained=retained)
                case _Connected():
                    self._introduce()
        self._holder.advance(self._now_ms())
        if self._follow() or self._now_ms() >= self._next_report_ms:
            self._measure()
            self._report()

    def _events(self) -> Iterator[_Event]:
        """Yield what has happened; wait for it until the next report or the next lease end is due."""
        due_ms = min(self._next_report_ms, self._holder.next_end_ms() or self._next_report_ms)
        with contextlib.suppress(queue.Empty):
            yield self._inbox.get(timeout=max(0, due_ms - self._now_ms()) / 1000)
            for _ in range(INBOX):
                yield self._inbox.get_nowait()

    def _take(self, payload: bytes, *, retained: bool) -> None:
        """Offer a set to the lease holder; an authentic one is answered at once, whatever becomes of it."""
        try:
            statement = wire.open_set(payload, self._controller_keys, site=self._site, agent=self._agent)
        except Refused as error:
            self._refuse(str(error))
            return
        before = dict(self._holder.setpoints)
        try:
            self._holder.offer(statement, self._now_ms(), retained=retained)
            self._refused = None
        except Refused as error:
            self._refuse(str(error))
        self._next_report_ms = self._now_ms()
        if self._holder.setpoints != before:
            self._report()

    def _refuse(self, reason: str) -> None:
        if reason != self._refused:
            _log.warning("set refused: %s", reason, extra={"event": "set_refused"} | self._who)
        self._refused = reason

    def _follow(self) -> bool:
        """Have the hardware draw what the leases allow; return whether it was told something new.

        What is stored is never above what is applied: lowered before, raised after the hardware is told. Where it
        cannot be stored, setpoints are lowered only.
        """
        wanted = self._holder.setpoints
        lowered = {id_: min(watts, self._applied[id_]) for id_, watts in wanted.items()}
        aim = wanted if self._save(lowered) else lowered
        changed = {id_: watts for id_, watts in aim.items() if id_ in self._unsure or watts != self._applied[id_]}
        if changed and not self._tell(changed):
            return False
        self._save(self._applied)
        if aim == wanted:
            self._applied_seq = self._holder.accepted_seq
        return bool(changed)

    def _tell(self, changed: Mapping[str, int]) -> bool:
        self._unsure |= changed.keys()
        try:
            self._hardware.apply(changed)
        except DriverLoss as error:
            if not self._silent:
                _log.warning("hardware lost: %s", error, extra={"event": "hardware_lost"} | self._who)
            self._silent = True
            return False
        if self._silent:
            _log.info("hardware is back", extra={"event": "hardware_back"} | self._who)
        self._silent = False
        self._unsure -= changed.keys()
        self._applied |= changed
        self._holder.took(self._applied)
        return True

    def _save(self, applied: Mapping[str, int]) -> bool:
        """Store what a restart needs, unless it is stored already; return whether it is."""
        if (self._saved.epoch, self._saved.applied) == (self._holder.epoch, applied):
            return True
        held = Held(epoch=self._holder.epoch, seq=self._holder.accepted_seq, applied=dict(applied))
        try:
            self._store.save(held)
        except OSError as error:
            if self._unstored is None:
                _log.error("store lost, nothing is raised: %s", error, extra={"event": "store_lost"} | self._who)
            self._unstored = f"nothing is raised, the agent's store is unusable: {error}"
            return False
        if self._unstored is not None:
            _log.info("store is back", extra={"event": "store_back"} | self._who)
        self._unstored = None
        self._saved = held
        return True

    def _measure(self) -> None:
        try:
            self._measured = self._hardware.measure()
        except DriverLoss:
            self._measured = {}
        lost = frozenset(id_ for id_ in self._devices if self._state(id_) is DeviceState.LOST)
        if gone := lost - self._lost:
            _log.warning("%d devices lost: %s", len(gone), _some(gone), extra={"event": "devices_lost"} | self._who)
        if back := self._lost - lost:
            _log.info("%d devices back: %s", len(back), _some(back), extra={"event": "devices_back"} | self._who)
        self._unsure |= back
        self._lost = lost

    def _state(self, id_: str) -> DeviceState:
        measured = self._measured.get(id_)
        return DeviceState.LOST if measured is None else measured.state

    def _report(self) -> None:
        now_ms = self._now_ms()
        self._holder.advance(now_ms)
        report = wire.Report(
            v=1,
            site=self._site,
            agent=self._agent,
            key=self._agent,
            echo=wire.Echo(boot=self._boot, boottime_ms=now_ms),
            epoch=self._holder.epoch,
            accepted_seq=self._holder.accepted_seq,
            applied_seq=self._applied_seq,
            lease_left_ms=self._holder.lease_left_ms(now_ms),
            lapsed=self._holder.lapsed,
            devices={id_: self._device_report(id_) for id_ in self._devices},
            refused=self._reason(),
        )
        self._next_report_ms = now_ms + self._report_ms
        expiry_s = 3 * self._report_ms / 1000
        self._link.publish(self._topic(wire.Leaf.REPORT), wire.sign(report, self._key), expiry_s=expiry_s)

    def _reason(self) -> str | None:
        reason = self._refused or self._unstored
        return None if reason is None else reason[:500]

    def _device_report(self, id_: str) -> wire.DeviceReport:
        measured = self._measured.get(id_)
        watts = None if measured is None else measured.watts
        return wire.DeviceReport(
            setpoint_w=self._applied[id_],
            measured_w=watts if watts is not None and abs(watts) <= MAX_W else None,
            state=self._state(id_),
        )

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

    def _on_message(self, _topic: str, payload: bytes, retained: bool) -> None:
        self._put(_SetArrived(payload, retained))

    def _on_connection(self, up: bool) -> None:
        if up:
            self._put(_Connected())

    def _put(self, event: _Event) -> None:
        # A full inbox is a flood: the controller repeats itself, and the stop flag is looked at in any case.
        with contextlib.suppress(queue.Full):
            self._inbox.put_nowait(event)

    def _topic(self, leaf: wire.Leaf) -> str:
        return wire.topic(self._site, self._agent, leaf)

    def _now_ms(self) -> int:
        return int(1000 * self._clock())

    @property
    def _who(self) -> dict[str, str]:
        return {"agent": self._agent}


def _inventory_device(device: Device) -> wire.InventoryDevice:
    return wire.InventoryDevice(
        model=device.model.id,
        max_w=device.at_most(device.max_w),
        off_w=device.model.off_w,
        failsafe_w=device.at_most(device.failsafe_w),
    )


def _some(ids: Iterable[str]) -> str:
    """Return the first of the ids as a person reads them."""
    first, rest = sorted(ids)[:10], sorted(ids)[10:]
    return ", ".join(first) + (", …" if rest else "")
