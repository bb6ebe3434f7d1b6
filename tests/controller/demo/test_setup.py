from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from controller.demo.setup import DemoOptions, Raw, prepare
from controller.site.compile import compile_site
from controller.site.load import load
from drivers.errors import ConfigError
from simulators.world.site import read_site


@pytest.mark.parametrize("model", [None, "direct", "export", "headroom"])
def test_the_daemon_accepts_the_site_and_the_world_reads_it(tmp_path: Path, site_text: str, model: str | None) -> None:
    setup = prepare(tmp_path, site_text, DemoOptions(model=model))
    site = load(setup.daemon_file)
    assert site.surplus.model == setup.model == (model or "direct")
    assert len(compile_site(site).devices.ids) == len(read_site(setup.site_file).devices) == 208
    variable = {"direct": "Surplus", "export": "Export", "headroom": "FeederLoad"}[setup.model]
    assert f"s=Grid.{variable}" in setup.daemon_file.read_text()


def test_every_address_is_on_the_loopback_and_on_a_port_of_its_own(tmp_path: Path, site_text: str) -> None:
    setup = prepare(tmp_path, site_text, DemoOptions())
    text = setup.site_file.read_text()
    hosts = re.findall(r"host: (\S+)|opc.tcp://([^:/]+)|listen: ([^:]+)", text)
    assert {host for found in hosts for host in found if host} == {"127.0.0.1"}
    ports = [setup.world[1], setup.broker[1], setup.http[1], int(setup.scada.split(":")[-1].strip("/"))]
    ports += [int(meter.split(":")[2]) for meter in setup.meters]
    assert len(set(ports)) == len(ports) == 7
    assert max(ports) < 32_768, "above, a connection may take it before the demo listens"


def test_meters_have_profiles_of_opposite_word_order(tmp_path: Path, site_text: str) -> None:
    profiles = {meter.split(":")[1] for meter in prepare(tmp_path, site_text, DemoOptions()).meters}
    assert {"schneider_pm5xxx", "carlo_gavazzi_em24"} <= profiles


def test_secrets_are_for_the_owner_alone_and_differ(tmp_path: Path, site_text: str) -> None:
    setup = prepare(tmp_path, site_text, DemoOptions())
    tokens = [setup.token_file(role) for role in ("viewer", "operator", "authority")]
    for path in [*tokens, *(tmp_path / "keys").glob("*.key")]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len({path.read_text() for path in tokens}) == 3
    assert (tmp_path / "keys" / "controller.key").exists()
    assert (tmp_path / "keys" / "hall-a1.pub").exists()


def test_wishes_are_granted(tmp_path: Path, site_text: str) -> None:
    setup = prepare(tmp_path, site_text, DemoOptions(broker=("127.0.0.1", 1883), protocol="5", http_port=18420))
    assert (setup.broker, setup.protocol, setup.url) == (("127.0.0.1", 1883), "5", "http://127.0.0.1:18420")
    assert load(setup.daemon_file).mqtt.protocol == "5"


def test_only_the_daemon_is_spoiled(tmp_path: Path, site_text: str) -> None:
    def flip(raw: Raw) -> None:
        raw["meters"][0]["modbus"]["sign"] = -1

    setup = prepare(tmp_path, site_text, DemoOptions(spoil=flip))
    assert "sign: -1" in setup.daemon_file.read_text()
    assert "sign: -1" not in setup.site_file.read_text()


@pytest.mark.parametrize("text", ["[", "site: x", "nodes: []"])
def test_a_site_that_no_demo_can_run_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="the demo cannot use this site"):
        prepare(tmp_path, text, DemoOptions())
