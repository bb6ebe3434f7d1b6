"""What Prometheus gets, checked by its own tool where that is installed."""

import math
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from controller.core.limits.carrying import CarriedNow
from controller.core.limits.contactors import ContactorState, Phase
from controller.core.limits.demand import DemandNow, DemandUse
from controller.core.limits.orders import Compliance, OrderNow
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.core.site import Carrying
from controller.core.snapshot import ContactorNow, Grade, Position
from controller.core.trust.judge import no_trust
from controller.daemon.families.device_series import DeviceDetail
from controller.daemon.holding import Holding
from controller.daemon.latest import OLD_S, DeviceColumns, Latest, LatestAgent, LatestMeter
from controller.daemon.metrics import Metrics, TickDurations
from controller.daemon.orders.book import OrderBook
from controller.daemon.tick import Tick
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.north import make_decision, make_site, make_terms, observe
from tests.waiting import DEADLINE_S

METERS = {
    "main": LatestMeter(
        value_w=80e3,
        quality=Grade.GOOD,
        age_s=0.3,
        quantities={"frequency_hz": (50.01, 0.3), "energy_import_wh": (5e6, 7.0)},
    ),
    "surplus": LatestMeter(value_w=None, quality=Grade.BAD, age_s=None, problem="not read yet"),
}
AGENTS = {"hall-a": LatestAgent(online=False, age_s=12.0, lease_left_s=None)}


def ticked(decision=None, **changes) -> Tick:
    given = {"duration_s": 0.004, "late_s": 0.0} | changes
    return Tick(decision=decision or make_decision(), trust=no_trust(make_site()), **given)


def make_latest(measured_w=(3400.0, math.nan), state=(2, 4)):
    columns = DeviceColumns(measured_w=np.array(measured_w), state=np.array(state))
    return Latest(meters=lambda: METERS, agents=lambda: AGENTS, devices=lambda: columns)


@pytest.fixture
def made(tmp_path) -> Iterator[Callable[..., Metrics]]:
    """Makes the metrics of a site over one journal; what is named is otherwise than usual."""
    journal = journal_at(tmp_path / "journal.db")

    def make(site=None, **others) -> Metrics:
        site, latest = site or make_site(), others.pop("latest", make_latest())
        usual = {"terms": make_terms(), "holding": Holding(), "clock": lambda: 1001.5}
        return Metrics(site, latest, OrderBook(journal, site), journal, **usual | others)

    yield make
    journal.close()


@pytest.fixture
def metrics(made) -> Metrics:
    return made()


def test_what_a_node_carries_is_shown_and_what_that_lets_it_draw(made):
    carries = (
        Carrying(node=0, meters=(0,), most=160.0, apparent=False, phases=3, imbalance=0.1, least_w=500.0),
        Carrying(node=1, meters=(), most=63e3, apparent=True, phases=3, imbalance=0.1, least_w=0.9),
    )
    site = replace(make_site(), carries=carries)
    metrics = made(site)
    pcc, feeder = site.tree.ids
    carried = (CarriedNow(limit_w=82e3, shown=120.0, least_w=600.0), CarriedNow(limit_w=56.7e3))
    metrics.observe_tick(ticked(replace(make_decision(), carried=carried)))
    got = samples(metrics.render())
    assert (got["surplusd_node_amperes", pcc], got["surplusd_node_amperes_limit", pcc]) == (120.0, 160.0)
    assert ("surplusd_node_volt_amperes", feeder) not in got, "nobody sees it"
    assert got["surplusd_node_volt_amperes_limit", feeder] == 63e3
    assert got["surplusd_node_limit_watts", "amperes", pcc] == 82e3
    assert got["surplusd_node_limit_watts", "kva", feeder] == 56.7e3
    metrics.observe_tick(ticked())
    assert not [key for key in samples(metrics.render()) if key[0].startswith("surplusd_node_amperes")]


def test_a_demand_that_is_billed_is_shown_with_what_it_costs(metrics):
    use = DemandUse(begins_utc_s=1.7e9, at_utc_s=1.7e9 + 100.0, used_ws=5e6, guessed_ws=1e5)
    demand = DemandNow(use=use, limit_w=1e5, cap_w=9e4, ends_in_s=200.0, sure=True, held_back_w=2e4, cost_per_h=1.5)
    metrics.observe_tick(ticked(replace(make_decision(), demand=demand)))
    got = {name.removeprefix("surplusd_demand_"): value for (name, *_), value in samples(metrics.render()).items()}
    assert {name: got[name] for name in ("limit_watts", "cap_watts", "used_joules", "guessed_joules")} == {
        "limit_watts": 1e5, "cap_watts": 9e4, "used_joules": 5e6, "guessed_joules": 1e5,
    }  # fmt: skip
    assert (got["left_seconds"], got["held_back_watts"], got["cost_per_hour"]) == (200.0, 2e4, 1.5)
    metrics.observe_tick(ticked())
    assert not [key for key in samples(metrics.render()) if key[0].startswith("surplusd_demand")]


