from __future__ import annotations

import math
from pathlib import Path

import pytest

from controller.site.load import load
from drivers.errors import ConfigError
from simulators.world.site import WorldSite, read_site
from tests.drivers.fleet.test_own_models import EXAMPLE, OWN
from tests.simulators.world.left_out import LEFT_OUT

REVERSED = """
site: small
grid: {contract: 1 MW, firm: 0 W, settle: 10 s, ramp_up: 20 kW/s}
nodes:
  - {id: feeder, parent: pcc, limit: 300 kW, house_load: 4 kW}
  - {id: pcc, house_load: 30 kW}
meters: [{node: pcc, class: 0.5 %}, {node: pcc, class: 2 %}]
surplus: {model: headroom, rating: 3 MW}
fleet:
  lease: 30 s
  groups: [{id: s21, model: antminer-s21, count: 2, node: feeder, agent: a}]
  devices: [{id: gpu, model: hgx-h100, node: pcc, agent: a}]
"""


def test_demo_site_has_200_miners_of_four_models_and_8_gpu_nodes(site: WorldSite) -> None:
    models = [device.model.id for device in site.devices]
    assert (len(models), models.count("hgx-h100"), len(set(models))) == (208, 8, 5)
    assert site.node_ids[0] == "pcc"


def test_parents_come_first_and_the_worst_meter_counts(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(REVERSED)
    site = read_site(path)
    assert site.node_ids == ("pcc", "feeder")
    assert site.parent.tolist() == [-1, 0]
    assert site.limit_w.tolist() == [math.inf, 300e3]
    assert site.house_w.tolist() == [30e3, 4e3]
    assert site.accuracy.tolist() == [0.02, 0.0]
    assert site.feeder_rating_w == 3e6
    assert [device.id for device in site.devices] == ["gpu", "s21-001", "s21-002"]
    assert site.fleet_w == 10_200 + 2 * 3_500


def test_the_models_of_the_site_s_own_are_simulated_too(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(EXAMPLE)
    path = tmp_path / "site.yaml"
    path.write_text(REVERSED.replace("model: antminer-s21", f"model: {OWN}") + "models: own.yaml\n")
    assert read_site(path).fleet_w == 10_200 + 2 * 2_192
    (tmp_path / "own.yaml").write_text("models: [")
    with pytest.raises(ConfigError, match=r"own\.yaml"):
        read_site(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("parent: pcc", "parent: nowhere"),
        ("1 MW", "1 lightyear"),
        ("antminer-s21", "abacus"),
        ("lease: 30 s", "lease: 30"),
        ("nodes:", "nodes: 1\nx:"),
    ],
)
def test_a_site_that_is_no_use_is_refused(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(REVERSED.replace(old, new))
    with pytest.raises(ConfigError):
        read_site(path)


def test_what_a_site_file_may_leave_out_is_as_the_daemon_has_it(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(LEFT_OUT)
    asked, site = load(path), read_site(path)
    assert (site.settle_s, site.lease_s) == (asked.grid.settle_s, asked.fleet.lease_s)
    assert site.frequency_hz == asked.grid.frequency_hz
