"""Has the hardware draw what the leases allow, and keeps what it was told over a restart."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from drivers.errors import DriverLoss
from drivers.fleet.agent.hardware import DeviceReading, Hardware
from drivers.fleet.agent.lease import Held, LeasedDevice, LeaseHolder
from drivers.fleet.agent.store import Store
from drivers.fleet.catalogue import MAX_W
from drivers.fleet.wire import DeviceReport, DeviceState

_log = logging.getLogger(__name__)


class Actuation:
    """What one agent's devices were told, and what they measure.

    `applied_seq` is the newest sequence that the hardware has taken; `unstored` says why nothing is raised, None where
    the store works.
    """

    def __init__(
        self, *, agent: str, devices: Mapping[str, LeasedDevice], hardware: Hardware, store: Store, held: Held
    ) -> None:
        self.applied_seq = 0
        self.unstored: str | None = None
        self._who = {"agent": agent}
        self._hardware = hardware
        self._store = store
        self._stored = held
        self._applied = {id_: held.applied.get(id_, device.at_most(0)) for id_, device in devices.items()}
        self._unsure = set(devices)
        self._measured: Mapping[str, DeviceReading] = {}
        self._lost: frozenset[str] = frozenset()
        self._silent = False

    def follow(self, holder: LeaseHolder) -> bool:
        """Tell the hardware what the leases allow; return whether there was something new to tell, and it took it.

        What is stored is never above what is applied: lowered before, raised after the hardware is told. Once it
        cannot be stored, setpoints are lowered only. What failed is tried again by the next call.
        """
        wanted = holder.setpoints
        lowered = {id_: min(watts, self._applied[id_]) for id_, watts in wanted.items()}
        aim = wanted if self._keep(holder, lowered) else lowered
        changed = {id_: watts for id_, watts in aim.items() if id_ in self._unsure or watts != self._applied[id_]}
        if changed and not self._tell(changed):
            return False
        holder.took(self._applied)
        self._keep(holder, self._applied)
        if aim == wanted:
            self.applied_seq = holder.accepted_seq
        return bool(changed)

    def measure(self) -> None:
        """Ask the devices what they do; one that comes back from silence is told its setpoint again."""
        try:
            self._measured = self._hardware.measure()
        except DriverLoss:
            self._measured = {}
        lost = frozenset(id_ for id_ in self._applied if self._state(id_) is DeviceState.LOST)
        if gone := lost - self._lost:
            _log.warning("%d devices lost: %s", len(gone), _some(gone), extra={"event": "devices_lost"} | self._who)
        if back := self._lost - lost:
            _log.info("%d devices back: %s", len(back), _some(back), extra={"event": "devices_back"} | self._who)
        self._unsure |= back
        self._lost = lost

    def reports(self) -> dict[str, DeviceReport]:
        """Return what is applied now and what was measured last, by device."""
        return {
            id_: DeviceReport(setpoint_w=watts, measured_w=self._watts(id_), state=self._state(id_))
            for id_, watts in self._applied.items()
        }

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
        return True

    def _keep(self, holder: LeaseHolder, applied: Mapping[str, int]) -> bool:
        """Store what a restart needs, unless it is stored already; return whether it is."""
        if self.unstored is None and (self._stored.epoch, self._stored.applied) == (holder.epoch, applied):
            return True
        held = Held(epoch=holder.epoch, seq=holder.accepted_seq, applied=dict(applied))
        try:
            self._store.save(held)
        except OSError as error:
            if self.unstored is None:
                _log.error("store lost, nothing is raised: %s", error, extra={"event": "store_lost"} | self._who)
            self.unstored = f"nothing is raised, the agent's store is unusable: {error}"
            return False
        if self.unstored is not None:
            _log.info("store is back", extra={"event": "store_back"} | self._who)
        self.unstored = None
        self._stored = held
        return True

    def _state(self, id_: str) -> DeviceState:
        measured = self._measured.get(id_)
        return DeviceState.LOST if measured is None else measured.state

    def _watts(self, id_: str) -> float | None:
        """Return the measured watts where they are a number that the wire takes."""
        measured = self._measured.get(id_)
        watts = None if measured is None else measured.watts
        return watts if watts is not None and abs(watts) <= MAX_W else None


def _some(ids: Iterable[str]) -> str:
    """Return the first of the ids as a person reads them."""
    first, rest = sorted(ids)[:10], sorted(ids)[10:]
    return ", ".join(first) + (", …" if rest else "")
