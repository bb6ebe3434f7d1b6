"""What an agent says, as signed payloads."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from drivers.fleet import wire
from drivers.fleet.agent.driving import Columns
from drivers.fleet.agent.inventory import inventory_of
from drivers.fleet.agent.lease import LeasedDevice, LeaseHolder
from drivers.fleet.keys import PrivateKey


class Speaker:
    """Signs in the name of one agent. `boot` names this start of it, `inventory` its devices, sorted by id."""

    def __init__(self, *, site: str, agent: str, key: PrivateKey, devices: Mapping[str, LeasedDevice]) -> None:
        self.boot = ""
        self.begin_anew()
        self._site, self._agent, self._key = site, agent, key
        self._devices = inventory_of(devices)
        self.inventory = wire.inventory_id(self._devices)

    def begin_anew(self) -> str:
        """Speak as another start of the agent from now on, and return its name."""
        self.boot = uuid.uuid4().hex
        return self.boot

    def topic(self, leaf: wire.Leaf) -> str:
        """Return the agent's topic."""
        return wire.topic(self._site, self._agent, leaf)

    def status(self, presence: wire.Presence) -> bytes:
        """Return whether the agent is there."""
        return wire.encode_status(wire.Status(v=2, site=self._site, agent=self._agent, state=presence))

    def introduction(self, now_ms: int) -> bytes:
        """Return the inventory."""
        body = wire.Inventory(
            v=2,
            site=self._site,
            agent=self._agent,
            key=self._agent,
            echo=wire.Echo(boot=self.boot, boottime_ms=now_ms),
            inventory=self.inventory,
            devices=self._devices,
        )
        return wire.sign(body, self._key)

    def report(
        self,
        columns: Columns,
        holder: LeaseHolder,
        now_ms: int,
        *,
        applied_seq: int,
        head_stored: str | None,
        refused: str | None,
        alarms: list[wire.AlarmedDevice],
    ) -> bytes:
        """Return what the agent holds and knows now."""
        body = wire.Report(
            v=2,
            site=self._site,
            agent=self._agent,
            key=self._agent,
            echo=wire.Echo(boot=self.boot, boottime_ms=now_ms),
            epoch=holder.epoch,
            accepted_seq=holder.accepted_seq,
            applied_seq=applied_seq,
            lease_left_ms=holder.lease_left_ms(now_ms),
            lapsed=holder.lapsed,
            inventory=self.inventory,
            applied_w=columns.applied_w,
            measured_w=columns.measured_w,
            measured_by=columns.measured_by,
            state=columns.state,
            proof=columns.proof,
            activity=columns.activity,
            head_seen=holder.head,
            head_stored=head_stored,
            refused=None if refused is None else refused[: wire.MAX_TEXT],
            alarms=alarms,
            rests=columns.rests,
        )
        return wire.sign(body, self._key)
