"""What Prometheus scrapes.

The tick only swaps an attribute and counts into a list; all text is made when it is asked for, piece by piece. Operational series
come from prometheus-client; those of nodes, agents and devices, of which there are thousands, from text (`device_series`).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Counter, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from controller.core.decision import Decision
from controller.core.limits.contactors import Wanted
from controller.core.limits.orders import Compliance
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.core.snapshot import Position
from controller.daemon.device_series import DeviceDetail, DeviceSeries, escape, gauge_text, heading
from controller.daemon.journal.journal import Journal
from controller.daemon.latest import (
    OLD_S,
    Latest,
    LatestAgent,
    LatestMeter,
    before_first_tick,
    tick_stands,
)
from controller.daemon.orders.book import OrderBook
from controller.daemon.tick import Tick
from controller.daemon.utc import Utc
from drivers.clock import Clock, boottime_s

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

#: Upper bounds of the tick histogram in seconds.
TICK_BOUNDS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


class TickDurations:
    """Counts ticks by duration; written by the tick thread alone, read by any."""

    def __init__(self) -> None:
        """Start from nothing."""
        self._counts = [0] * (len(TICK_BOUNDS_S) + 1)
        self._sum_s = 0.0

    def observe(self, duration_s: float) -> None:
        """Count one tick."""
        self._counts[bisect_left(TICK_BOUNDS_S, duration_s)] += 1
        self._sum_s += duration_s

    def family(self) -> HistogramMetricFamily:
        """Return the counts as Prometheus has them: cumulative."""
        bounds = [*(str(bound) for bound in TICK_BOUNDS_S), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._counts), strict=True))
        name, text = "surplusd_tick_duration_seconds", "Time that a control tick took."
        return HistogramMetricFamily(name, text, buckets=buckets, sum_value=self._sum_s)


class Metrics(Collector):
    """All series of the daemon: of the site, its nodes, meters, agents, orders, the journal, and its devices."""

    def __init__(
        self,
        site: Site,
        latest: Latest,
        book: OrderBook,
        journal: Journal,
        *,
        detail: DeviceDetail = DeviceDetail.ALL,
        shed: Callable[[], int] = lambda: 0,
        clock: Clock = boottime_s,
    ) -> None:
        """`detail`: what is shown of devices. `shed`: reports left out for newer ones. `clock`: the one that decisions are dated by."""
        self._site, self._devices, self._detail, self._shed = site, DeviceSeries(site), detail, shed
        self._nodes = site.tree.ids
        self._latest = latest
        self._book = book
        self._journal = journal
        self._clock = clock
        self._durations = TickDurations()
        self._decision: Decision | None = None
        self._apart: tuple[Reason, ...] = ()
        self._utc: Utc | None = None
        self._registry = CollectorRegistry()
        self._refused = Counter(
            "surplusd_refused", "Messages and requests refused, by why.", ("source", "code"), registry=self._registry
        )
        self._answered = Counter(
            "surplusd_answered",
            "Orders and releases taken, by what their answer says beside its outcome.",
            ("source", "code"),
            registry=self._registry,
        )
        self._failures = Counter(
            "surplusd_step_failures", "Ticks that the safe step decided.", ("failure",), registry=self._registry
        )
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def observe_tick(self, tick: Tick, apart: tuple[Reason, ...] = (), utc: Utc | None = None) -> None:
        """Take the newest decision and what its tick cost; for the tick thread, a few microseconds.

        `apart`: reasons that hold besides those of the decision. `utc`: the look at the wall clock.
        """
        self._decision, self._apart, self._utc = tick.decision, apart, utc
        self._durations.observe(tick.duration_s)
        if tick.failure:
            self._failures.labels(tick.failure).inc()

    def refused(self, source: str, code: str) -> None:
        """Count something refused, from any thread; both are short words from the code, never from a message."""
        self._refused.labels(source, code).inc()

    def answered(self, source: str, code: str) -> None:
        """Count what the answer to an order or a release says beside its outcome; as above."""
        self._answered.labels(source, code).inc()

    @property
    def pages(self) -> int:
        """Return on how many pages the series of single devices are; none where they are not shown."""
        return self._devices.pages if self._detail is DeviceDetail.ALL else 0

    def render(self) -> bytes:
        """Return the whole exposition in the text format 0.0.4."""
        return b"".join(self.chunks())

    def chunks(self, page: int | None = None) -> Iterator[bytes]:
        """Yield the exposition in pieces, each made in less than a few milliseconds.

        `page`: None for all of it, 0 for all but the single devices, from 1 on for some of these alone.
        """
        if not page:
            yield generate_latest(self._registry)
            yield from (text.encode() for text in self._of_many())
        columns, decision = self._latest.devices(), self._decision
        if self._detail is DeviceDetail.NODES and not page:
            yield from (text.encode() for text in self._devices.of_nodes(columns))
        elif self._detail is DeviceDetail.ALL and page != 0:
            setpoint_w = None if decision is None or self._is_old(decision) else decision.setpoint_w
            yield from (text.encode() for text in self._devices.chunks(setpoint_w, columns, page))

    def _of_many(self) -> Iterator[str]:
        """Yield the series of nodes and agents."""
        decision = self._decision
        if decision is not None and not self._is_old(decision):
            yield from self._per_node(decision)
        yield from _agents(self._latest.agents())

    def collect(self) -> Iterator[Metric]:
        """Yield the operational families, for prometheus-client."""
        yield self._durations.family()
        decision = self._decision
        yield _reasons(self._hold(decision))
        if decision is not None:
            yield CounterMetricFamily("surplusd_ticks", "Control ticks since the start.", value=decision.seq)
            yield _gauge("surplusd_decision_age_seconds", "Age of the newest decision.", self._clock() - decision.at_s)
        # Absent rather than old: what was decided then says nothing of now.
        if decision is not None and not self._is_old(decision):
            yield from _decided(decision)
            yield from self._of_contactors(decision)
            yield from _of_warnings(decision.warnings)
            yield from _of_clock(self._utc)
        yield from _meters(self._latest.meters())
        text = "Reports of agents that were left out because newer ones had come before they could be taken."
        yield CounterMetricFamily("surplusd_reports_shed", text, value=self._shed())
        yield _gauge("surplusd_orders_open", "Orders that are neither ended nor released.", len(self._book.limits()))
        yield from self._of_journal()

    def _is_old(self, decision: Decision) -> bool:
        return self._clock() - decision.at_s > OLD_S

    def _hold(self, decision: Decision | None) -> tuple[Reason, ...]:
        if decision is None:
            return before_first_tick(self._site)
        if self._is_old(decision):
            return tick_stands(self._site, self._clock() - decision.at_s)
        return (*_held(decision), *self._apart)

    def _per_node(self, decision: Decision) -> Iterator[str]:
        columns = (
            ("envelope_watts", "Smallest of the node's limits.", decision.envelope_w),
            ("floor_watts", "Power of the node with everything off.", decision.floor_w),
            ("achievable_watts", "Least that the node can be brought to now.", decision.achievable_w),
            ("house_watts", "Estimated power of the node beyond its devices.", decision.house_w),
            ("planned_watts", "Sum of the newest setpoints below the node.", decision.planned_w),
            ("committed_watts", "Most that the devices below the node may be drawing.", decision.committed_w),
            ("infeasible", "1 where the node cannot be brought down to its envelope now.", decision.infeasible),
        )
        for name, text, column in columns:
            values = zip(self._nodes, column.tolist(), strict=True)
            yield gauge_text(f"surplusd_node_{name}", text, "node", values)
        name = "surplusd_node_binding"
        pairs = zip(self._nodes, decision.binding, strict=True)
        lines = [f'{name}{{node="{node}",limit="{escape(limit)}"}} 1.0\n' for node, limit in pairs]
        yield heading(name, "1 for the limit that binds.") + "".join(lines)

    def _of_contactors(self, decision: Decision) -> Iterator[Metric]:
        states = {self._nodes[state.node]: state for state in decision.contactors}
        tripped = {node: float(state.wanted is Wanted.OPEN) for node, state in states.items()}
        yield _labelled("surplusd_node_tripped", "1 while the node's contactor is told to be open.", "node", tripped)
        closed = {node: _CLOSED.get(state.now.position) for node, state in states.items()}
        text = "1 where the node's contactor is read back as closed, 0 as open."
        yield _labelled("surplusd_contactor_closed", text, "node", closed)

    def _of_journal(self) -> Iterator[Metric]:
        journal = self._journal
        yield _gauge("surplusd_journal_usable", "1 while the journal can be written.", journal.usable)
        yield _gauge("surplusd_journal_waiting", "Records that wait for the disk.", journal.waiting)
        yield CounterMetricFamily("surplusd_journal_dropped", "Telemetry records lost.", value=journal.dropped)


#: What is not known is absent.
_CLOSED: Final = {Position.OPEN: 0.0, Position.CLOSED: 1.0}


def _decided(decision: Decision) -> Iterator[Metric]:
    modes = {mode.value: mode is decision.mode for mode in Mode}
    yield _labelled("surplusd_mode", "1 for the mode that the site is in.", "mode", modes)
    if decision.site_w is not None:
        yield _gauge("surplusd_site_power_watts", "Trusted power of the site.", decision.site_w)
    if decision.surplus_w is not None:
        yield _gauge("surplusd_surplus_watts", "Surplus that counts now.", decision.surplus_w)
    yield _gauge("surplusd_orders_in_force", "Orders that bind now.", len(decision.orders_in_force))
    unkept = sum(order.compliance is not Compliance.MET for order in decision.orders)
    yield _gauge("surplusd_orders_not_met", "Orders in force that no trusted meter shows kept.", unkept)
    short_w = max((order.shortfall_w or 0.0 for order in decision.orders), default=0.0)
    yield _gauge("surplusd_order_shortfall_watts", "Most that is missing to the limit of an order.", short_w)
    yield from _allocation(decision)


#: By code: the family of the watts that a warning is about, its label, the parameter that has them, and what they are.
_WATTS: Final = {
    Code.AGENT_SILENT: ("agent_silent_watts", "agent", "most_w", "Watts that the devices of a silent agent may draw."),
    Code.AGENT_DEAF: (
        "agent_deaf_watts",
        "agent",
        "most_w",
        "Watts that the devices of an agent may draw that reports and takes no statement.",
    ),
    Code.DEVICE_LOST: ("agent_lost_watts", "agent", "most_w", "Watts that devices may draw that do not answer."),
    Code.DEVICE_DEFIANT: (
        "agent_defiant_watts",
        "agent",
        "over_w",
        "Watts that devices may draw beyond what they were told.",
    ),
    Code.OVER_ENVELOPE: ("node_over_watts", "node", "over_w", "Watts of a node above what it may draw, for too long."),
}


def _of_warnings(warnings: Iterable[Reason]) -> Iterator[Metric]:
    """Yield the watts that warnings are about; there is a series for as long as the warning holds."""
    for code, (name, label, parameter, meaning) in _WATTS.items():
        watts = {reason.subject: float(reason.parameters[parameter]) for reason in warnings if reason.code is code}
        yield _labelled(f"surplusd_{name}", meaning, label, watts)


def _of_clock(utc: Utc | None) -> Iterator[Metric]:
    """Yield whether orders may end by the wall clock; what is not known of it is absent."""
    if utc is None:
        return
    yield _gauge("surplusd_utc_trusted", "1 while orders may end by the wall clock.", utc.trusted)
    if utc.apart_s is not None and utc.tolerance_s is not None:
        text = "Wall clock less what has gone by since somebody vouched for it."
        yield _gauge("surplusd_utc_apart_seconds", text, utc.apart_s)
        yield _gauge("surplusd_utc_tolerance_seconds", "Most that it may be to be trusted.", utc.tolerance_s)


def _meters(meters: Mapping[str, LatestMeter]) -> Iterator[Metric]:
    values = {name: meter.value_w for name, meter in meters.items() if (meter.age_s or 0.0) <= OLD_S}
    ages = {name: meter.age_s for name, meter in meters.items()}
    qualities = {name: meter.quality for name, meter in meters.items()}
    yield _labelled("surplusd_meter_watts", "Newest value of the meter or surplus source.", "meter", values)
    yield _labelled("surplusd_meter_age_seconds", "Age of the newest value.", "meter", ages)
    yield _labelled("surplusd_meter_quality", "Quality of the meter: 0 good, 1 uncertain, 2 bad.", "meter", qualities)
    problems = {name: bool(meter.problem) for name, meter in meters.items()}
    yield _labelled("surplusd_meter_problem", "1 while something is wrong with the meter.", "meter", problems)
    yield from _quantities(meters)


def _quantities(meters: Mapping[str, LatestMeter]) -> Iterator[Metric]:
    """Yield what else the meters show, slow ones with the age that marks them; of a meter that shows nothing now, nothing."""
    text, labels = (
        "Newest value of a quantity that the meter shows, in the unit at the end of its name.",
        ("meter", "quantity"),
    )
    values = GaugeMetricFamily("surplusd_meter_quantity", text, labels=labels)
    ages = GaugeMetricFamily("surplusd_meter_quantity_age_seconds", "Age of that value.", labels=labels)
    for name, meter in meters.items():
        if min((age_s for _, age_s in meter.quantities.values()), default=math.inf) > OLD_S:
            continue
        for quantity, (value, age_s) in meter.quantities.items():
            values.add_metric((name, quantity), value)
            ages.add_metric((name, quantity), age_s)
    yield values
    yield ages


def _agents(agents: Mapping[str, LatestAgent]) -> Iterator[str]:
    online = [(name, float(agent.online)) for name, agent in agents.items()]
    ages = [(name, agent.age_s) for name, agent in agents.items()]
    leases = [(name, agent.lease_left_s) for name, agent in agents.items()]
    yield gauge_text("surplusd_agent_online", "1 while the agent is in contact.", "agent", online)
    yield gauge_text("surplusd_agent_age_seconds", "Age of the agent's last report.", "agent", ages)
    text = "Time left of the lease of an agent in contact."
    yield gauge_text("surplusd_agent_lease_left_seconds", text, "agent", leases)


def _held(decision: Decision) -> tuple[Reason, ...]:
    of_sources = (reason for reasons in decision.sources.values() for reason in reasons)
    return (*decision.reasons, *decision.overruled, *decision.warnings, *of_sources)


def _reasons(reasons: Iterable[Reason]) -> Metric:
    """Return a series for each code and subject that holds now; parameters are no labels, so that series stay few."""
    text = "1 for each reason that holds now, by its code and what it is about."
    family = GaugeMetricFamily("surplusd_reason", text, labels=("code", "subject"))
    for labels in sorted({(reason.code.value, reason.subject) for reason in reasons}):
        family.add_metric(labels, 1)
    return family


def _allocation(decision: Decision) -> Iterator[Metric]:
    worth, bound = decision.worth_per_h, decision.bound_per_h
    text = "Value of what is allotted to devices that are led, currency per hour."
    yield _gauge("surplusd_allocation_value_rate", text, decision.value_per_h)
    text = "Value of what is allotted to all devices, with bonus of running and cost of starts."
    yield _gauge("surplusd_allocation_worth_rate", text, worth)
    yield _gauge("surplusd_allocation_bound_rate", "Upper bound of what any allocation is worth.", bound)
    if bound > 0:
        gap = (bound - worth) / bound
        yield _gauge("surplusd_allocation_gap_ratio", "Share of the bound that is not reached.", gap)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _labelled(name: str, text: str, label: str, values: Mapping[str, float | None]) -> Metric:
    """Return one series for each known value; what is unknown has no series, since zero would be a value."""
    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in values.items():
        if value is not None:
            family.add_metric((key,), float(value))
    return family
