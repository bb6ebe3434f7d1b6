"""What the agents said last, as columns for the core.

Only what an agent has signed counts. The newest reports are replaced as a whole, so that the tick reads without waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from controller.core.reasons import Code, Reason
from controller.core.site import F64, I8, I64, Site
from controller.core.snapshot import Follow, MeasuredBy
from controller.texts.english import text
from drivers.errors import Refused
from drivers.fleet.keys import PublicKey
from drivers.fleet.wire import (
    DeviceReport,
    DeviceState,
    Echo,
    Inventory,
    Leaf,
    Report,
    open_inventory,
    open_report,
    open_status,
)

#: Version 1 of the contract has no proof. What is measured fits a setpoint within the errors of both, and this share of
#: the signed maximum.
_FITS_SHARE = 0.02


class MessageRefused(Refused):
    """A message of the fleet that does not count."""

    def __init__(self, reason: Reason) -> None:
        """Refuse for one reason; its subject is the agent, or the root node where no agent of the site is named."""
        super().__init__(text(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """One agent with its n devices, in the order of the site's columns; `measured_w`, `measured_by`, `follow` as in `FleetColumns`.

    `heard_s`: when the newest report arrived, ``-inf`` if never. `echo`: the agent's clock by that report, None where
    a lease cannot be given: before the first report, and from a loss of the link to the next one.
    """

    heard_s: float
    echo: Echo | None
    epoch: int
    accepted_seq: int
    applied_seq: int
    lapsed: bool
    lease_left_s: float
    online: bool
    refused: str | None
    applied_w: F64
    measured_w: F64
    measured_by: I8
    follow: I8
    max_w: F64
    states: tuple[DeviceState, ...]


class Reports:
    """What all agents said last of a site, by the order of `Site.agents`.

    `keys`: the public key of every agent. `devices` tells which columns belong to an agent.
    """

    def __init__(self, site: Site, keys: Mapping[str, PublicKey]) -> None:
        self._site = site
        self._keys = keys
        self._index = {agent: a for a, agent in enumerate(site.agents)}
        self.devices: tuple[I64, ...] = tuple(np.flatnonzero(site.devices.agent == a) for a in range(len(site.agents)))
        self.newest: tuple[AgentReport, ...] = tuple(self._unheard(mine) for mine in self.devices)

    def _unheard(self, mine: I64) -> AgentReport:
        off_w, max_w = self._site.devices.off_w[mine], self._site.devices.max_w[mine]
        return AgentReport(
            heard_s=float("-inf"),
            echo=None,
            epoch=0,
            accepted_seq=0,
            applied_seq=0,
            lapsed=False,
            lease_left_s=0.0,
            online=False,
            refused=None,
            applied_w=off_w,
            measured_w=np.full(len(mine), np.nan),
            measured_by=np.full(len(mine), MeasuredBy.NOTHING, dtype=np.int8),
            follow=np.full(len(mine), Follow.LOST, dtype=np.int8),
            max_w=max_w,
            states=(DeviceState.LOST,) * len(mine),
        )

    def take(self, agent: str, leaf: Leaf, payload: bytes, retained: bool, now_s: float) -> None:
        """Take one message of an agent in; raises MessageRefused, and changes nothing, for one that does not count."""
        try:
            self._take(agent, leaf, payload, retained, now_s)
        except MessageRefused:
            raise
        except Refused as refusal:
            raise MessageRefused(Reason(Code.MESSAGE_INVALID, agent, {"error": str(refusal)})) from refusal

    def _take(self, agent: str, leaf: Leaf, payload: bytes, retained: bool, now_s: float) -> None:
        a = self._index.get(agent)
        if a is None:
            raise MessageRefused(Reason(Code.AGENT_UNKNOWN, self._site.tree.ids[0], {"agent": agent}))
        site = self._site.id
        if leaf is Leaf.STATUS:
            status = open_status(payload, site=site, agent=agent)
            self._swap(a, replace(self.newest[a], online=status.state == "online"))
        elif leaf is Leaf.INVENTORY:
            inventory = open_inventory(payload, {agent: self._keys[agent]}, site=site, agent=agent)
            self._swap(a, self._narrowed(a, inventory))
        elif leaf is Leaf.SET or retained:
            message = f"{'retained ' if retained else ''}{leaf}"
            raise MessageRefused(Reason(Code.MESSAGE_NEVER_TAKEN, agent, {"message": message}))
        else:
            report = open_report(payload, {agent: self._keys[agent]}, site=site, agent=agent)
            self._swap(a, self._reported(a, report, now_s))

    def forget_clocks(self) -> None:
        """Give no more leases until every agent has told its clock anew: the link was lost."""
        self.newest = tuple(replace(view, echo=None) for view in self.newest)

    def _swap(self, a: int, view: AgentReport) -> None:
        self.newest = (*self.newest[:a], view, *self.newest[a + 1 :])

    def _ids(self, a: int, named: Mapping[str, object]) -> list[str]:
        ids = [self._site.devices.ids[i] for i in self.devices[a]]
        if named.keys() != set(ids):
            raise MessageRefused(Reason(Code.DEVICES_DIFFER, self._site.agents[a]))
        return ids

    def _narrowed(self, a: int, inventory: Inventory) -> AgentReport:
        ids = self._ids(a, inventory.devices)
        told_w = np.array([inventory.devices[id_].max_w for id_ in ids], dtype=np.float64)
        return replace(self.newest[a], max_w=np.minimum(told_w, self._site.devices.max_w[self.devices[a]]))

    def _reported(self, a: int, report: Report, now_s: float) -> AgentReport:
        devices = [report.devices[id_] for id_ in self._ids(a, report.devices)]
        old = self.newest[a]
        if (
            old.echo is not None
            and old.echo.boot == report.echo.boot
            and old.echo.boottime_ms > report.echo.boottime_ms
        ):
            raise MessageRefused(Reason(Code.REPORT_OUT_OF_ORDER, report.agent))
        applied_w = np.array([device.setpoint_w for device in devices], dtype=np.float64)
        measured_w = np.array([_watts(device) for device in devices], dtype=np.float64)
        follow = self._follow(a, devices, applied_w, measured_w)
        return replace(
            old,
            heard_s=now_s,
            echo=report.echo,
            epoch=report.epoch,
            accepted_seq=report.accepted_seq,
            applied_seq=report.applied_seq,
            lapsed=report.lapsed,
            lease_left_s=report.lease_left_ms / 1000.0,
            online=True,
            refused=report.refused,
            applied_w=applied_w,
            measured_w=measured_w,
            measured_by=np.where(np.isnan(measured_w), MeasuredBy.NOTHING, MeasuredBy.ESTIMATE).astype(np.int8),
            follow=follow,
            states=tuple(device.state for device in devices),
        )

    def _follow(self, a: int, devices: list[DeviceReport], applied_w: F64, measured_w: F64) -> I8:
        """Return how the devices follow, as well as version 1 can tell: it says what is applied, and measures."""
        mine, columns = self.devices[a], self._site.devices
        error = columns.tolerance[mine] + columns.report_error[mine]
        within_w = np.maximum(applied_w, columns.off_w[mine]) * (1.0 + error) + _FITS_SHARE * columns.max_w[mine]
        # Where nothing is measured, the state that the hardware gives is all that was read back.
        found = np.where(measured_w > within_w, Follow.SETTLING, Follow.PROVEN)
        lost = [device.state is DeviceState.LOST for device in devices]
        return np.where(lost, Follow.LOST, found).astype(np.int8)


def _watts(device: DeviceReport) -> float:
    """Return what is measured, NaN where nothing is, or where the device does not answer any more."""
    return np.nan if device.measured_w is None or device.state is DeviceState.LOST else device.measured_w
