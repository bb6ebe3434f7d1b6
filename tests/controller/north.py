"""A small site of two nodes and two miners behind one agent, and a decision over it."""

from collections.abc import Iterable

import numpy as np

from controller.core.decision import Decision
from controller.core.limits.parts import EnvelopePart, EnvelopeParts
from controller.core.modes import Mode
from controller.core.reasons import Reason
from controller.core.site import Devices, Meters, Rules, Site, SurplusModel, Tree
from controller.daemon.families.terms import SiteTerms
from controller.daemon.metrics import Metrics
from controller.daemon.tick import Tick
from controller.daemon.utc import Utc


def make_site() -> Site:
    return Site(
        id="north",
        tree=Tree(
            ids=("pcc", "feeder"),
            parent=np.array([-1, 0]),
            limit_w=np.array([np.inf, 50e3]),
            house_w=np.array([2000.0, 500.0]),
        ),
        devices=Devices(
            ids=("m-001", "m-002"),
            node=np.array([1, 1]),
            agent=np.array([0, 0]),
            failsafe_w=np.array([50.0, 50.0]),
            tolerance=np.array([0.05, 0.05]),
            down_s=np.array([5.0, 5.0]),
            up_s=np.array([5.0, 5.0]),
            min_up_s=np.zeros(2),
            min_down_s=np.zeros(2),
            settle_s=np.zeros(2),
            start_cost=np.zeros(2),
            change_cost=np.zeros(2),
            protected=np.zeros(2, dtype=np.bool_),
            restarts=np.zeros(2, dtype=np.bool_),
            report_error=np.full(2, 0.05),
            steady=np.array([True, True]),
            mode_start=np.array([0, 2, 4]),
            mode_w=np.array([50.0, 3500.0, 50.0, 3500.0]),
            mode_value=np.array([0.0, 1.0, 0.0, 1.0]),
            mode_continuous=np.array([False, True, False, True]),
        ),
        meters=Meters(ids=("main",), node=np.array([0]), rating_w=np.array([2e5]), accuracy=np.array([0.005])),
        agents=("hall-a",),
        rules=Rules(
            contract_w=100e3,
            firm_w=10e3,
            failsafe_w=10e3,
            ramp_up_w_s=1e3,
            ramp_down_w_s=1e3,
            emergency_ramp_w_s=1e3,
            settle_s=15.0,
            lease_s=30.0,
            surplus_model=SurplusModel.DIRECT,
            surplus_rating_w=np.inf,
            surplus_stale_s=60.0,
        ),
    )


def make_decision(site_w: float | None = 80e3) -> Decision:
    return Decision(
        at_s=1000.0,
        seq=7,
        mode=Mode.NORMAL,
        reasons=(),
        sources={},
        power_w=(site_w, None),
        surplus_w=70e3,
        envelope_w=np.array([80e3, np.inf]),
        binding=("surplus", "rating:feeder"),
        floor_w=np.array([2100.0, 600.0]),
        achievable_w=np.array([2100.0, 600.0]),
        infeasible=np.array([False, False]),
        house_w=np.array([2000.0, np.nan]),
        planned_w=np.array([7000.0, 7000.0]),
        committed_w=np.array([7000.0, 7000.0]),
        setpoint_w=np.array([3500.0, 3500.0]),
        value_per_h=2.0,
        worth_per_h=2.0,
        bound_per_h=2.5,
        orders_in_force=(),
        parts=make_parts(),
    )


def make_parts() -> EnvelopeParts:
    """Return the parts of the envelope of 80 kW."""
    return EnvelopeParts(
        nodes=np.zeros(1, dtype=np.int64),
        whole_w=np.array([80e3]),
        least_w=np.array([79e3]),
        most_w=np.array([79e3]),
        counted_w=np.zeros(1),
        claims_w={EnvelopePart.HOUSE_DRIFT: np.array([60.0])},
    )


def make_terms() -> SiteTerms:
    return SiteTerms(site="north", currency="USD", firm_w=10e3, contract_w=100e3)


def observe(metrics: Metrics, tick: Tick, apart: Iterable[Reason] = (), utc: Utc | None = None) -> None:
    """Have metrics see a tick as the recorder lets them: what holds comes first; `apart`: reasons that the decision does not know of."""
    metrics.holding.observe(tick.decision, apart, utc.utc_s if utc else 0.0)
    metrics.observe_tick(tick, utc)
