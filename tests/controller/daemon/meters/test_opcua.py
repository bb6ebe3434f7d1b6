"""From the site file's OPC UA sources to drivers."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.core.site import SURPLUS
from controller.daemon.meters.drivers import drivers
from controller.site.load import load
from drivers.errors import ConfigError

DEMO = Path(__file__).parents[4] / "configs/demo.yaml"
METER = """  - id: scada-a
    node: pcc
    rating: 1.2 MW
    class: 0.5 %
    opcua: {endpoint: "opc.tcp://127.0.0.1:14840/", node: /nsu=urn:x;Meter, security: none}
  - id: scada-b
    node: pcc
    rating: 1.2 MW
    class: 0.5 %
    opcua: {endpoint: "opc.tcp://127.0.0.1:14840/", node: NODE, security: none, username: u, password_file: password}

surplus:
"""


def site_file(folder: Path, node: str = "/nsu=urn:x;Other"):
    (folder / "password").write_text("secret\n")
    (folder / "site.yaml").write_text(DEMO.read_text().replace("\nsurplus:\n", METER.replace("NODE", node)))
    return load(folder / "site.yaml")


def made(file, only=None):
    """Return what runs each driver of a site file, by the driver's name."""
    return {driver.name: driver.run for driver in drivers(file, lambda _: None, only)}


def test_sources_of_one_server_share_a_driver_and_those_with_another_login_do_not(tmp_path):
    assert {f"scada-a, {SURPLUS}", "scada-b"} <= set(made(site_file(tmp_path)))


def test_one_source_alone_has_a_driver_of_its_own(tmp_path):
    assert set(made(site_file(tmp_path), SURPLUS)) == {SURPLUS}


def test_a_node_that_is_none_is_a_config_error_before_anything_starts(tmp_path):
    with pytest.raises(ConfigError, match=r"scada-b\.node: found 'Meter'"):
        drivers(site_file(tmp_path, "Meter"), lambda _: None)


def test_the_site_s_own_doubt_is_what_slow_servers_are_measured_by(tmp_path):
    watch = made(site_file(tmp_path))[f"scada-a, {SURPLUS}"]
    doubts_s = {point.id: point.suspect_after_s for point in watch.args[1]}
    assert doubts_s == {"scada-a": 3.0, SURPLUS: 6.0}


@pytest.mark.parametrize(("suspect_after", "heartbeat_s"), [("10 s", 1.0), ("3 s", 1.0), ("2700 ms", 0.9)])
def test_a_value_that_stands_still_is_read_before_it_is_suspect(tmp_path, suspect_after, heartbeat_s):
    site_file(tmp_path)
    path = tmp_path / "site.yaml"
    path.write_text(path.read_text() + f"control: {{suspect_after: {suspect_after}, bad_after: 20 s}}\n")
    watch = made(load(path))[f"scada-a, {SURPLUS}"]
    assert watch.args[0].heartbeat_s == pytest.approx(min(heartbeat_s, 2.0))
