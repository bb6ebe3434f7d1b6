from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from controller.demo.setup import Raw, Wishes, prepare
from controller.site.compile import compile_site
from controller.site.load import load
from drivers.errors import ConfigError
from simulators.world.site import read_site


@pytest.mark.parametrize("model", [None, "direct", "export", "headroom"])
def test_the_daemon_accepts_the_site_and_the_world_reads_it(tmp_path: Path, site_text: str, model: str | None) -> None:
    ground = prepare(tmp_path, site_text, Wishes(model=model))
    site = load(ground.daemon_file)
    assert site.surplus.model == ground.model == (model or "direct")
    assert len(compile_site(site).devices.ids) == len(read_site(ground.site_file).devices) == 208
    variable = {"direct": "Surplus", "export": "Export", "headroom": "FeederLoad"}[ground.model]
    assert f"s=Grid.{variable}" in ground.daemon_file.read_text()


def test_every_address_is_on_the_loopback_and_on_a_port_of_its_own(tmp_path: Path, site_text: str) -> None:
    ground = prepare(tmp_path, site_text, Wishes())
    text = ground.site_file.read_text()
    hosts = re.findall(r"host: (\S+)|opc.tcp://([^:/]+)|listen: ([^:]+)", text)
    assert {host for found in hosts for host in found if host} == {"127.0.0.1"}
    ports = [ground.world[1], ground.broker[1], ground.http[1], int(ground.scada.split(":")[-1].strip("/"))]
    ports += [int(meter.split(":")[2]) for meter in ground.meters]
    assert len(set(ports)) == len(ports) == 7


def test_meters_have_profiles_of_opposite_word_order(tmp_path: Path, site_text: str) -> None:
    profiles = {meter.split(":")[1] for meter in prepare(tmp_path, site_text, Wishes()).meters}
    assert {"schneider_pm5xxx", "carlo_gavazzi_em24"} <= profiles


def test_secrets_are_for_the_owner_alone_and_differ(tmp_path: Path, site_text: str) -> None:
    ground = prepare(tmp_path, site_text, Wishes())
    tokens = [ground.token_file(role) for role in ("viewer", "operator", "authority")]
    for path in [*tokens, *(tmp_path / "keys").glob("*.key")]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len({path.read_text() for path in tokens}) == 3
    assert (tmp_path / "keys" / "controller.key").exists()
    assert (tmp_path / "keys" / "hall-a1.pub").exists()


def test_wishes_are_granted(tmp_path: Path, site_text: str) -> None:
    ground = prepare(tmp_path, site_text, Wishes(broker=("127.0.0.1", 1883), protocol="5", http_port=18420))
    assert (ground.broker, ground.protocol, ground.url) == (("127.0.0.1", 1883), "5", "http://127.0.0.1:18420")
    assert load(ground.daemon_file).mqtt.protocol == "5"


def test_only_the_daemon_is_spoiled(tmp_path: Path, site_text: str) -> None:
    def flip(raw: Raw) -> None:
        raw["meters"][0]["modbus"]["sign"] = -1

    ground = prepare(tmp_path, site_text, Wishes(spoil=flip))
    assert "sign: -1" in ground.daemon_file.read_text()
    assert "sign: -1" not in ground.site_file.read_text()


@pytest.mark.parametrize("text", ["[", "site: x", "nodes: []"])
def test_a_site_that_no_demo_can_run_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="the demo cannot use this site"):
        prepare(tmp_path, text, Wishes())
