"""One agent by the contract and the controller's real statements, with the network between them in the test's hands."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from controller.core.site import Site
from controller.daemon.fleet.reports import AgentReport, Reports
from controller.daemon.fleet.statements import Statements
from drivers.errors import Refused
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.head import JournalHead
from drivers.fleet.keys import PrivateKey
from drivers.fleet.wire import (
    Echo,
    Inventory,
    InventoryDevice,
    Leaf,
    MeasuredBy,
    Proof,
    Range,
    Report,
    Set,
    inventory_id,
    sign,
)
from tests.controller.core.world import RULES, devices, tree
from tests.controller.core.world import site as world_site
from tests.drivers.fleet.small_agent import SmallAgent, fitted

AGENT = "hall-a"
SITE = "loop"
TTL_S = 30.0
EPOCH = 7
#: Device id to watts that the agent's models and the site's columns share; the second is stepped.
MODELS = {"a-s21": "antminer-s21", "b-s19k": "antminer-s19k-pro", "c-gpu": "hgx-h100"}
FAILSAFE = {"a-s21": 25, "b-s19k": 1080, "c-gpu": 4000}
FULL = {"a-s21": 3500, "b-s19k": 2794, "c-gpu": 10200}
HALF = {"a-s21": 1750, "b-s19k": 1080, "c-gpu": 5000}
#: Where the clocks of both begin, and how often the controller decides, in ms.
T0 = 1_000_000
TICK_MS = 500
HEAD = JournalHead(journal="ab" * 8, epoch=EPOCH, seq=1, utc_s=1_790_000_000, hash="cd" * 32)


@cache
def catalogue():
    return load_catalogue()


@cache
def key() -> PrivateKey:
    """One key for everything: whose key it is, is tested elsewhere."""
    return PrivateKey.generate()


def device_of(id_: str, *, name: str | None = None, **changes) -> InventoryDevice:
    """Return what an agent says of a device of that model, in accord with `make_site`."""
    model = catalogue()[MODELS[id_]]
    ranges = [
        Range(from_w=int(below.watts if mode.continuous else mode.watts), to_w=int(mode.watts))
        for below, mode in zip(model.modes, model.modes[1:], strict=False)
    ]
    fields = {
        "id": name or id_, "model": MODELS[id_], "max_w": model.max_w, "off_w": model.off_w, "ranges": ranges,
        "up_ms": 5_000, "down_ms": 2_000, "failsafe_w": model.at_most(FAILSAFE[id_]),
        "proof": Proof.BOTH, "measured_by": MeasuredBy.PDU, "dead_man": None,
    }  # fmt: skip
    return InventoryDevice(**(fields | changes))


def own_devices(ids=None) -> tuple[InventoryDevice, ...]:
    """Return the agent's devices; an id may carry the agent's place after its last dash."""
    return tuple(device_of(id_ if id_ in MODELS else id_.rpartition("-")[0], name=id_) for id_ in ids or MODELS)


OFF = {device.id: device.off_w for device in own_devices()}


@cache
def make_site(agents: tuple[str, ...] = (AGENT,)) -> Site:
    """Return a site whose agents each lead one device of each model; ids carry the agent's place after the first."""
    rows, ids = [], []
    for a in range(len(agents)):
        for id_, model in MODELS.items():
            off, *more = catalogue()[model].modes
            modes = [(float(catalogue()[model].off_w), 0.0, off.continuous)]
            modes += [(mode.watts, 0.1 * k, mode.continuous) for k, mode in enumerate(more, 1)]
            failsafe_w = float(catalogue()[model].at_most(FAILSAFE[id_]))
            rows.append({"modes": tuple(modes), "agent": a, "failsafe": failsafe_w})
            ids.append(id_ if len(agents) == 1 else f"{id_}-{a}")
    base, columns = world_site(RULES), devices(rows)
    return Site(
        id=SITE,
        tree=tree(("pcc", -1, float("inf"), 5_000.0)),
        devices=replace(columns, ids=tuple(ids)),
        meters=base.meters,
        agents=agents,
        rules=RULES,
    )


def models_of(site: Site) -> tuple[str, ...]:
    """Return the models of a site of `make_site`, and something for any other."""
    return tuple(MODELS.get(id_, MODELS.get(id_.rpartition("-")[0], "any")) for id_ in site.devices.ids)


def make_reports(agents: tuple[str, ...] = (AGENT,), *, epoch: int = EPOCH) -> Reports:
    """Return what a controller of that epoch knows that has heard nothing; its key signs the heads, too."""
    site = make_site(agents)
    keys = dict.fromkeys(agents, key().public_key())
    return Reports(site, keys, controller=key().public_key(), models=models_of(site), epoch=epoch)