def samples(text: bytes) -> dict[tuple, float]:
    families = text_string_to_metric_families(text.decode())
    return {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in families
        for sample in family.samples
    }


def promtool(text: bytes) -> str:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True, timeout=DEADLINE_S, check=False)
    return (done.stdout + done.stderr).decode()


def test_promtool_has_nothing_to_say(metrics):
    assert promtool(metrics.render()) == ""
    observe(metrics, ticked())
    metrics.refused("http", "unauthorized")
    assert promtool(metrics.render()) == ""


def test_every_series_has_its_value(metrics):
    observe(metrics, ticked())
    observe(metrics, ticked(duration_s=7.0))
    metrics.refused("http", "unauthorized")
    metrics.answered("http", Code.ORDER_UNDER_FLOOR)
    got = samples(metrics.render())
    expected = {
        ("surplusd_mode", "normal"): 1,
        ("surplusd_mode", "failsafe"): 0,
        ("surplusd_ticks_total",): 7,
        ("surplusd_decision_age_seconds",): 1.5,
        ("surplusd_site_power_watts",): 80e3,
        ("surplusd_surplus_watts",): 70e3,
        ("surplusd_node_envelope_watts", "pcc"): 80e3,
        ("surplusd_node_envelope_watts", "feeder"): math.inf,
        ("surplusd_node_binding", "surplus", "pcc"): 1,
        ("surplusd_node_envelope_part_watts", "pcc", "used"): 79e3,
        ("surplusd_node_envelope_part_watts", "pcc", "house_drift"): 60,
        ("surplusd_node_envelope_part_watts", "pcc", "ramp"): 0,
        ("surplusd_node_envelope_part_watts", "pcc", "undrawn"): 940,
        ("surplusd_node_floor_watts", "feeder"): 600,
        ("surplusd_node_achievable_watts", "feeder"): 600,
        ("surplusd_node_planned_watts", "pcc"): 7000,
        ("surplusd_node_committed_watts", "pcc"): 7000,
        ("surplusd_node_infeasible", "pcc"): 0,
        ("surplusd_tick_duration_seconds_bucket", "0.002"): 0,
        ("surplusd_tick_duration_seconds_bucket", "0.005"): 1,
        ("surplusd_tick_duration_seconds_bucket", "+Inf"): 2,
        ("surplusd_tick_duration_seconds_sum",): 7.004,
        ("surplusd_meter_watts", "main"): 80e3,
        ("surplusd_meter_quality", "surplus"): 2,
        ("surplusd_meter_problem", "main"): 0,
        ("surplusd_meter_problem", "surplus"): 1,
        ("surplusd_meter_quantity_hertz", "main", "frequency"): 50.01,
        ("surplusd_meter_quantity_joules", "main", "energy_import"): 18e9,
        ("surplusd_meter_quantity_age_seconds", "main", "energy_import"): 7.0,
        ("surplusd_agent_online", "hall-a"): 0,
        ("surplusd_agent_age_seconds", "hall-a"): 12,
        ("surplusd_orders_open",): 0,
        ("surplusd_orders_in_force",): 0,
        ("surplusd_journal_usable",): 1,
        ("surplusd_journal_dropped_total",): 0,
        ("surplusd_allocation_gap_ratio",): 0.2,
        ("surplusd_allocation_worth_per_hour", "USD"): 2,
        ("surplusd_allocation_bound_per_hour", "USD"): 2.5,
        ("surplusd_build_info", version("surplusd")): 1,
        ("surplusd_site_info", "USD", "north"): 1,
        ("surplusd_grid_contract_watts",): 100e3,
        ("surplusd_grid_firm_watts",): 10e3,
        ("surplusd_surplus_used_watts",): 70e3,
        ("surplusd_node_power_watts", "pcc"): 80e3,
        ("surplusd_agent_devices", "hall-a", "running"): 1,
        ("surplusd_agent_devices", "hall-a", "lost"): 1,
        ("surplusd_agent_devices", "hall-a", "off"): 0,
        ("surplusd_refused_total", "unauthorized", "http"): 1,
        ("surplusd_answered_total", "order_under_floor", "http"): 1,
        ("surplusd_device_setpoint_watts", "hall-a", "m-001", "feeder"): 3500,
        ("surplusd_device_power_watts", "hall-a", "m-001", "feeder"): 3400,
        ("surplusd_device_state", "hall-a", "m-002", "feeder"): 4,
    }
    assert {key: got.get(key) for key in expected} == pytest.approx(expected)
    assert math.isnan(got["surplusd_device_power_watts", "hall-a", "m-002", "feeder"])


