from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drivers.errors import Refused
from drivers.fleet.catalogue import load_catalogue
from simulators.world.physics import Physics, WorldState
from simulators.world.site import WorldDevice, WorldSite

STEP_S = 0.1


def run(physics: Physics, seconds: float) -> None:
    for _ in range(round(seconds / physics.step_s)):
        physics.step()


def one(site: WorldSite, model: str, seed: int = 1) -> Physics:
    """A site with one device of a model, on node 0, without house load."""
    device = WorldDevice(id="it", model=load_catalogue()[model], node=0)
    return Physics(replace(site, devices=(device,), house_w=np.zeros(len(site.node_ids))), seed=seed, step_s=STEP_S)


def test_everything_starts_off_at_its_residual_watts(site: WorldSite) -> None:
    physics = Physics(site, seed=1)
    run(physics, 5.0)
    assert physics.draw_w == pytest.approx(physics.off_w)
    assert set(physics.states()) == {WorldState.OFF}


def test_a_meter_sees_what_hangs_below_it(site: WorldSite) -> None:
    physics = Physics(site, seed=1)
    physics.apply({device.id: device.model.max_w for device in site.devices})
    run(physics, 40.0)
    assert physics.node_w[0] == pytest.approx(physics.draw_w.sum() + physics.house_w.sum())
    for node in range(1, len(site.node_ids)):
        children = physics.node_w[site.parent == node].sum()
        here = physics.draw_w[physics.node == node].sum() + physics.house_w[node]
        assert physics.node_w[node] == pytest.approx(children + here)


def test_house_load_stays_below_what_is_declared(site: WorldSite) -> None:
    physics = Physics(site, seed=3)
    total = []
    for _ in range(6000):
        physics.step()
        total.append(physics.house_w.sum())
        assert np.all(physics.house_w <= site.house_w)
    assert 0.75 < np.mean(total) / site.house_w.sum() < 0.95
    assert np.std(total) > 0.0


@pytest.mark.parametrize("model", ["antminer-s21", "antminer-s19k-pro", "antminer-s19-xp", "whatsminer-m60s"])
def test_a_miner_draws_its_mode_within_tolerance_and_not_exactly(site: WorldSite, model: str) -> None:
    for seed in range(5):
        physics = one(site, model, seed)
        kind = physics.site.devices[0].model
        physics.apply({"it": kind.max_w})
        run(physics, kind.up_s + 1.0)
        error = physics.led_w[0] / kind.max_w - 1.0
        assert 0.0 < abs(error) <= kind.tolerance
        assert physics.states().tolist() == [WorldState.RUNNING]


def test_biases_differ_between_devices_and_share_a_part_within_a_model(site: WorldSite) -> None:
    physics = Physics(site, seed=1)
    physics.apply({device.id: device.model.max_w for device in site.devices})
    run(physics, 130.0)
    error = {}
    for i, device in enumerate(site.devices):
        error.setdefault(device.model.id, []).append(physics.led_w[i] / device.model.max_w - 1.0)
    assert np.std(error["antminer-s21"]) > 0.005
    assert abs(np.mean(error["antminer-s21"]) - np.mean(error["antminer-s19k-pro"])) > 0.002


def test_a_setpoint_between_modes_is_the_mode_below(site: WorldSite) -> None:
    physics = one(site, "antminer-s19-xp")
    physics.apply({"it": 2699.0})
    assert physics.setpoint_w.tolist() == [2200.0]
    physics.apply({"it": 1699.0})
    assert physics.setpoint_w.tolist() == [25.0]


@pytest.mark.parametrize(("model", "up_s", "down_s"), [("antminer-s21", 5.0, 2.0), ("antminer-s19k-pro", 10.0, 5.0)])
def test_ramps_are_lines_over_the_up_and_down_time(site: WorldSite, model: str, up_s: float, down_s: float) -> None:
    physics = one(site, model)
    top_w = physics.max_w[0]
    physics.apply({"it": 1e6})
    run(physics, up_s / 2.0)
    assert physics.led_w[0] == pytest.approx(top_w / 2.0, rel=0.05)
    assert physics.states().tolist() == [WorldState.STARTING]
    run(physics, up_s / 2.0 + 0.2)
    assert physics.led_w[0] == pytest.approx(top_w)
    physics.apply({"it": 0.0})
    run(physics, down_s / 2.0)
    assert physics.led_w[0] == pytest.approx(top_w / 2.0, rel=0.05)
    assert physics.states().tolist() == [WorldState.STOPPING]
    run(physics, down_s / 2.0 + 0.2)
    assert physics.led_w.tolist() == [physics.off_w[0]]
    assert physics.states().tolist() == [WorldState.OFF]


def test_repeating_a_setpoint_changes_nothing(site: WorldSite) -> None:
    physics = one(site, "antminer-s21")
    for _ in range(51):
        physics.apply({"it": 3500.0})
        run(physics, 0.1)
    assert physics.led_w[0] == pytest.approx(physics.max_w[0])


