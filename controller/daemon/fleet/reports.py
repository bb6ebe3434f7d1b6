"""What the agents said last, as columns for the core.

Only what an agent has signed counts. The newest reports are replaced as a whole, so that the tick reads without waiting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import msgspec
import numpy as np
from msgspec.structs import replace

from controller.core.reasons import Code, Reason
from controller.core.site import F64, I8, I64, Bool, Site
from controller.core.snapshot import Followed, Measurer
from controller.daemon.fleet.inventories import AgentInventory, hold_against, name_some, shared
from controller.daemon.fleet.letters import AWAKE, MISSING, UNKNOWN, codes, resting
from controller.daemon.fleet.refusal import MessageRefused
from controller.daemon.fleet.relays import AgentRelay
from controller.daemon.fleet.starts import AgentStart
from drivers.errors import Refused
from drivers.fleet.head import JournalHead, open_head
from drivers.fleet.keys import PublicKey
from drivers.fleet.wire import DeviceAlarm, Echo, Inventory, Leaf, Report, open_inventory, open_report, open_status

#: Heads that are known again without a look at their signatures.
_HEADS_REMEMBERED: Final = 256
_ALARMS: Final = {DeviceAlarm.POOLS_CHANGED: Code.POOLS_CHANGED, DeviceAlarm.MOVED: Code.DEVICES_MOVED}
_NOTHING_SAID: Final = np.full((2, 1), np.nan)


class AgentReport(msgspec.Struct, frozen=True, kw_only=True):
    """One agent with its n devices, in the order of the site's columns, and its contactors behind them.

    `heard_s`: when the newest report arrived, ``-inf`` if never. `echo`: the agent's clock by that report, None where
    a lease cannot be given: before a report that has taken a statement of this controller, and from a loss of the link to
    the next one. `inventory`: what the agent has, None before it has said so.
    `applied_w`, `measured_w` (NaN: unknown), `measured_by`, `follow`, and `down_seen_s`, `up_seen_s` of the devices alone: as in
    `FleetColumns`; a device that the inventory lacks
    is lost, at its signed maximum. `activity` (n,): the place in `wire.Activity`. `rests` (n,): as in `FleetColumns`, None where nothing
    rests. `letters`: what these four were made of, since they stay the same from report to report; None where they have to be made anew.
    `head_seen`, `head_stored`: the head of the newest set that it took, and the one that a restart would find; None where it
    has none, or none that this controller's key has signed. `findings`: what is wrong with what it said.

    A struct, because one is made for every report: as a dataclass it takes ten times as long.
    """

    heard_s: float
    start: AgentStart
    echo: Echo | None
    inventory: AgentInventory | None
    epoch: int
    accepted_seq: int
    applied_seq: int
    lapsed: bool
    lease_left_s: float
    online: bool
    applied_w: F64
    measured_w: F64
    measured_by: I8
    follow: I8
    activity: I8
    max_w: F64
    down_seen_s: F64
    up_seen_s: F64
    rests: Bool | None = None
    letters: tuple[str, str, str, str] | None = None
    head_seen: JournalHead | None = None
    head_stored: JournalHead | None = None
    findings: tuple[Reason, ...] = ()


class Reports:
    """What all agents said last of a site, by the order of `Site.agents`.

    `keys`: the public key of every agent, `controller`: that of this controller. `models` (D,): those of the site file.
    `epoch`: this start of the controller. `devices` tells which columns belong to an agent, `relays` which contactors. `sent_seq`:
    the newest statement to each agent in this epoch, set by whoever sends it. `place` (D,): where each device stands in the columns of
    all agents, one behind the other, and `rank` (D,): the same in those columns that have no contactors.
    """

    def __init__(
        self,
        site: Site,
        keys: Mapping[str, PublicKey],
        *,
        controller: PublicKey,
        models: Sequence[str],
        epoch: int,
        relays: Mapping[str, Sequence[AgentRelay]] = MappingProxyType({}),
    ) -> None:
        self._site = site
        self._keys = keys
        self._models = models
        self.epoch = epoch
        self._index = {agent: a for a, agent in enumerate(site.agents)}
        self._open_head = lru_cache(maxsize=_HEADS_REMEMBERED)(lambda token: _opened(token, controller, site.id))
        self.devices: tuple[I64, ...] = tuple(np.flatnonzero(site.devices.agent == a) for a in range(len(site.agents)))
        self.relays: tuple[tuple[AgentRelay, ...], ...] = tuple(tuple(relays.get(agent, ())) for agent in site.agents)
        self._ids = tuple(
            (*(site.devices.ids[i] for i in mine), *(relay.device for relay in its))
            for mine, its in zip(self.devices, self.relays, strict=True)
        )
        self.place = self._places()
        self.rank = np.argsort(np.concatenate(self.devices))
        self._nobody = np.zeros(len(site.devices.ids), dtype=np.bool_)
        self.sent_seq = [0] * len(site.agents)
        self._shared: dict[str, tuple[Reason, ...]] = {}
        self.newest: tuple[AgentReport, ...] = tuple(map(self._unheard, self.devices, self.relays))

    def lead(self, epoch: int) -> None:
        """Be in another epoch from now on, in which nothing has been sent yet."""
        self.sent_seq = [0] * len(self.newest)
        self.newest = tuple(replace(view, start=view.start.in_new_epoch()) for view in self.newest)
        self.epoch = epoch

    def _places(self) -> I64:
        place, begin = np.empty(len(self._site.devices.ids), dtype=np.int64), 0
        for mine, relays in zip(self.devices, self.relays, strict=True):
            place[mine] = np.arange(begin, begin + len(mine))
            begin += len(mine) + len(relays)
        return place

    def _unheard(self, mine: I64, relays: Sequence[AgentRelay]) -> AgentReport:
        count, closed_w = len(mine) + len(relays), [relay.closed_w for relay in relays]
        return AgentReport(
            heard_s=float("-inf"),
            start=AgentStart(),
            echo=None,
            inventory=None,
            epoch=0,
            accepted_seq=0,
            applied_seq=0,
            lapsed=False,
            lease_left_s=0.0,
            online=False,
            applied_w=np.concatenate([self._site.devices.off_w[mine], closed_w]),
            measured_w=np.full(count, np.nan),
            measured_by=np.full(count, Measurer.NOTHING, dtype=np.int8),
            follow=np.full(count, Followed.LOST, dtype=np.int8),
            activity=np.full(count, UNKNOWN, dtype=np.int8),
            max_w=np.concatenate([self._site.devices.max_w[mine], closed_w]),
            down_seen_s=self._site.devices.down_seen_s[mine],
            up_seen_s=self._site.devices.up_seen_s[mine],
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
            self._swap(a, self._introduced(a, inventory))
        elif leaf is Leaf.SET or retained:
            message = f"{'retained ' if retained else ''}{leaf}"
            raise MessageRefused(Reason(Code.MESSAGE_NEVER_TAKEN, agent, {"message": message}))
        else:
            report = open_report(payload, {agent: self._keys[agent]}, site=site, agent=agent)
            self._swap(a, self._reported(a, report, now_s))

    def forget_clocks(self) -> None:
        """Give no more leases until every agent has told its clock anew: the link was lost."""
        self.newest = tuple(replace(view, echo=None) for view in self.newest)

    def resting(self) -> Bool:
        """Return which devices (D,) their agents let rest."""
        if all(view.rests is None for view in self.newest):
            return self._nobody
        columns = [np.zeros(len(view.follow), np.bool_) if view.rests is None else view.rests for view in self.newest]
        return np.concatenate(columns)[self.place]

    def _swap(self, a: int, view: AgentReport) -> None:
        self.newest = (*self.newest[:a], view, *self.newest[a + 1 :])

    def _introduced(self, a: int, said: Inventory) -> AgentReport:
        old = self.newest[a]
        known = old.inventory
        former = said.echo.boot in old.start.former
        if known is not None and said.echo.boot == known.boot:
            former = said.echo.boottime_ms < known.boottime_ms
        if former:
            raise MessageRefused(Reason(Code.REPORT_OF_FORMER_START, said.agent))
        inventory = hold_against(self._site, self._models, self.devices[a], said, self.relays[a])
        self._share(said.agent, inventory)
        return replace(
            old,
            inventory=inventory,
            letters=None,
            max_w=inventory.max_w,
            down_seen_s=inventory.down_seen_s,
            up_seen_s=inventory.up_seen_s,
            findings=(*inventory.differences, *self._shared[said.agent]),
        )

    def _reported(self, a: int, report: Report, now_s: float) -> AgentReport:
        old, ours = self.newest[a], report.epoch == self.epoch
        inventory, seq, sent_seq = old.inventory, report.accepted_seq, self.sent_seq[a]
        start = old.start.after(report.agent, report.echo, ours=ours, seq=seq, sent_seq=sent_seq)
        if inventory is None or (report.inventory, len(report.applied_w)) != (inventory.id, inventory.count):
            raise MessageRefused(Reason(Code.INVENTORY_UNKNOWN, report.agent, {"inventory": report.inventory}))
        applied_w, measured_w, absurd = self._watts(a, report, inventory)
        letters = report.state, report.measured_by, report.activity, report.rests
        if letters == old.letters:
            follow, measured_by, activity, rests = old.follow, old.measured_by, old.activity, old.rests
        else:
            follow, measured_by, activity = inventory.columns(codes(letters[:3]), MISSING)
            rests = inventory.columns(resting(report.rests), AWAKE)[0] if report.rests else None
        (seen, why_not_seen), (stored, why_not_stored) = map(self._head, (report.head_seen, report.head_stored))
        refused = _refused(report, why_not_seen or why_not_stored)
        return AgentReport(
            heard_s=now_s,
            start=start,
            echo=report.echo if ours else None,
            inventory=inventory,
            epoch=report.epoch,
            accepted_seq=report.accepted_seq,
            applied_seq=report.applied_seq,
            lapsed=report.lapsed,
            lease_left_s=report.lease_left_ms / 1000.0,
            online=True,
            applied_w=applied_w,
            measured_w=measured_w,
            measured_by=measured_by,
            follow=follow,
            activity=activity,
            rests=rests,
            letters=letters,
            max_w=inventory.max_w,
            down_seen_s=inventory.down_seen_s,
            up_seen_s=inventory.up_seen_s,
            head_seen=seen,
            head_stored=stored,
            findings=(*inventory.differences, *self._shared[report.agent], *_alarms(report), *absurd, *refused),
        )

    def _watts(self, a: int, report: Report, inventory: AgentInventory) -> tuple[F64, F64, tuple[Reason, ...]]:
        """Return applied and measured watts (n,), within what can be, and the reason that names what cannot."""
        # As a float, null is NaN.
        said_w = np.array((report.applied_w, report.measured_w), dtype=np.float64)
        applied_w, measured_w = watts = inventory.columns(said_w, _NOTHING_SAID)
        if not inventory.whole:
            np.copyto(applied_w, inventory.bound_w[0], where=~inventory.led)
        absurd = np.abs(watts) > inventory.bound_w
        if not absurd.any():
            return applied_w, measured_w, ()
        np.clip(watts, -inventory.bound_w, inventory.bound_w, out=watts)
        named = name_some([self._ids[a][k] for k in np.flatnonzero(absurd.any(axis=0))])
        return applied_w, measured_w, (Reason(Code.WATTS_ABSURD, report.agent, named),)

    def _share(self, agent: str, inventory: AgentInventory) -> None:
        """Note which agents say that they have the same hardware."""
        known = {name: view.inventory for name, view in zip(self._site.agents, self.newest, strict=True)}
        said = {name: its for name, its in known.items() if its is not None} | {agent: inventory}
        self._shared = {
            name: shared(name, mine, {other: its for other, its in said.items() if other != name})
            for name, mine in said.items()
        }

    def _head(self, token: str | None) -> tuple[JournalHead | None, str]:
        return (None, "") if token is None else self._open_head(token)


def _alarms(report: Report) -> tuple[Reason, ...]:
    """Return what a person has to look at, by the agent's words."""
    named = {alarm: [one.device for one in report.alarms if one.alarm is alarm] for alarm in _ALARMS}
    return tuple(Reason(_ALARMS[alarm], report.agent, name_some(ids)) for alarm, ids in named.items() if ids)


def _refused(report: Report, wrong_head: str) -> tuple[Reason, ...]:
    """Return what the agent takes not from us, by its own words, and we not from it."""
    of_head = (Reason(Code.HEAD_REFUSED, report.agent, {"error": wrong_head}),) if wrong_head else ()
    of_set = (Reason(Code.SET_REFUSED, report.agent, {"error": report.refused}),) if report.refused else ()
    return (*of_head, *of_set)


def _opened(token: str, controller: PublicKey, site: str) -> tuple[JournalHead | None, str]:
    """Return the head of a token, or why it is none."""
    try:
        return open_head(token, controller, site=site), ""
    except Refused as refusal:
        return None, str(refusal)
