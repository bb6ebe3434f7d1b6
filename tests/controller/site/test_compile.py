"""The columns of the small site, worked out by hand."""

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from controller.core.allocation.minimum_times import kept_w
from controller.core.allocation.tables import make_tables
from controller.core.site import DemandTerms, SurplusModel
from controller.core.state import initial_state
from controller.site.compile import compile_site
from drivers.fleet.catalogue import DeviceKind, load_catalogue
from tests.waiting import DEADLINE_S


@pytest.fixture
def site(small, load_text):
    return compile_site(load_text(small))


def test_tree_is_ordered_by_depth_then_id(site):
    assert site.tree.ids == ("pcc", "annex", "hall", "row")
    assert site.tree.parent.tolist() == [-1, 0, 0, 2]


def test_limits_and_house_load_of_everything_below(site):
    assert site.tree.limit_w.tolist() == [np.inf, np.inf, 60e3, 50e3]
    assert site.tree.house_w.tolist() == [5e3, 0.0, 2e3, 0.0]


def test_a_demand_that_is_billed(small, load_text):
    demand = "  tariff: 0.05 USD/kWh\n  demand: {window: 30 min, limit: 50 kW, begins: 5 min}\n"
    billed = compile_site(load_text(small.replace("  tariff: 0.05 USD/kWh\n", demand)))
    assert billed.demand == DemandTerms(window_s=1800.0, limit_w=50e3, begins_s=300.0)
    assert compile_site(load_text(small)).demand is None


@pytest.mark.parametrize(
    ("carries", "most", "least_w", "phases"),
    [
        ("{current: 160 A, volts: 380 V, power_factor: 0.95, imbalance: 10 %}", 160.0, 3**0.5 * 380 * 0.95 / 1.1, 3),
        ("{current: 0.16 kA, phases: 1, volts: 0.2 kV, power_factor: 0.9}", 160.0, 200 * 0.9, 1),
        ("{apparent_power: 63 kVA, power_factor: 0.95, imbalance: 10 %}", 63e3, 0.95 / 1.1, 3),
    ],
)
def test_what_a_node_carries_is_worth_so_many_watts_at_the_worst(carries, most, least_w, phases, small, load_text):
    [each] = compile_site(load_text(small.replace("limit: 60 kW", f"limit: 60 kW, carries: {carries}"))).carries
    assert (each.node, each.meters, each.most, each.phases) == (2, (0,), most, phases)
    assert each.apparent is ("apparent" in carries)
    assert each.least_w == pytest.approx(least_w)
    assert each.least_v == pytest.approx({3: 380 / 3**0.5, 1: 200.0}[phases] * (not each.apparent))


@pytest.mark.parametrize(
    ("key", "frequency_hz"), [("", 50.0), ("  frequency: 50 Hz\n", 50.0), ("  frequency: 60.0 Hz\n", 60.0)]
)
def test_the_frequency_is_that_of_the_grid_by_default_50_hz(key, frequency_hz, small, load_text):
    site = compile_site(load_text(small.replace("  contract: 100 kW\n", f"  contract: 100 kW\n{key}")))
    assert site.rules.frequency_hz == frequency_hz


def test_devices_are_ordered_by_id(site):
    assert site.devices.ids == ("gpu-001", "lone", "s21-001", "s21-002")
    assert site.agents == ("a-one", "a-two")
    assert site.devices.node.tolist() == [1, 2, 3, 3]
    assert site.devices.agent.tolist() == [0, 0, 1, 1]


def test_modes(site):
    devices = site.devices
    assert devices.mode_start.tolist() == [0, 3, 8, 11, 14]
    assert devices.mode_w.tolist() == [150, 3600, 10200, 25, 1700, 2200, 2700, 3010, *[25, 1400, 3500] * 2]
    assert devices.mode_continuous.tolist() == [0, 0, 1, 0, 0, 0, 0, 0, *[0, 0, 1] * 2]
    assert devices.max_w.tolist() == [10200, 3010, 3500, 3500]
    assert devices.off_w.tolist() == [150, 25, 25, 25]


def test_worth_of_an_hour_in_each_mode(site):
    # 48 USD/PH/day are 0.048 USD/TH/day; the tariff is 0.05 USD/kWh; `high` pays 0.90 USD/kWh.
    value = site.devices.mode_value
    assert value[0:3].tolist() == pytest.approx([0, 3.6 * 0.85, 10.2 * 0.85])
    assert value[3] == 0
    assert value[7] == pytest.approx(141 * 0.048 / 24 - 3.01 * 0.05)
    assert value[8:11].tolist() == pytest.approx([0, 92.8 * 0.002 - 0.07, 200 * 0.002 - 0.175])


def test_failsafe_is_a_setpoint_that_the_device_has(site):
    # gpu: off; lone: 1800 W allow its 1700 W preset; s21: a continuous range.
    assert site.devices.failsafe_w.tolist() == [150, 1700, 2000, 2000]
    assert (site.devices.failsafe_w >= site.devices.off_w).all()


def test_behaviour_of_the_models(site):
    assert site.devices.steady.tolist() == [False, True, True, True]
    assert site.devices.tolerance[2] == 0.05
    assert (site.devices.down_s[2], site.devices.up_s[2]) == (2.0, 5.0)
    assert site.devices.report_error[2] == 0.05


