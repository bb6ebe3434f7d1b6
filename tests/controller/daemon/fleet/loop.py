"""One agent's real lease holder and the controller's real statements, with the network between them in the test's hands."""

from __future__ import annotations

from functools import cache

import numpy as np

from controller.core.site import Site
from controller.daemon.fleet.reports import AgentReport, Reports
from controller.daemon.fleet.statements import Statements
from drivers.errors import Refused
from drivers.fleet.agent.lease import Held, LeasedDevice, LeaseHolder
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.keys import PrivateKey
from drivers.fleet.wire import DeviceReport, DeviceState, Echo, Inventory, InventoryDevice, Leaf, Report, Set, sign
from tests.controller.core.world import RULES, devices, tree
from tests.controller.core.world import site as world_site

AGENT = "hall-a"
SITE = "loop"
TTL_S = 30.0
#: Device id to watts that the agent's models and the site's columns share; the second is stepped.
MODELS = {"a-s21": "antminer-s21", "b-s19k": "antminer-s19k-pro", "c-gpu": "hgx-h100"}
FAILSAFE = {"a-s21": 25, "b-s19k": 1080, "c-gpu": 4000}
FULL = {"a-s21": 3500, "b-s19k": 2794, "c-gpu": 10200}


@cache
def catalogue():
    return load_catalogue()


@cache
def key() -> PrivateKey:
    """One key for everything: whose key it is, is tested elsewhere."""
    return PrivateKey.generate()


def agent_devices() -> dict[str, LeasedDevice]:
    return {id_: LeasedDevice(model=catalogue()[model], failsafe_w=FAILSAFE[id_]) for id_, model in MODELS.items()}


@cache
def make_site(agents: tuple[str, ...] = (AGENT,)) -> Site:
    """Return a site whose agents each lead one device of each model; ids carry the agent's place after the first."""
    rows, ids = [], []
    for a in range(len(agents)):
        for id_, model in MODELS.items():
            modes = tuple((m.watts, 0.1 * k, m.continuous) for k, m in enumerate(catalogue()[model].modes))
            rows.append({"modes": modes, "agent": a, "failsafe": float(FAILSAFE[id_])})
            ids.append(id_ if len(agents) == 1 else f"{id_}-{a}")
    base, columns = world_site(RULES), devices(rows)
    names = dict(zip(("ids",), (tuple(ids),), strict=True))
    return Site(
        id=SITE,
        tree=tree(("pcc", -1, float("inf"), 5_000.0)),
        devices=type(columns)(**{f: getattr(columns, f) for f in columns.__slots__} | names),
        meters=base.meters,
        agents=agents,
        rules=RULES,
    )


def report_of(
    *, agent: str = AGENT, boot: str = "b1", now_ms: int = 1_000_000, setpoints=None, applied=None, ids=None, **more
) -> Report:
    """Return a report; fields not given are those of a fresh agent with everything off."""
    applied = applied if applied is not None else dict.fromkeys(ids or MODELS, 25)
    fields = {"epoch": 0, "accepted_seq": 0, "applied_seq": 0, "lease_left_ms": 0, "lapsed": True, "refused": None}
    state, measured = more.pop("state", DeviceState.RUNNING), more.pop("measured_w", None)
    return Report(
        v=1,
        site=SITE,
        agent=agent,
        key=agent,
        echo=Echo(boot=boot, boottime_ms=now_ms),
        devices={
            id_: DeviceReport(setpoint_w=watts, measured_w=measured, state=state) for id_, watts in applied.items()
        },
        **(fields | more),
    )


def inventory_of(max_w: dict[str, int], *, agent: str = AGENT, boot: str = "b1", now_ms: int = 1_000_000) -> Inventory:
    listed = {id_: InventoryDevice(model="m", max_w=watts, off_w=25, failsafe_w=25) for id_, watts in max_w.items()}
    return Inventory(v=1, site=SITE, agent=agent, key=agent, echo=Echo(boot=boot, boottime_ms=now_ms), devices=listed)


class AgentSide:
    """The agent: the real lease holder over hardware that does at once what it is told."""

    def __init__(self, now_ms: int) -> None:
        self.boots = 0
        self.applied = dict.fromkeys(MODELS, 25)
        self.start(Held(applied=self.applied), now_ms)

    def start(self, held: Held, now_ms: int) -> None:
        self.boots += 1
        self.boot = f"b{self.boots}"
        self.holder = LeaseHolder(
            agent=AGENT, boot=self.boot, devices=agent_devices(), settle_s=15.0, held=held, now_ms=now_ms
        )
        self.applied_seq = 0
        self.follow()

    def restart(self, now_ms: int) -> None:
        self.start(Held(epoch=self.holder.epoch, seq=self.holder.accepted_seq, applied=self.applied), now_ms)

    def follow(self) -> None:
        self.applied = dict(self.holder.setpoints)
        self.holder.took(self.applied)
        self.applied_seq = self.holder.accepted_seq

    def report(self, now_ms: int) -> Report:
        self.holder.advance(now_ms)
        return report_of(
            boot=self.boot,
            now_ms=now_ms,
            applied=self.applied,
            epoch=self.holder.epoch,
            accepted_seq=self.holder.accepted_seq,
            applied_seq=self.applied_seq,
            lease_left_ms=self.holder.lease_left_ms(now_ms),
            lapsed=self.holder.lapsed,
        )

    def take(self, statement: Set, now_ms: int) -> bool:
        """Offer a statement and return whether it was taken."""
        try:
            self.holder.offer(statement, now_ms)
        except Refused:
            return False
        return True


class ControllerSide:
    """The controller's reports and statements of one epoch."""

    def __init__(self, epoch: int, ttl_s: float = TTL_S) -> None:
        self.epoch = epoch
        self.reports = Reports(make_site(), {AGENT: key().public_key()})
        self.statements = Statements(site=SITE, agent=AGENT, devices=tuple(MODELS), epoch=epoch, ttl_s=ttl_s)

    @property
    def view(self) -> AgentReport:
        return self.reports.newest[0]

    def hear(self, report: Report, now_ms: int) -> bool:
        """Take a report in and return whether it counted."""
        try:
            self.reports.take(AGENT, Leaf.REPORT, sign(report, key()), False, now_ms / 1000)
        except Refused:
            return False
        return True

    def due(self, watts: dict[str, int], known: Echo | None, now_ms: int) -> Set | None:
        return self.statements.due(column(watts), self.view, known, now_ms / 1000)

    def sent(self, statement: Set, watts: dict[str, int], decided_ms: int, now_ms: int) -> None:
        self.statements.sent(statement, column(watts), decided_ms / 1000, now_ms / 1000)

    def confirmed_ms(self) -> float:
        return 1000 * self.statements.confirmed_s(self.view)


def column(watts: dict[str, int]) -> np.ndarray:
    return np.array([watts[id_] for id_ in MODELS], dtype=np.float64)