def test_a_restart_draws_little_until_it_comes_up_at_the_end(site: WorldSite) -> None:
    physics = one(site, "whatsminer-m60s")
    physics.apply({"it": 3441.0})
    run(physics, 90.0)
    assert physics.led_w[0] < 0.15 * physics.max_w[0]
    assert physics.states().tolist() == [WorldState.STARTING]
    physics.apply({"it": 3000.0})  # power percent while it boots: comes up at the new aim, not later
    run(physics, 30.2)
    assert physics.led_w[0] == pytest.approx(3000.0, rel=0.05)
    assert physics.states().tolist() == [WorldState.RUNNING]


def test_power_percent_moves_in_place_without_a_restart(site: WorldSite) -> None:
    physics = one(site, "whatsminer-m60s")
    physics.apply({"it": 3441.0})
    run(physics, 121.0)
    physics.apply({"it": 2500.0})
    lowest = np.inf
    for _ in range(60):
        physics.step()
        lowest = min(lowest, physics.led_w[0])
    assert lowest == pytest.approx(2500.0, rel=0.05)


def test_a_preset_change_restarts(site: WorldSite) -> None:
    physics = one(site, "antminer-s19-xp")
    physics.apply({"it": 3010.0})
    run(physics, 31.0)
    physics.apply({"it": 2700.0})
    run(physics, 10.0)
    assert physics.led_w[0] < 500.0
    run(physics, 21.0)
    assert physics.led_w[0] == pytest.approx(2700.0, rel=0.05)


def test_a_change_restarts_only_a_model_with_a_step_among_its_running_modes(site: WorldSite) -> None:
    model = load_catalogue()["antminer-s19-xp"]
    mixed = replace(model, modes=(*model.modes[:-1], replace(model.modes[-1], continuous=True)))
    device = WorldDevice(id="it", model=mixed, node=0)
    physics = Physics(replace(site, devices=(device,), house_w=np.zeros(len(site.node_ids))), seed=1, step_s=STEP_S)
    physics.apply({"it": 2700.0})
    run(physics, 31.0)
    physics.apply({"it": 1700.0})
    run(physics, 10.0)
    assert mixed.restarts_on_change
    assert physics.led_w[0] < 500.0


def test_a_lower_cap_takes_nothing_from_a_job_that_wants_less(site: WorldSite) -> None:
    free, capped = one(site, "hgx-h100", seed=5), one(site, "hgx-h100", seed=5)
    free.apply({"it": 10200.0})
    capped.apply({"it": 8000.0})
    run(free, 3.0)
    run(capped, 3.0)
    wanted_w, drawn_w = [], []
    for _ in range(1000):
        free.step()
        capped.step()
        wanted_w.append(free.draw_w[0])
        drawn_w.append(capped.draw_w[0])
    assert min(wanted_w) < 8000.0 < max(wanted_w)
    assert drawn_w == pytest.approx(np.minimum(wanted_w, 8000.0))


def test_a_gpu_setpoint_is_a_cap_that_jobs_fill_to_60_to_100_percent(site: WorldSite) -> None:
    physics = one(site, "hgx-h100", seed=5)
    physics.apply({"it": 10200.0})
    run(physics, 3.0)
    shares = []
    for _ in range(3000):
        physics.step()
        shares.append(physics.draw_w[0] / 10200.0)
    assert min(shares) >= 0.6
    assert max(shares) <= 1.0
    assert max(shares) - min(shares) > 0.2
    assert max(abs(np.diff(shares))) < 0.05


def test_what_devices_report_is_off_within_their_error(site: WorldSite) -> None:
    physics = Physics(site, seed=1)
    physics.apply({device.id: device.model.max_w for device in site.devices})
    run(physics, 130.0)
    reports = np.array([physics.reported_w() for _ in range(50)])
    error = reports.mean(axis=0) / physics.draw_w - 1.0
    bounds = np.array([device.model.estimate_error for device in site.devices])
    assert np.all(np.abs(error) <= bounds + 0.01)
    assert np.abs(error).max() > 0.03


def test_an_unknown_device_is_refused_and_nothing_changes(site: WorldSite) -> None:
    physics = Physics(site, seed=1)
    with pytest.raises(Refused, match="nobody"):
        physics.apply({"s21-a-001": 3500.0, "nobody": 1.0})
    assert physics.setpoint_w == pytest.approx(np.ceil(physics.off_w), abs=1.0)
    assert set(physics.states()) == {WorldState.OFF}


def test_what_a_device_could_draw_counts_from_its_up_time(site: WorldSite) -> None:
    physics = one(site, "antminer-s19k-pro")
    run(physics, 9.0)
    assert physics.able_w(0.0).tolist() == [25.0]
    run(physics, 1.5)
    assert physics.able_w(0.0) == pytest.approx(physics.max_w)


def test_the_same_seed_gives_the_same_trace_whoever_asks(site: WorldSite) -> None:
    def trace(seed: int, *, nosy: bool) -> list[float]:
        physics = Physics(site, seed=seed)
        watts = []
        for step in range(300):
            if step == 50:
                physics.apply({device.id: device.model.max_w for device in site.devices})
            physics.step()
            if nosy:
                physics.reported_w()
            watts.append(float(physics.node_w[0]))
        return watts

    assert trace(7, nosy=False) == trace(7, nosy=True)
    assert trace(7, nosy=False) != trace(8, nosy=False)