def test_what_was_decided_too_long_ago_is_absent_and_the_reason_says_so(metrics):
    warned = (Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3}),)
    observe(metrics, ticked(replace(make_decision(), at_s=1001.5 - OLD_S - 0.1, warnings=warned)))
    got = samples(metrics.render())
    assert got["surplusd_decision_age_seconds",] == pytest.approx(OLD_S + 0.1)
    assert got["surplusd_reason", "tick_stands", "pcc"] == 1
    assert got["surplusd_reason_age_seconds", "tick_stands", "pcc"] == pytest.approx(OLD_S + 0.1)
    of_then = (
        "surplusd_mode",
        "surplusd_site_power",
        "surplusd_surplus",
        "surplusd_order_",
        "surplusd_node",
        "surplusd_alloc",
        "surplusd_device_set",
        "surplusd_agent_s",
    )
    assert not [key for key in got if key[0].startswith(of_then)]
    observe(metrics, ticked(replace(make_decision(), at_s=1001.5 - OLD_S)))
    assert samples(metrics.render())["surplusd_mode", "normal"] == 1


def test_an_old_value_of_a_meter_is_absent_and_its_age_is_not(made):
    then = {"frequency_hz": (50.01, OLD_S + 0.1), "energy_import_wh": (5e6, 60.0)}
    old = {"main": replace(METERS["main"], age_s=OLD_S + 0.1, quantities=then)}
    latest = replace(make_latest(), meters=lambda: old)
    got = samples(made(latest=latest).render())
    assert ("surplusd_meter_watts", "main") not in got
    assert not [key for key in got if key[0].startswith("surplusd_meter_quantity")]
    assert got["surplusd_meter_age_seconds", "main"] == OLD_S + 0.1


def test_warnings_have_their_watts_for_as_long_as_they_hold(metrics):
    warnings = (
        Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3}),
        Reason(Code.AGENT_DEAF, "hall-b", {"since_s": 16.0, "count": 2, "most_w": 6e3}),
        Reason(Code.DEVICE_DEFIANT, "hall-b", {"count": 1, "over_w": 1.5e3}),
        Reason(Code.OVER_ENVELOPE, "pcc", {"since_s": 18.0, "over_w": 9e3}),
        Reason(Code.NODE_UNSEEN, "feeder"),
    )
    observe(metrics, ticked(replace(make_decision(), warnings=warnings)))
    got = samples(metrics.render())
    assert got["surplusd_agent_silent_watts", "hall-a"] == 7e3
    assert got["surplusd_agent_deaf_watts", "hall-b"] == 6e3
    assert got["surplusd_agent_defiant_watts", "hall-b"] == 1.5e3
    assert got["surplusd_node_over_watts", "pcc"] == 9e3
    assert {key[1] for key in got if key[0] == "surplusd_reason"} == {
        "agent_silent", "agent_deaf", "device_defiant", "over_envelope", "node_unseen",
    }  # fmt: skip
    observe(metrics, ticked())
    assert not [
        key
        for key in samples(metrics.render())
        if key[0].endswith(("silent_watts", "deaf_watts", "defiant_watts", "over_watts"))
    ]


@pytest.mark.parametrize(
    ("phase", "position", "tripped", "closed"),
    [
        (Phase.CLOSED, Position.CLOSED, 0, 1),
        (Phase.TRIPPED, Position.CLOSED, 1, 1),
        (Phase.TRIPPED, Position.OPEN, 1, 0),
        (Phase.CLOSING, Position.OPEN, 1, 0),
        (Phase.RECLOSING, Position.UNKNOWN, 0, None),
    ],
)
def test_a_node_with_a_contactor_says_whether_it_is_tripped_and_where_its_contactor_is(
    metrics, phase, position, tripped, closed
):
    tick = ticked()
    state = ContactorState(node=1, phase=phase, since_s=0.0, now=ContactorNow(position=position))
    observe(metrics, replace(tick, decision=replace(tick.decision, contactors=(state,))))
    got = samples(metrics.render())
    assert got["surplusd_node_tripped", "feeder"] == tripped
    assert got.get(("surplusd_contactor_closed", "feeder")) == closed, "what is not known is absent"
    assert ("surplusd_node_tripped", "pcc") not in got


