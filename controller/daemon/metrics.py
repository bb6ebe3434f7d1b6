"""What Prometheus scrapes.

The tick swaps attributes and counts into a list; all text is made when it is asked for.
Operational series come from prometheus-client; those of nodes, agents and devices, of which there are thousands, are made as
text, which costs about a thirtieth (10,000 series: 70 ms by the library, 2 ms by one template).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Counter, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from controller.core.decision import Decision
from controller.core.limits.contactors import Wanted
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.core.snapshot import Position
from controller.daemon.families.as_text import escape, gauge_text, heading
from controller.daemon.families.caps import of_caps
from controller.daemon.families.carrying import of_carrying
from controller.daemon.families.demand import of_demand
from controller.daemon.families.device_series import DeviceDetail, DeviceSeries
from controller.daemon.families.made import by_pair, gauge, labelled
from controller.daemon.families.orders import limit_label, of_orders
from controller.daemon.families.parts import of_parts
from controller.daemon.families.sources import devices_by_state, of_agents, of_meters
from controller.daemon.families.terms import SiteTerms
from controller.daemon.holding import Holding, Key
from controller.daemon.journal.journal import Journal
from controller.daemon.latest import OLD_S, Latest, before_first_tick, tick_stands
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
        terms: SiteTerms,
        holding: Holding,
        detail: DeviceDetail = DeviceDetail.ALL,
        shed: Callable[[], int] = lambda: 0,
        clock: Clock = boottime_s,
    ) -> None:
        """`terms`: of the site file. `holding`: what holds as of the newest tick. `detail`: of devices. `shed`: reports left out for newer ones. `clock`: the one that decisions are dated by."""
        self._site, self._devices, self._detail, self._shed = site, DeviceSeries(site), detail, shed
        self._nodes, self._latest, self._book, self._journal = site.tree.ids, latest, book, journal
        self._terms, self._clock = terms, clock
        self._durations = TickDurations()
        self._decision: Decision | None = None
        self._utc: Utc | None = None
        self._began_s, self.holding = clock(), holding
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

    def observe_tick(self, tick: Tick, utc: Utc | None = None) -> None:
        """Take the newest decision and what its tick cost, once what holds is known; for the tick thread, a few microseconds.

        `utc`: the look at the wall clock.
        """
        self._decision, self._utc = tick.decision, utc
        self._durations.observe(tick.duration_s)
        if tick.failure:
            self._failures.labels(tick.failure).inc()

    def take_over(self, terms: SiteTerms) -> None:
        """Read values by the terms of another site file from now on."""
        self._terms = terms

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
        yield from of_agents(self._latest.agents())
        yield devices_by_state(self._site, self._latest.devices())

    def collect(self) -> Iterator[Metric]:
        """Yield the operational families, for prometheus-client."""
        yield InfoMetricFamily("surplusd_build", "The version that runs.", value={"version": version("surplusd")})
        yield from self._terms.families()
        yield self._durations.family()
        decision = self._decision
        yield from self._reasons(decision)
        if decision is not None:
            yield CounterMetricFamily("surplusd_ticks", "Control ticks since the start.", value=decision.seq)
            yield gauge("surplusd_decision_age_seconds", "Age of the newest decision.", self._clock() - decision.at_s)
        # Absent rather than old: what was decided then says nothing of now.
        if decision is not None and not self._is_old(decision):
            yield from self._decided(decision)
            yield from of_caps(decision)
            yield from of_carrying(decision, self._site)
            yield from of_demand(decision, self._terms.currency)
            yield from self._of_contactors(decision)
            yield from _of_warnings(decision.warnings)
            yield from _of_clock(self._utc)
        yield from of_meters(self._latest.meters())
        text = "Reports of agents that were left out because newer ones had come before they could be taken."
        yield CounterMetricFamily("surplusd_reports_shed", text, value=self._shed())
        yield gauge("surplusd_orders_open", "Orders that are neither ended nor released.", len(self._book.limits()))
        yield from self._of_journal()

    def _is_old(self, decision: Decision) -> bool:
        return self._clock() - decision.at_s > OLD_S

    def _since(self, decision: Decision | None) -> Mapping[Key, float]:
        """Return what holds now, and since when; that nothing is decided holds since the last decision."""
        held = self.holding.held
        if decision is None or held is None:
            return {(each.code, each.subject): self._began_s for each in before_first_tick(self._site)}
        if self._is_old(decision):
            stands = tick_stands(self._site, self._clock() - decision.at_s)
            return {(each.code, each.subject): decision.at_s for each in stands}
        return held.since_s

    def _reasons(self, decision: Decision | None) -> Iterator[Metric]:
        """Yield a series for each code and subject that holds now; parameters are no labels, so that series stay few."""
        now_s = self._clock()
        for_s = {
            (code.value, subject): max(now_s - at_s, 0.0)
            for (code, subject), at_s in sorted(self._since(decision).items())
        }
        pair = ("code", "subject")
        text = "1 for each reason that holds now, by its code and what it is about."
        yield by_pair("surplusd_reason", text, pair, dict.fromkeys(for_s, 1.0))
        text = "For how long the reason has held; from the start of the daemon at most."
        yield by_pair("surplusd_reason_age_seconds", text, pair, for_s)

    def _decided(self, decision: Decision) -> Iterator[Metric]:
        modes = {mode.value: mode is decision.mode for mode in Mode}
        yield labelled("surplusd_mode", "1 for the mode that the site is in.", "mode", modes)
        text = "For how long the site has been in its mode; from the start of the daemon at most."
        if (held := self.holding.held) is not None:
            yield gauge("surplusd_mode_age_seconds", text, self._clock() - held.mode_since_s)
        if decision.site_w is not None:
            yield gauge("surplusd_site_power_watts", "Trusted power of the site.", decision.site_w)
        yield from self._terms.used(decision)
        yield from of_orders(decision, self._nodes)
        yield from self._terms.allocation(decision)

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
        yield of_parts(decision.parts, self._nodes)
        name = "surplusd_node_binding"
        pairs = zip(self._nodes, decision.binding, strict=True)
        lines = [f'{name}{{node="{node}",limit="{escape(limit_label(limit))}"}} 1.0\n' for node, limit in pairs]
        yield heading(name, "1 for the limit that binds.") + "".join(lines)
        power = zip(self._nodes, decision.power_w, strict=True)
        yield gauge_text("surplusd_node_power_watts", "Trusted power of the node, by its own meters.", "node", power)

    def _of_contactors(self, decision: Decision) -> Iterator[Metric]:
        states = {self._nodes[state.node]: state for state in decision.contactors}
        tripped = {node: float(state.wanted is Wanted.OPEN) for node, state in states.items()}
        yield labelled("surplusd_node_tripped", "1 while the node's contactor is told to be open.", "node", tripped)
        closed = {node: _CLOSED.get(state.now.position) for node, state in states.items()}
        text = "1 where the node's contactor is read back as closed, 0 as open."
        yield labelled("surplusd_contactor_closed", text, "node", closed)

    def _of_journal(self) -> Iterator[Metric]:
        journal = self._journal
        yield gauge("surplusd_journal_usable", "1 while the journal can be written.", journal.usable)
        yield gauge("surplusd_journal_waiting", "Records that wait for the disk.", journal.waiting)
        yield CounterMetricFamily(
            "surplusd_journal_dropped",
            "Records lost of telemetry, and of modes and compliance while the disk takes none.",
            value=journal.dropped,
        )


#: What is not known is absent.
_CLOSED: Final = {Position.OPEN: 0.0, Position.CLOSED: 1.0}


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
        yield labelled(f"surplusd_{name}", meaning, label, watts)


def _of_clock(utc: Utc | None) -> Iterator[Metric]:
    """Yield whether orders may end by the wall clock; what is not known of it is absent."""
    if utc is None:
        return
    yield gauge("surplusd_utc_trusted", "1 while orders may end by the wall clock.", utc.trusted)
    if utc.apart_s is not None and utc.tolerance_s is not None:
        text = "Wall clock less what has gone by since somebody vouched for it."
        yield gauge("surplusd_utc_apart_seconds", text, utc.apart_s)
        yield gauge("surplusd_utc_tolerance_seconds", "Most that it may be to be trusted.", utc.tolerance_s)
