"""A small closed loop for the core: devices that err and lag, meters that are late, seen through snapshots."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any

import numpy as np

from controller.core.allocation.tables import Tables, make_tables
from controller.core.decision import Decision
from controller.core.floor import nodes_below, watts_below
from controller.core.limits.contactors import Trip, Wanted
from controller.core.reasons import Reason
from controller.core.site import SURPLUS, Devices, Meters, Rules, Site, SurplusModel, Tree
from controller.core.snapshot import (
    ConfirmedMeter,
    ContactorNow,
    FleetColumns,
    Followed,
    Grade,
    Lock,
    Measurer,
    OrderLimit,
    Position,
    Reset,
    Snapshot,
    SourceSample,
)
from controller.core.state import State, initial_state
from controller.core.step import step
from controller.texts.english import texts

RULES = Rules(
    contract_w=200_000.0,
    firm_w=10_000.0,
    failsafe_w=20_000.0,
    ramp_up_w_s=10_000.0,
    ramp_down_w_s=20_000.0,
    emergency_ramp_w_s=10_000.0,
    settle_s=15.0,
    lease_s=30.0,
    surplus_model=SurplusModel.DIRECT,
    surplus_rating_w=0.0,
    surplus_stale_s=60.0,
)

#: Modes as (watts, value per hour, continuous), off first.
MINER = ((25.0, 0.0, False), (1400.0, 0.15, False), (3500.0, 0.30, True))
STEPS = ((25.0, 0.0, False), (1080.0, 0.09, False), (1916.0, 0.14, False), (2794.0, 0.16, False))
GPU = ((150.0, 0.0, False), (3600.0, 8.0, False), (10200.0, 20.0, True))


def devices(rows: list[dict]) -> Devices:
    """Build device columns from rows {modes, node, agent, failsafe, up, down, steady, min_up, min_down, settle, ...}."""
    start = np.cumsum([0, *(len(row["modes"]) for row in rows)])
    modes = [mode for row in rows for mode in row["modes"]]
    return Devices(
        ids=tuple(f"d{k:04d}" for k in range(len(rows))),
        node=np.array([row.get("node", 0) for row in rows], dtype=np.int64),
        agent=np.array([row.get("agent", 0) for row in rows], dtype=np.int64),
        failsafe_w=np.array([row.get("failsafe", row["modes"][0][0]) for row in rows], dtype=np.float64),
        tolerance=np.array([row.get("tolerance", 0.05) for row in rows], dtype=np.float64),
        down_s=np.array([row.get("down", 2.0) for row in rows], dtype=np.float64),
        up_s=np.array([row.get("up", 5.0) for row in rows], dtype=np.float64),
        min_up_s=_column(rows, "min_up"),
        min_down_s=_column(rows, "min_down"),
        settle_s=_column(rows, "settle"),
        start_cost=_column(rows, "start_cost"),
        change_cost=_column(rows, "change_cost"),
        protected=np.array([row.get("protected", False) for row in rows], dtype=np.bool_),
        restarts=np.array([row.get("restarts", False) for row in rows], dtype=np.bool_),
        report_error=np.array([row.get("report_error", 0.08) for row in rows], dtype=np.float64),
        steady=np.array([row.get("steady", True) for row in rows], dtype=np.bool_),
        mode_start=start.astype(np.int64),
        mode_w=np.array([mode[0] for mode in modes]),
        mode_value=np.array([mode[1] for mode in modes]),
        mode_continuous=np.array([mode[2] for mode in modes], dtype=np.bool_),
    )


def _column(rows: list[dict], name: str) -> np.ndarray:
    return np.array([row.get(name, 0.0) for row in rows], dtype=np.float64)


def tree(*nodes: tuple[str, int, float, float]) -> Tree:
    """Build a tree from (id, parent, limit, house)."""
    return Tree(
        ids=tuple(node[0] for node in nodes),
        parent=np.array([node[1] for node in nodes], dtype=np.int64),
        limit_w=np.array([node[2] for node in nodes]),
        house_w=np.array([node[3] for node in nodes]),
    )


def site(rules: Rules = RULES, miners: int = 40, stepped: int = 10, gpus: int = 2) -> Site:
    """Return a site of one transformer, two feeders, two agents and two PCC meters."""
    rows = [{"modes": MINER, "node": 2, "agent": 0} for _ in range(miners)]
    rows += [{"modes": STEPS, "node": 3, "agent": 1, "down": 5.0, "up": 10.0} for _ in range(stepped)]
    rows += [{"modes": GPU, "node": 3, "agent": 1, "down": 1.0, "up": 1.0, "steady": False} for _ in range(gpus)]
    inf = float("inf")
    return Site(
        id="test",
        tree=tree(("pcc", -1, inf, 8_000.0), ("tx", 0, 195_000.0, 0.0), ("a", 1, 150_000.0, 0.0), ("b", 1, inf, 0.0)),
        devices=devices(rows),
        meters=Meters(
            ids=("check", "main"),
            node=np.array([0, 0], dtype=np.int64),
            rating_w=np.array([300_000.0, 300_000.0]),
            accuracy=np.array([0.005, 0.005]),
        ),
        agents=("agent-a", "agent-b"),
        rules=rules,
    )


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What carries a node's power now: volts to neutral, power factor, the share of each phase; `error`: of the amperes that are shown."""

    volts: float = 230.0
    power_factor: float = 1.0
    shares: tuple[float, ...] = (1 / 3, 1 / 3, 1 / 3)
    error: float = 0.0

    def amperes(self, power_w: float) -> list[float]:
        """The true amperes of each phase."""
        return [abs(power_w) * share / (self.volts * self.power_factor) for share in self.shares]

    def shown(self, power_w: float) -> list[tuple[float, float]]:
        """Volts and amperes of each phase, as a meter shows them."""
        return [(self.volts, amperes * (1 + self.error)) for amperes in self.amperes(power_w)]