def order_now(compliance=Compliance.NOT_MET, power_w=80e3, since_s=900.0, limit_w=50e3, node=0):
    return OrderNow(
        id="tso/o",
        node=node,
        limit_w=limit_w,
        power_w=power_w,
        achievable_w=9e3,
        final_w=limit_w,
        since_s=since_s,
        compliance=compliance,
        revision=1,
    )


def test_orders_are_counted_by_whether_they_are_kept_with_what_is_missing(metrics):
    orders = (order_now(), order_now(Compliance.UNSEEN, power_w=None), order_now(Compliance.MET, power_w=49e3))
    in_force = ("tso/a", "tso/b", "tso/c", "tso/of-which-nothing-is-known")
    observe(metrics, ticked(replace(make_decision(), orders=orders, orders_in_force=in_force)))
    got = samples(metrics.render())
    by = {key[1]: value for key, value in got.items() if key[0] == "surplusd_orders_compliance"}
    assert by == {"met": 1, "not_met": 1, "partial": 0, "unseen": 2}
    assert (got["surplusd_orders_in_force",], got["surplusd_order_shortfall_watts",]) == (4, 30e3)


def test_a_node_with_orders_says_what_they_ask_for_what_is_missing_and_since_when(metrics):
    orders = (
        order_now(limit_w=60e3, since_s=990.0),
        order_now(limit_w=50e3, since_s=940.0),
        order_now(Compliance.UNSEEN, power_w=None, limit_w=40e3, node=1),
    )
    observe(metrics, ticked(replace(make_decision(), orders=orders)))
    got = samples(metrics.render())
    assert got["surplusd_node_order_limit_watts", "pcc"] == 50e3
    assert got["surplusd_node_order_shortfall_watts", "pcc"] == 30e3
    assert ("surplusd_node_order_shortfall_watts", "feeder") not in got, "nobody sees it"
    for_s = {key[1:]: value for key, value in got.items() if key[0] == "surplusd_node_order_compliance_seconds"}
    assert for_s == {("not_met", "pcc"): 60.0, ("unseen", "feeder"): 100.0}


def test_no_id_of_an_order_is_a_label(metrics):
    decision = replace(
        make_decision(), binding=("order:tso/2026-11-21-a", "rating:feeder"), orders=(order_now(),),
        orders_in_force=("tso/2026-11-21-a",),
    )  # fmt: skip
    observe(metrics, ticked(decision))
    text = metrics.render()
    assert samples(text)["surplusd_node_binding", "order:tso", "pcc"] == 1
    assert b"2026-11-21-a" not in text
    assert b"tso/o" not in text


@pytest.mark.parametrize(
    ("site_w", "surplus_w", "used_w"),
    [(5e3, 70e3, 0), (30e3, 70e3, 20e3), (95e3, 70e3, 70e3), (95e3, -5e3, 0), (None, 70e3, None), (30e3, None, None)],
)
def test_of_the_surplus_is_used_what_the_site_draws_above_its_firm_power(metrics, site_w, surplus_w, used_w):
    observe(metrics, ticked(replace(make_decision(site_w), surplus_w=surplus_w)))
    assert samples(metrics.render()).get(("surplusd_surplus_used_watts",)) == used_w


def test_money_is_in_the_currency_of_the_site_file_that_was_taken_over(metrics):
    observe(metrics, ticked())
    metrics.take_over(replace(make_terms(), currency="PKR", firm_w=30e3))
    got = samples(metrics.render())
    assert got["surplusd_allocation_value_per_hour", "PKR"] == 2
    assert ("surplusd_allocation_value_per_hour", "USD") not in got
    assert got["surplusd_surplus_used_watts",] == 50e3


def test_reasons_and_the_mode_say_for_how_long_they_hold(made):
    now_s = 1000.0
    metrics = made(clock=lambda: now_s)

    def after(at_s, mode, *codes):
        nonlocal now_s
        now_s = at_s
        reasons = tuple(Reason(code, "pcc") for code in codes)
        observe(metrics, ticked(replace(make_decision(), at_s=at_s, mode=mode, reasons=reasons)))
        got = samples(metrics.render())
        held = {key[1]: value for key, value in got.items() if key[0] == "surplusd_reason_age_seconds"}
        return got["surplusd_mode_age_seconds",], held

    assert after(1000.0, Mode.NORMAL) == (0, {})
    assert after(1004.0, Mode.HOLD, Code.LINK_DOWN) == (0, {"link_down": 0})
    assert after(1009.0, Mode.HOLD, Code.LINK_DOWN, Code.NO_SITE_METER) == (5, {"link_down": 5, "no_site_meter": 0})
    assert after(1010.0, Mode.FAILSAFE, Code.NO_SITE_METER) == (0, {"no_site_meter": 1})
    assert after(1011.0, Mode.FAILSAFE, Code.LINK_DOWN) == (1, {"link_down": 0}), "it began anew"


