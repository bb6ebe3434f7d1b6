"""Makes the tables of docs/metrics.md: every family that the daemon gives, with the words that it gives itself, and the parts of an envelope."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np

from controller.core.decision import Decision
from controller.core.limits.demand import NO_DEMAND_USE, DemandNow
from controller.core.limits.parts import EnvelopeParts
from controller.core.modes import Mode
from controller.core.site import Site
from controller.core.snapshot import Grade
from controller.core.trust.judge import no_trust
from controller.daemon.families.terms import SiteTerms
from controller.daemon.holding import Holding
from controller.daemon.journal import chain
from controller.daemon.journal.journal import Journal
from controller.daemon.journal.storage import Chain
from controller.daemon.latest import DeviceColumns, Latest, LatestAgent, LatestMeter
from controller.daemon.metrics import Metrics
from controller.daemon.orders.book import OrderBook
from controller.daemon.tick import Tick
from controller.site.compile import compile_site
from controller.site.load import load
from controller.texts.parts import PARTS

_NOW_S: Final = 1000.0
_LABELS: Final = re.compile(r'(\w+)="')
#: `le` is in the bounds of a histogram, and no label of ours.
_NOT_OURS: Final = {"le"}


def render() -> str:
    """Return the tables: one row a family by name, and one row a part of an envelope."""
    with _metrics() as metrics:
        lines = metrics.render().decode().splitlines()
        # A family without a series now has its labels nowhere else.
        named = {family.name: tuple(vars(family).get("_labelnames", ())) for family in metrics.collect()}
    rows = [
        f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in named.get(name) or labels)} | {meaning} |"
        for name, kind, labels, meaning in sorted(_families(lines))
    ]
    return "\n".join(("| metric | type | labels | meaning |", "|---|---|---|---|", *rows, "", *_parts()))


def _parts() -> Iterator[str]:
    """Yield the parts of an envelope."""
    yield "## The parts of an envelope\n"
    yield "`surplusd_node_envelope_part_watts` by its `part`, of the site and of up to 250 nodes whose limit binds. Those of a node are its envelope, to the watt; [what-is-kept-free.md](decisions/what-is-kept-free.md) says"
    yield "why some of it is kept free. Each claims what is not drawn after those above it, so nothing is counted twice.\n"
    yield "| part | what it is |"
    yield "|---|---|"
    yield from (f"| `{part}` | {words.meaning} |" for part, words in PARTS.items())


def _families(lines: list[str]) -> Iterator[tuple[str, str, list[str], str]]:
    """Return name, type, labels and meaning of each family of an exposition that is ours, but of the library's own additions."""
    kinds = dict(line.split(" ", 3)[2:] for line in lines if line.startswith("# TYPE "))
    for line in lines:
        name = line.split(" ", 3)[2] if line.startswith("# HELP surplusd_") else ""
        if not name or name.endswith("_created"):
            continue
        series = [each for each in lines if re.match(rf"{name}(_bucket|_sum|_count)?[ {{]", each)]
        labels = dict.fromkeys(label for each in series for label in _LABELS.findall(each) if label not in _NOT_OURS)
        yield name, kinds[name], list(labels), line.split(" ", 3)[3]


@contextmanager
def _metrics() -> Iterator[Metrics]:
    """Give the metrics of the demo's site with one of everything."""
    site_file = load(Path(str(files("configs").joinpath("demo.yaml"))))
    site, terms = compile_site(site_file), SiteTerms.of(site_file)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        chain.create(path)
        journal = Journal(Chain(path))
        holding, decision = Holding(), _decision(site)
        book = OrderBook(journal, site)
        metrics = Metrics(site, _latest(site), book, journal, terms=terms, holding=holding, clock=lambda: _NOW_S)
        metrics.refused("http", "unauthorized")
        metrics.answered("http", "not_durable")
        holding.observe(decision, (), 0.0)
        metrics.observe_tick(Tick(decision=decision, trust=no_trust(site), duration_s=0.0, late_s=0.0, failure="step"))
        try:
            yield metrics
        finally:
            journal.close()


def _latest(site: Site) -> Latest:
    meter = LatestMeter(value_w=0.0, quality=Grade.GOOD, age_s=0.0, quantities={"frequency_hz": (50.0, 0.0)})
    agent = LatestAgent(online=True, age_s=0.0, lease_left_s=0.0)
    count = len(site.devices.ids)
    return Latest(
        meters=lambda: {"m": meter},
        agents=lambda: {"a": agent},
        devices=lambda: DeviceColumns(measured_w=np.zeros(count), state=np.zeros(count, dtype=np.int64)),
    )


def _decision(site: Site) -> Decision:
    node_w = np.zeros(len(site.tree.ids))
    return Decision(
        at_s=_NOW_S,
        seq=1,
        mode=Mode.NORMAL,
        reasons=(),
        sources={},
        power_w=(0.0,) * len(node_w),
        surplus_w=0.0,
        envelope_w=node_w,
        binding=("contract",) * len(node_w),
        floor_w=node_w,
        achievable_w=node_w,
        infeasible=np.zeros(len(node_w), dtype=np.bool_),
        house_w=node_w,
        planned_w=node_w,
        committed_w=node_w,
        setpoint_w=site.devices.off_w,
        value_per_h=1.0,
        worth_per_h=1.0,
        bound_per_h=1.0,
        orders_in_force=(),
        demand=DemandNow(use=NO_DEMAND_USE, limit_w=0.0, cap_w=0.0, ends_in_s=0.0, sure=True),
        parts=_parts_of_nothing(),
    )


def _parts_of_nothing() -> EnvelopeParts:
    none_w = np.zeros(1)
    return EnvelopeParts(
        nodes=np.zeros(1, dtype=np.int64), whole_w=none_w, least_w=none_w, most_w=none_w, counted_w=none_w, claims_w={}
    )