BALANCED = Wiring()


@dataclass(repr=False)
class World:
    """Truth beside the controller; `cycle` lets one tick pass and returns the decision.

    `bias` (D,): real draw over setpoint. `demand_w`: the watts (D,) that the jobs want at a time, where a setpoint only caps
    them; None: they use `gpu_use` of their caps. `meter_delay_s`: how old a meter's power is when it is stamped.
    `surplus_w`: what the grid can spare now. `silent`: names of what does not answer: a meter's id, ``surplus``,
    ``link``, an agent's id. `frozen`: the surplus source repeats its value under fresh stamps. `grain_w`, `refresh_s`: how
    finely that source counts, and how often it is refreshed. `vouched`: the meters have volts and amperes that vouch for their power.
    `wiring`: what carries their power at a time, balanced at 230 V and a power factor of 1 where None.
    `notes`: what the meters say of their quantities. `off_share`: of the residual watts that agents report for what is off.
    `inventory_w` (D,): the most that agents say their devices may draw, None for what the site file says.
    Devices (D,): `deaf` ones do nothing that they are told and say so, of `liars` the agents say that they do it, of
    `dumb` ones the agent gets no answer.
    `deaf_agents`: those that report, and take no statement. Devices (D,) that are `shy` take no raise, and say so; while they are
    asked, their agents say that they run on it, as real ones do. What is `stopped_down` was brought down by its agent, and rests.
    `shown_as`: by meter, what becomes of the watts before they are shown, beside `scale`; volts and amperes stay true.
    `open`: contactors (places in those of the site) that are open, `welded` those that stay closed whatever they are told, and
    `stuck` those that stay open. `fault`: why contactors cannot be told or read. `reads_back`: they say where they are, and not
    only what they were told. `resets`: what a person asks for, until a
    decision names it. `starts_full_s`: for so long after its contactor has closed a device draws its most, whatever it is told.
    """

    site: Site
    surplus_w: float
    tick_s: float = 0.5
    house_w: float = 6_000.0
    bias: np.ndarray | None = None
    gpu_use: float = 0.8
    demand_w: Callable[[float], np.ndarray] | None = None
    meter_delay_s: float = 0.0
    reading_delay_s: float = 0.0
    frozen: bool = False
    grain_w: float = 0.0
    refresh_s: float = 0.0
    silent: set[str] = field(default_factory=set)
    scale: dict[str, float] = field(default_factory=dict)
    vouched: bool = True
    wiring: Callable[[float], Wiring] | None = None
    orders: tuple[OrderLimit, ...] = ()
    utc_offset_s: float = 1.7e9
    utc_trusted: bool = True
    orders_unsure: Reason | None = None
    second_controller: Reason | None = None
    locks: tuple[Lock, ...] = ()
    confirmed: tuple[ConfirmedMeter, ...] = ()
    locks_unsure: Reason | None = None
    stopped: Reason | None = None
    notes: dict[str, str] = field(default_factory=dict)
    off_share: float = 1.0
    inventory_w: np.ndarray | None = None
    deaf: np.ndarray | None = None
    liars: np.ndarray | None = None
    dumb: np.ndarray | None = None
    shy: np.ndarray | None = None
    stopped_down: np.ndarray | None = None
    deaf_agents: set[str] = field(default_factory=set)
    shown_as: dict[str, Callable[[float], float]] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)
    welded: set[int] = field(default_factory=set)
    stuck: set[int] = field(default_factory=set)
    fault: str = ""
    reads_back: bool = True
    resets: tuple[Reset, ...] = ()
    starts_full_s: float = 0.0

    def __post_init__(self) -> None:
        count = len(self.site.devices.ids)
        self.tables: Tables = _tables_of(self.site)
        self.now_s = 1000.0
        self.state: State = initial_state(self.site, self.now_s)
        self.told_open: set[int] = set()
        self.fed_s = np.full(count, -np.inf)
        self.bias = np.ones(count) if self.bias is None else self.bias
        self.nobody = nobody = np.zeros(count, dtype=np.bool_)
        self.deaf, self.liars, self.dumb, self.shy, self.stopped_down = (
            nobody if who is None else who for who in (self.deaf, self.liars, self.dumb, self.shy, self.stopped_down)
        )
        self.applied_w = self.site.devices.off_w.copy()
        self.asked_w = self.applied_w.copy()
        self.trying = nobody.copy()
        self.draw_w = self.site.devices.off_w.copy()
        self.pending: list[tuple[float, float, np.ndarray]] = []
        self.confirmed_s = np.full(len(self.site.agents), -np.inf)
        self.heard_s = np.full(len(self.site.agents), -np.inf)
        self.powers: list[tuple[float, np.ndarray]] = []
        self.readings: list[tuple[float, float]] = []
        self.heard: list[SourceSample] = []
        self.link_lost_s = np.inf
        self.shown_w: float | None = None
        self.refreshed_s = -np.inf
        self.history: list[tuple[float, float, float, Decision]] = []

    @property
    def site_w(self) -> float:
        return float(self.draw_w.sum() + self.house_w)

    @property
    def node_w(self) -> np.ndarray:
        """Power of each node; the house load is the site's own."""
        node_w = watts_below(self.site, self.draw_w)
        node_w[0] = self.site_w
        return node_w

    @property
    def decided(self) -> Decision:
        """The newest decision."""
        return self.history[-1][-1]

    def fork(self) -> World:
        """Return another world that is as far, and goes its own way from here."""
        other = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, list | set | dict | np.ndarray):
                setattr(other, name, value.copy())
        return other

    def cycle(self, count: int = 1) -> Decision:
        for _ in range(count):
            decision = self._cycle()
        return decision

    def run(self, seconds: float) -> Decision:
        return self.cycle(max(1, round(seconds / self.tick_s)))

    def until(self, condition, seconds: float) -> float:
        """Let time pass until `condition(decision)` and return the seconds it took."""
        start_s = self.now_s
        while not condition(self.cycle()):
            assert self.now_s - start_s <= seconds, f"not within {seconds} s: {self.history[-1][3]}"
        return self.now_s - start_s

    def _cycle(self) -> Decision:
        self.now_s += self.tick_s
        self._devices_move()
        self._meters_read()
        self.state, decision = step(self.tables, self.state, self.snapshot())
        self.confirmed = tuple(word for word in self.confirmed if word.id not in decision.unconfirmed)
        self.heard.clear()
        if "link" not in self.silent:
            self.pending.append((self.now_s + 0.1, decision.at_s, decision.setpoint_w))
        self._contactors_move(decision)
        self.history.append((self.now_s, self.site_w, self.surplus_w, decision))
        return decision

    def _contactors_move(self, decision: Decision) -> None:
        for k, each in enumerate(decision.contactors):
            self.resets = tuple(reset for reset in self.resets if reset.id != each.reset)
            if self.fault or each.wanted is Wanted.LEAVE:
                continue
            opens = each.wanted is Wanted.OPEN
            (self.told_open.add if opens else self.told_open.discard)(k)
            if k not in (self.welded if opens else self.stuck):
                (self.open.add if opens else self.open.discard)(k)

    @property
    def dark(self) -> np.ndarray:
        """Which devices (D,) are without power."""
        if not self.open:
            return self.nobody
        nodes = np.zeros(len(self.site.tree.ids), dtype=np.bool_)
        nodes[self.site.contactors.node[sorted(self.open)]] = True
        return nodes_below(self.site, nodes)[self.site.devices.node]

    def _positions(self) -> tuple[ContactorNow, ...]:
        return tuple(map(self._position, range(len(self.site.contactors.node))))

    def _position(self, k: int) -> ContactorNow:
        if self.fault:
            return ContactorNow(position=Position.UNKNOWN, fault=self.fault)
        if self.reads_back:
            return ContactorNow(position=Position.OPEN if k in self.open else Position.CLOSED)
        return ContactorNow(position=Position.UNKNOWN, held=Position.OPEN if k in self.told_open else Position.CLOSED)

    def _devices_move(self) -> None:
        for at_s, decided_s, setpoint_w in list(self.pending):
            if at_s <= self.now_s:
                self.pending.remove((at_s, decided_s, setpoint_w))
                for a, name in enumerate(self.site.agents):
                    if name not in self.silent | self.deaf_agents:
                        mine = self.site.devices.agent == a
                        least_w = np.minimum(self.applied_w[mine], setpoint_w[mine])
                        self.applied_w[mine] = np.where(self.shy[mine], least_w, setpoint_w[mine])
                        np.copyto(self.applied_w, self.site.devices.off_w, where=self.stopped_down)
                        self.trying[mine] = (setpoint_w != self.asked_w)[mine] & (setpoint_w > self.applied_w)[mine]
                        self.asked_w[mine] = setpoint_w[mine]
                        self.confirmed_s[a] = decided_s
        for a, name in enumerate(self.site.agents):
            if name not in self.silent and "link" not in self.silent:
                self.heard_s[a] = self.now_s
        d = self.site.devices
        use = np.where(d.steady | (self.applied_w <= d.off_w), 1.0, self.gpu_use)
        goal = np.where(self.applied_w <= d.off_w, d.off_w, self.applied_w * self.bias * use)
        if self.demand_w is not None:
            capped = ~d.steady & (self.applied_w > d.off_w)
            goal = np.where(capped, np.minimum(self.demand_w(self.now_s), self.applied_w), goal)
        pace = (d.max_w - d.off_w) * self.tick_s / np.where(goal < self.draw_w, d.down_s, d.up_s)
        moved_w = np.clip(goal, self.draw_w - pace, self.draw_w + pace)
        drawn_w = np.where(self.deaf | self.liars | self.dumb, self.draw_w, moved_w)
        dark = self.dark
        self.fed_s = np.where(dark, self.now_s, self.fed_s)
        full = self.now_s - self.fed_s <= self.starts_full_s
        self.draw_w = np.where(dark, 0.0, np.where(full, d.max_w, drawn_w))

    def _meters_read(self) -> None:
        self.powers.append((self.now_s, self.node_w))
        self.readings.append((self.now_s, self._reading()))
        node_w = _delayed(self.powers, self.now_s - self.meter_delay_s)
        for name, node in zip(self.site.meters.ids, self.site.meters.node, strict=True):
            if name not in self.silent:
                shown_w = self.shown_as.get(name, _as_it_is)(float(node_w[node])) * self.scale.get(name, 1.0)
                self.heard.append(self._sample(name, self._quantities(shown_w, float(self.powers[-1][1][node]))))
        if SURPLUS not in self.silent:
            self.shown_w = self._shown()
            self.heard.append(self._sample(SURPLUS, {"surplus_w": self.shown_w}))
        if "link" not in self.silent:
            self.link_lost_s = np.inf
        else:
            self.link_lost_s = min(self.link_lost_s, self.now_s)

    def _house_below_w(self) -> np.ndarray:
        """The house is at the site's connection; it draws nothing through the nodes below."""
        return np.where(np.arange(len(self.site.tree.ids)) == 0, self.house_w, 0.0)

    def _sample(self, source: str, values: dict[str, float]) -> SourceSample:
        return SourceSample(
            source=source, values=values, grade=Grade.GOOD, taken_s=self.now_s, arrived_s=self.now_s, notes=self.notes
        )

    def _quantities(self, power_w: float, true_w: float) -> dict[str, float]:
        """A meter's values: the grid is never quite still; volts and amperes belong to the true power."""
        wobble = 0.002 * math.sin(self.now_s * 7.3)
        values = {"active_power_w": power_w, "frequency_hz": self.site.rules.frequency_hz + 10 * wobble}
        if self.vouched:
            wiring = BALANCED if self.wiring is None else self.wiring(self.now_s)
            for k, (volts, amperes) in enumerate(wiring.shown(true_w), 1):
                values |= {f"voltage_l{k}_n_v": volts * (1 + wobble), f"current_l{k}_a": amperes}
        return values

    def _shown(self) -> float:
        if self.shown_w is not None and (self.frozen or self.now_s - self.refreshed_s < self.refresh_s):
            return self.shown_w
        self.refreshed_s = self.now_s
        value_w = _delayed(self.readings, self.now_s - self.reading_delay_s)
        return round(value_w / self.grain_w) * self.grain_w if self.grain_w else value_w

    def _reading(self) -> float:
        rules = self.site.rules
        if rules.surplus_model is SurplusModel.EXPORT:
            return self.surplus_w - self.site_w
        if rules.surplus_model is SurplusModel.HEADROOM:
            return rules.surplus_rating_w - self.surplus_w + self.site_w
        return self.surplus_w

    def _follow(self) -> np.ndarray:
        """What agents say of how their devices follow: by what these draw, but for the ones that lie."""
        d = self.site.devices
        fits = self.liars | (self.draw_w <= self.applied_w * (1.0 + d.tolerance) + 0.01 * d.max_w)
        follow = np.where(fits, Followed.PROVEN, np.where(self.deaf, Followed.DEFIANT, Followed.SETTLING))
        refused = np.where(self.trying, Followed.COMMANDED, Followed.REFUSED)
        follow = np.where(self.shy & (self.asked_w > self.applied_w), refused, follow)
        follow = np.where(self.stopped_down, Followed.STOPPED, follow)
        return np.where(self.dumb | self.dark, Followed.LOST, follow).astype(np.int8)

    def _rests(self) -> np.ndarray:
        """What agents say of which devices they let rest: what they had to bring down."""
        return self.stopped_down

    def _told_w(self) -> np.ndarray:
        """What agents say that their devices draw: a liar what it was told, and nothing of one that does not answer."""
        return np.where(
            self.dumb | self.dark,
            np.nan,
            1.07 * np.where(self.liars, np.minimum(self.applied_w, self.draw_w), self.draw_w),
        )

    def snapshot(self) -> Snapshot:
        measured_w = self._told_w()
        applied_w = np.where(self.trying, self.asked_w, self.applied_w)
        return Snapshot(
            now_s=self.now_s,
            utc_s=self.now_s + self.utc_offset_s,
            utc_trusted=self.utc_trusted,
            heard=tuple(self.heard),
            fleet=FleetColumns(
                heard_s=self.heard_s.copy(),
                echo=np.isfinite(self.heard_s) & ("link" not in self.silent),
                confirmed_s=self.confirmed_s.copy(),
                applied_w=np.where(applied_w <= self.site.devices.off_w, self.off_share, 1.0) * applied_w,
                measured_w=measured_w,
                measured_by=np.where(np.isnan(measured_w), Measurer.NOTHING, Measurer.ESTIMATE).astype(np.int8),
                follow=self._follow(),
                rests=self._rests(),
                max_w=self.site.devices.max_w if self.inventory_w is None else self.inventory_w,
                down_seen_s=self.site.devices.down_seen_s,
                up_seen_s=self.site.devices.up_seen_s,
            ),
            link_lost_s=self.link_lost_s,
            orders=self.orders,
            orders_unsure=self.orders_unsure,
            locks_unsure=self.locks_unsure,
            contactors=self._positions(),
            resets=self.resets,
            second_controller=self.second_controller,
            locks=self.locks,
            confirmed=self.confirmed,
            stopped=self.stopped,
        )

    def reboot(self, trips: Iterable[Trip] = (), house_w: np.ndarray | None = None) -> None:
        """Start the controller anew; the fleet runs on."""
        self.state = initial_state(self.site, self.now_s, trips, house_w, self.confirmed)
        self.confirmed_s[:] = -np.inf
        self.pending.clear()

    def violations(self, after_s: float = 0.0) -> list[tuple[float, float, float]]:
        """Return (time, power, allowed) of every instant that breaks invariant I1, from the true surplus."""
        kept = round(self.site.rules.settle_s / self.tick_s) + 1
        floor_w = self.house_w + self.site.devices.off_w.sum()
        limits = [max(self._true_limit(entry), floor_w) for entry in self.history]
        found = []
        for k, (now_s, site_w, *_) in enumerate(self.history):
            allowed = 1.01 * max(limits[max(0, k + 1 - kept) : k + 1])
            if site_w > allowed and now_s >= after_s:
                found.append((now_s, site_w, allowed))
        return found

    def _true_limit(self, entry: tuple[float, float, float, Decision]) -> float:
        now_s, _, surplus_w, _ = entry
        limit = min(self.site.rules.contract_w, self.site.rules.firm_w + surplus_w)
        for order in self.orders:
            if order.node == 0 and order.starts_utc_s <= now_s + self.utc_offset_s < order.ends_utc_s:
                limit = min(limit, order.limit_w)
        return limit