def inventory_of(
    listed=None, *, agent: str = AGENT, boot: str = "b1", now_ms: int = 1_000_000, name: str | None = None
) -> Inventory:
    listed = own_devices() if listed is None else tuple(listed)
    echo = Echo(boot=boot, boottime_ms=now_ms)
    return Inventory(
        v=2, site=SITE, agent=agent, key=agent, echo=echo, inventory=name or inventory_id(listed), devices=list(listed)
    )


def report_of(
    *, agent: str = AGENT, boot: str = "b1", now_ms: int = 1_000_000, ids=None, listed=None, applied=None, **changes
) -> Report:
    """Return the report of an agent that has just started; `applied`: watts by device."""
    listed = own_devices(ids) if listed is None else tuple(listed)
    small = SmallAgent(site=SITE, agent=agent, devices=listed, boot=boot, now_ms=now_ms)
    if applied is not None:
        small.granted = [applied.get(device.id, device.off_w) for device in listed]
        small.follow()
    return small.report(now_ms, **changes)


class AgentSide:
    """The agent, and that it may start anew."""

    def __init__(self, now_ms: int) -> None:
        self.boots = 0
        self.start(now_ms)

    def start(self, now_ms: int, **held) -> None:
        self.boots += 1
        self.boot = f"b{self.boots}"
        self.holder = SmallAgent(site=SITE, agent=AGENT, devices=own_devices(), boot=self.boot, now_ms=now_ms, **held)

    def restart(self, now_ms: int, *, disk: bool = True) -> None:
        self.start(now_ms, **({"held": self.holder.held} if disk else {}))

    def follow(self) -> None:
        self.holder.follow()

    @property
    def applied(self) -> dict[str, int]:
        return dict(zip(MODELS, self.holder.applied, strict=True))

    @property
    def granted(self) -> dict[str, int]:
        return dict(zip(MODELS, self.holder.granted, strict=True))

    @property
    def lapsed(self) -> bool:
        return any(self.holder.lapsed)

    def next_end_ms(self) -> int:
        return min(self.holder.device_end_ms(k) for k in range(len(MODELS)) if not self.holder.lapsed[k])

    def lease_left_ms(self, now_ms: int) -> int:
        return max(0, self.holder.end_ms - now_ms)

    def report(self, now_ms: int) -> Report:
        return self.holder.report(now_ms)

    def take(self, statement: Set, now_ms: int) -> bool:
        """Offer a statement and return whether it was taken."""
        try:
            self.holder.offer(statement, now_ms)
        except Refused:
            return False
        return True


class ControllerSide:
    """The controller's reports and statements of one epoch; the agent's inventory comes first, as the broker keeps it."""

    def __init__(self, epoch: int, ttl_s: float = TTL_S) -> None:
        self.epoch = epoch
        self.reports = make_reports(epoch=epoch)
        self.reports.take(AGENT, Leaf.INVENTORY, sign(inventory_of(boot="b0"), key()), True, 0.0)
        self.statements = Statements(site=SITE, agent=AGENT, epoch=epoch, ttl_s=ttl_s)

    @property
    def view(self) -> AgentReport:
        return self.reports.newest[0]

    def hear(self, report: Report, now_ms: int) -> bool:
        """Take a report in and return whether it counted."""
        payload = sign(report, key())
        try:
            self.reports.take(AGENT, Leaf.REPORT, payload, False, now_ms / 1000)
        except Refused:
            return False
        return True

    def due(self, watts: dict[str, int], known: Echo | None, now_ms: int, head: str | None = None) -> Set | None:
        body = self.statements.due(column(watts), self.view, known, now_ms / 1000, head)
        self.reports.sent_seq[0] = self.reports.sent_seq[0] if body is None else body.seq
        return body

    def sent(self, statement: Set, watts: dict[str, int], decided_ms: int, now_ms: int) -> None:
        self.statements.sent(statement, column(watts), decided_ms / 1000, now_ms / 1000)

    def confirmed_ms(self) -> float:
        return 1000 * self.statements.confirmed_s(self.view)


def column(watts: dict[str, int]) -> np.ndarray:
    return np.array([watts[id_] for id_ in MODELS], dtype=np.float64)


def said(watts: dict[str, int]) -> list[int]:
    """Return watts in the order of the inventory, as a set spells them out."""
    return [watts[id_] for id_ in MODELS]


def fit(watts: dict[str, int]) -> dict[str, int]:
    return {device.id: fitted(device, watts[device.id]) for device in own_devices()}