def test_every_reason_that_holds_has_a_series_by_code_and_subject(metrics):
    reasons = (Reason(Code.METER_SILENT, "main"), Reason(Code.LINK_DOWN, "pcc"))
    overruled = (Reason(Code.TIMES_OVERRULED, "pcc", {"limits": "order:o1", "count": 2}),)
    sources = {"main": (Reason(Code.METER_SILENT, "main"), Reason(Code.METER_FROZEN, "main"))}
    held = replace(make_decision(), mode=Mode.HOLD, reasons=reasons, overruled=overruled, sources=sources)
    observe(metrics, ticked(held), (Reason(Code.CLOCK_UNSYNCHRONISED, "pcc"),))
    assert {key[1:] for key in samples(metrics.render()) if key[0] == "surplusd_reason"} == {
        ("meter_silent", "main"), ("link_down", "pcc"), ("times_overruled", "pcc"), ("meter_frozen", "main"),
        ("clock_unsynchronised", "pcc"),
    }  # fmt: skip
    observe(metrics, ticked())
    assert not [key for key in samples(metrics.render()) if key[0] == "surplusd_reason"], "it ends with its cause"


def test_a_step_that_failed_is_counted(metrics):
    observe(metrics, ticked(failure="i6_ramp"))
    observe(metrics, ticked())
    assert samples(metrics.render())["surplusd_step_failures_total", "i6_ramp"] == 1


def test_what_is_unknown_has_no_series(metrics):
    before = samples(metrics.render())
    assert not any(name.startswith("surplusd_node") for name, *_ in before)
    assert not any(name == "surplusd_device_setpoint_watts" for name, *_ in before)
    observe(metrics, ticked(replace(make_decision(site_w=None), surplus_w=None)))
    got = samples(metrics.render())
    assert ("surplusd_meter_watts", "surplus") not in got
    assert ("surplusd_agent_lease_left_seconds", "hall-a") not in got
    assert ("surplusd_site_power_watts",) not in got
    assert ("surplusd_surplus_watts",) not in got


@given(st.lists(st.floats(1e-6, 100), max_size=50))
def test_the_histogram_counts_every_tick_once(durations):
    ticks = TickDurations()
    for duration_s in durations:
        ticks.observe(duration_s)
    buckets = {sample.labels["le"]: sample.value for sample in ticks.family().samples if "le" in sample.labels}
    for bound, count in buckets.items():
        assert count == sum(duration_s <= float(bound) for duration_s in durations)


def test_the_single_devices_come_by_page_and_all_else_by_itself(metrics):
    observe(metrics, ticked(make_decision()))
    whole, first = metrics.render(), b"".join(metrics.chunks(1))
    assert metrics.pages == 1
    assert of_the_site(b"".join(metrics.chunks(0)) + first) == of_the_site(whole)
    assert {key[0] for key in samples(first)} == {
        "surplusd_device_setpoint_watts",
        "surplusd_device_power_watts",
        "surplusd_device_state",
    }


def of_the_site(text: bytes) -> list[bytes]:
    """Return the lines without those of the process, which uses more CPU from one look to the next."""
    return [line for line in text.splitlines() if not line.startswith(b"process_")]


@pytest.mark.parametrize("detail", [DeviceDetail.NODES, DeviceDetail.NONE])
def test_single_devices_are_not_shown_where_the_site_file_says_so(made, detail):
    metrics = made(detail=detail)
    got = samples(metrics.render())
    assert metrics.pages == 0
    assert not [key for key in got if key[0].startswith("surplusd_device_")]
    nodes = {key: value for key, value in got.items() if key[0].startswith("surplusd_node_devices")}
    if detail is DeviceDetail.NONE:
        assert nodes == {}
    else:
        assert nodes["surplusd_node_devices_watts", "feeder"] == 3400
        assert nodes["surplusd_node_devices", "feeder", "lost"] == 1


def test_reports_that_were_left_out_are_counted(made):
    got = samples(made(shed=lambda: 7).render())
    assert got["surplusd_reports_shed_total",] == 7