def played_once(play: Callable[..., World]) -> Callable[..., World]:
    """Have what comes to a world by its arguments alone play it once for all that ask; each gets a world of its own."""
    played: dict[bytes, World] = {}

    @wraps(play)
    def fork(*args: Any, **given: Any) -> World:
        asked = pickle.dumps((args, sorted(given.items())))
        if asked not in played:
            played[asked] = play(*args, **given)
        return played[asked].fork()

    return fork


@played_once
def settled(seconds: float, built: Site, **given: Any) -> World:
    """Return a world after its first seconds."""
    world = World(built, **given)
    world.run(seconds)
    return world


def said(decided: Decision | State) -> str:
    """Return why the mode is not NORMAL, in words."""
    return texts(decided.mode.reasons if isinstance(decided, State) else decided.reasons)


def order(limit_w: float, world: World, *, node: int = 0, lasts_s: float = float("inf"), **kwargs) -> OrderLimit:
    """Return an order that begins now."""
    starts = world.now_s + world.utc_offset_s
    given = {"ramp_w_s": float("inf"), "begun": False, "id": "o1"} | kwargs
    return OrderLimit(node=node, limit_w=limit_w, starts_utc_s=starts, ends_utc_s=starts + lasts_s, **given)


def with_rules(**changes) -> Rules:
    return replace(RULES, **changes)


_newest: list[tuple[Site, Tables]] = []


def _tables_of(built: Site) -> Tables:
    """Return the tables of a site. Those of the newest are kept: many tests make world after world of one site."""
    if not _newest or _newest[0][0] is not built:
        _newest[:] = [(built, make_tables(built))]
    return _newest[0][1]


def _as_it_is(power_w: float) -> float:
    return power_w


def _delayed(series: list[tuple[float, Any]], at_s: float) -> Any:
    return next((value for taken_s, value in reversed(series) if taken_s <= at_s), series[0][1])