def test_times_and_wear_are_the_models_where_the_file_says_nothing(site):
    devices = site.devices  # gpu, an S19 XP, two S21
    assert devices.min_up_s.tolist() == [0, 120, 0, 0]
    assert devices.min_down_s.tolist() == [0, 30, 0, 0]
    assert devices.settle_s.tolist() == [0, 120, 0, 0]
    assert devices.protected.tolist() == [False] * 4
    # 5 and 2 minutes, and half a minute, of the revenue at full power.
    assert devices.start_cost.tolist() == pytest.approx(
        [10.2 * 0.9 / 12, *(th * 0.048 / 24 / 30 for th in (141, 200, 200))]
    )
    assert devices.change_cost.tolist() == pytest.approx([0, 141 * 0.048 / 24 / 120, 0, 0])


def test_times_and_costs_of_the_file_come_before_those_of_the_model(small, load_text):
    own = "min_up: 45 min, min_down: 1 h, settle: 0 s, start_cost: 0.50 USD, change_cost: 0 USD, protected: true"
    devices = compile_site(load_text(small.replace("{id: lone,", f"{{id: lone, {own},"))).devices
    found = (devices.min_up_s, devices.min_down_s, devices.settle_s, devices.start_cost, devices.change_cost)
    assert [column[1] for column in found] == [2700.0, 3600.0, 0.0, 0.5, 0.0]
    assert devices.protected.tolist() == [False, True, False, False]


def test_a_protected_device_that_restarts_for_a_lower_mode_runs_on_whatever_its_settle_time(small, load_text):
    own = "settle: 0 s, protected: true"
    site = compile_site(load_text(small.replace("{id: lone,", f"{{id: lone, {own},")))
    tables = make_tables(site)
    state = initial_state(site, 0.0)
    running = replace(state.leases, current_w=np.array([150.0, 3010.0, 25.0, 25.0]))
    assert kept_w(tables, running, state.minimum_times, 0.0).low_w[1] == 3010.0


@pytest.mark.parametrize("name", load_catalogue())
def test_the_core_and_the_catalogue_agree_on_what_a_change_is(name, small, load_text):
    model = load_catalogue()[name]
    entry = next(line for line in small.splitlines() if "{id: lone," in line)
    priority = "" if model.kind is DeviceKind.ASIC else ", priority: high"
    other = f"    - {{id: lone, model: {name}, agent: a-one, node: hall, failsafe: off{priority}}}"
    site = compile_site(load_text(small.replace(entry, other)))
    assert bool(site.devices.restarts[1]) == model.restarts_on_change
    assert bool(make_tables(site).in_place[1]) == model.in_place


def test_meters(site):
    assert site.meters.ids == ("hall-meter", "main")
    assert site.meters.node.tolist() == [2, 0]
    assert site.meters.rating_w.tolist() == [60e3, 120e3]
    assert site.meters.accuracy.tolist() == [0.01, 0.005]


def test_rules_and_their_defaults(site):
    rules = site.rules
    assert (rules.contract_w, rules.firm_w, rules.failsafe_w) == (100e3, 10e3, 40e3)
    assert (rules.ramp_up_w_s, rules.ramp_down_w_s, rules.emergency_ramp_w_s) == (2e3, pytest.approx(100e3), 30e3)
    assert (rules.lease_s, rules.settle_s) == (20.0, 15.0)
    assert (rules.surplus_model, rules.surplus_rating_w) == (SurplusModel.HEADROOM, 5e6)
    assert (rules.surplus_stale_s, rules.surplus_suspect_s, rules.skew_s) == (60.0, 6.0, 2.0)
    assert (rules.suspect_s, rules.bad_s, rules.init_s, rules.recover_s) == (3.0, 10.0, 10.0, 5.0)


def test_columns_have_one_entry_a_device(site):
    columns = ("node", "agent", "failsafe_w", "tolerance", "down_s", "up_s", "report_error", "steady")
    columns += ("min_up_s", "min_down_s", "settle_s", "start_cost", "change_cost", "protected", "restarts")
    assert {getattr(site.devices, name).shape for name in columns} == {(4,)}
    assert {column.dtype for column in (site.devices.mode_w, site.devices.mode_value)} == {np.dtype(np.float64)}
    assert site.devices.mode_w.flags.c_contiguous


@pytest.mark.parametrize("model", ["direct", "export"])
def test_without_headroom_nothing_is_rated(model, small, load_text):
    text = small.replace("model: headroom\n  rating: 5 MW", f"model: {model}")
    rules = compile_site(load_text(text)).rules
    assert (rules.surplus_model, rules.surplus_rating_w) == (SurplusModel[model.upper()], np.inf)


def test_ten_thousand_devices_fit_into_the_start(small, load_text):
    hundred = "".join(
        f"    - {{id: g{n:02d}, model: antminer-s19k-pro, count: 100, agent: agent-{n:02d}, node: annex}}\n"
        for n in range(100)
    )
    text = small.replace("  devices:", hundred + "  devices:").replace("100 kW", "50 MW").replace("120 kW", "60 MW")
    text = text.replace("failsafe: 40 kW", "failsafe: 300 kW").replace(
        "emergency_ramp: 30 kW/s", "emergency_ramp: 6 MW/s"
    )
    compile_site(load_text(small))
    began = time.thread_time()
    devices = compile_site(load_text(text)).devices
    took_s = time.thread_time() - began
    assert len(devices.ids) == 10_004
    assert devices.ids == tuple(sorted(devices.ids))
    assert took_s < 0.5  # 0.05 s of work; the start-up budget is 1 s


def test_loading_imports_nothing_slow():
    program = (
        "import sys, controller.site.load, controller.site.compile\n"
        "print(*{'numba', 'asyncua', 'pymodbus', 'fastapi', 'paho', 'uvicorn'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=DEADLINE_S
    )
    assert done.stdout.split() == []
