"""The daemon's own metrics module behind a web server, fed with a made-up decision of the demo site."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from controller.core.decision import Decision
from controller.core.fleet.cap_memory import CapsNow
from controller.core.limits.carrying import CarriedNow
from controller.core.limits.contactors import ContactorState, Phase
from controller.core.limits.demand import NO_DEMAND_USE, DemandNow
from controller.core.limits.orders import Compliance, OrderNow
from controller.core.limits.parts import EnvelopePart, EnvelopeParts
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.core.site import Carrying, Site
from controller.core.snapshot import ContactorNow, Grade, Position
from controller.core.trust.judge import no_trust
from controller.daemon.families.terms import SiteTerms
from controller.daemon.holding import Holding
from controller.daemon.latest import DEVICE_STATES, DeviceColumns, Latest, LatestAgent, LatestMeter
from controller.daemon.metrics import CONTENT_TYPE, Metrics
from controller.daemon.orders.book import OrderBook
from controller.daemon.tick import Tick
from controller.daemon.utc import Utc
from controller.site.compile import compile_site
from controller.site.load import load
from drivers.clock import boottime_s
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.north import observe

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"


def warned(site: Site) -> tuple[Reason, ...]:
    agent, node = site.agents[0], site.tree.ids[0]
    return (
        Reason(Code.AGENT_SILENT, agent, {"since_s": 6.0, "count": 2, "most_w": 7e3}),
        Reason(Code.AGENT_DEAF, agent, {"since_s": 16.0, "count": 2, "most_w": 7e3}),
        Reason(Code.DEVICE_LOST, agent, {"count": 1, "most_w": 3.5e3}),
        Reason(Code.DEVICE_DEFIANT, agent, {"count": 1, "over_w": 1.7e3}),
        Reason(Code.OVER_ENVELOPE, node, {"over_w": 9e3, "since_s": 18.0}),
    )


def carries() -> tuple[Carrying, ...]:
    """One of either sort, at the connection."""
    of_phases = Carrying(node=0, meters=(0,), most=160.0, apparent=False, phases=3, imbalance=0.1, least_w=550.0)
    return (of_phases, replace(of_phases, most=1e5, apparent=True, least_w=0.9))


def not_met() -> OrderNow:
    return OrderNow(
        id="tso/o",
        node=0,
        limit_w=300_000.0,
        final_w=300_000.0,
        since_s=boottime_s() - 90.0,
        power_w=390_000.0,
        achievable_w=40_000.0,
        compliance=Compliance.NOT_MET,
        revision=1,
    )


def decision(site: Site, seq: int) -> Decision:
    meter = site.meters.ids[0]
    noted = (Reason(Code.VALUE_NOTED, meter, {"quantity": "active_power_w", "note": "forced by hand"}),)
    node_w = np.linspace(400_000.0, 100_000.0, len(site.tree.ids))
    return Decision(
        at_s=boottime_s(),
        seq=seq,
        mode=Mode.NORMAL,
        reasons=(),
        sources={meter: noted},
        power_w=(390_000.0, *(None for _ in node_w[1:])),
        surplus_w=340_000.0,
        envelope_w=node_w,
        binding=("surplus", *(f"rating:{node}" for node in site.tree.ids[1:])),
        floor_w=0.1 * node_w,
        achievable_w=0.1 * node_w,
        infeasible=np.zeros(len(node_w), dtype=np.bool_),
        house_w=0.05 * node_w,
        planned_w=0.90 * node_w,
        committed_w=0.92 * node_w,
        setpoint_w=site.devices.max_w,
        value_per_h=1.0,
        worth_per_h=1.0,
        bound_per_h=1.01,
        orders_in_force=("tso/o",),
        orders=(not_met(),),
        warnings=warned(site),
        contactors=(
            ContactorState(
                node=1, phase=Phase.TRIPPED, since_s=0.0, now=ContactorNow(position=Position.OPEN), trip=None
            ),
        ),
        carried=tuple(CarriedNow(limit_w=9e4, shown=100.0, least_w=600.0) for _ in site.carries),
        demand=DemandNow(
            use=NO_DEMAND_USE, limit_w=5e5, cap_w=4e5, ends_in_s=900.0, sure=True, held_back_w=1e4, cost_per_h=0.5
        ),
        parts=EnvelopeParts(
            nodes=np.zeros(1, dtype=np.int64),
            whole_w=node_w[:1],
            least_w=np.array([389e3]),
            most_w=np.array([390e3]),
            counted_w=np.zeros(1),
            claims_w={EnvelopePart.HOUSE_DRIFT: np.array([1e3]), EnvelopePart.RAMP: np.array([5e3])},
        ),
        caps=(CapsNow(group="gpu", cap_w=8e4, drawn_w=6e4, held_ws=1e2 * seq, drawn_ws=1e4 * seq, reserve_w=2e3),),
    )


def latest(site: Site) -> Latest:
    """All is well, but the first device, whose power is unknown."""
    good = LatestMeter(value_w=390_000.0, quality=Grade.GOOD, age_s=0.3)
    agent = LatestAgent(online=True, age_s=0.5, lease_left_s=25.0)
    measured_w = site.devices.max_w.copy()
    measured_w[0] = np.nan
    devices = DeviceColumns(measured_w=measured_w, state=np.arange(len(measured_w)) % len(DEVICE_STATES))
    return Latest(
        meters=lambda: dict.fromkeys([*site.meters.ids, "surplus"], good),
        agents=lambda: dict.fromkeys(site.agents, agent),
        devices=lambda: devices,
    )


@contextmanager
def exporter(folder: Path) -> Iterator[str]:
    """Serve the metrics and give host:port; every scrape is preceded by a tick."""
    site_file = load(DEMO)
    site, terms = replace(compile_site(site_file), carries=carries()), SiteTerms.of(site_file)
    journal = journal_at(folder / "journal.db")
    metrics = Metrics(site, latest(site), OrderBook(journal, site), journal, terms=terms, holding=Holding())
    metrics.refused("http", "unauthorized")
    failed = Tick(decision=decision(site, 0), trust=no_trust(site), duration_s=0.003, late_s=0.0, failure="step")
    observe(metrics, failed)
    ticks = iter(range(1, 1_000_000))

    class Scrape(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tick = Tick(decision=decision(site, next(ticks)), trust=no_trust(site), duration_s=0.003, late_s=0.0)
            utc = Utc(utc_s=1.8e9, trusted=True, doubt=None, apart_s=0.1, tolerance_s=2.5)
            observe(metrics, tick, utc=utc)
            body = metrics.render()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Scrape) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            journal.close()
