"""``surplusd what-if`` on the demo's site, and on top of what a real HTTP interface says of a site."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controller.cli import main
from controller.daemon.service import Health
from tests.controller.api.conftest import server_at
from tests.controller.north import make_decision

DEMO = Path("configs/demo.yaml")


@pytest.fixture
def verb(capsys):
    """Runs the verb, and returns its exit status and what it has said."""

    def run(*words: str):
        try:
            status = main(["what-if", *words])
        except SystemExit as ended:
            status = ended.code
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def test_it_shows_what_binds_and_what_each_device_would_do(verb):
    status, said = verb(str(DEMO), "--limit", "pcc=90 kW")
    first, *others = said.splitlines()
    assert status == 0
    assert first.startswith("demo: devices would draw ")
    assert "USD/h; nothing earns more than" in first
    assert any(line.startswith("pcc binds: 90.0 kW by what-if") and "the next kW would earn" in line for line in others)
    assert any(line.startswith("pcc, of its 90.0 kW: set, seen by no meter 9") for line in others)
    assert any(line.split()[0] == "gpu-001" and line.split()[2] == "W" for line in others)


def test_as_json_it_has_each_device_and_each_node_and_keeps_the_limit(verb):
    status, said = verb(str(DEMO), "--limit", "pcc=90 kW", "--limit", "feeder-b=30 kW", "--json")
    shown = json.loads(said)
    assert status == 0
    assert shown["nodes"]["pcc"]["limit_w"] == 90e3
    assert shown["nodes"]["pcc"]["limited_by"] == shown["nodes"]["feeder-b"]["limited_by"] == "what-if"
    assert sum(device["watts"] for device in shown["devices"].values()) == pytest.approx(
        shown["nodes"]["pcc"]["devices_w"]
    )
    assert shown["nodes"]["feeder-b"]["devices_w"] <= 30e3
    assert sum(shown["nodes"]["pcc"]["parts"].values()) == pytest.approx(90e3)
    assert shown["nodes"]["pdu-a1"]["parts"] is None
    assert shown["value_per_h"] <= shown["bound_per_h"] + 1e-9
    assert {device["mode"] for device in shown["devices"].values()} & {"off", "target-max", "target-min"}


CARRIES = "carries: {apparent_power: 500 kVA, power_factor: 0.95, imbalance: 10 %}"


@pytest.fixture
def carrying(tmp_path):
    """The demo's site, whose connection is rated in kVA."""
    (tmp_path / "site.yaml").write_text(DEMO.read_text().replace("- {id: pcc, ", f"- {{id: pcc, {CARRIES}, "))
    return str(tmp_path / "site.yaml")


def test_what_a_node_carries_counts_at_the_worst_that_is_declared(verb, carrying):
    _, said = verb(carrying, "--json")
    pcc = json.loads(said)["nodes"]["pcc"]
    assert pcc["limit_w"] == pytest.approx(500e3 * 0.95 / 1.1)
    assert (pcc["limited_by"], pcc["binds"]) == ("kva:pcc", True)


def test_a_limit_may_be_supposed_in_the_unit_that_the_node_carries(verb, carrying):
    _, said = verb(carrying, "--limit", "pcc=100 kVA", "--json")
    assert json.loads(said)["nodes"]["pcc"]["limit_w"] == pytest.approx(100e3 * 0.95 / 1.1)
    status, said = verb(carrying, "--limit", "pcc=100 A")
    assert (status, "does not say what pcc carries in A" in said) == (2, True)


def test_a_demand_counts_as_if_always_the_same_were_drawn(verb, tmp_path):
    demand = "  tariff: {tariff}\n  demand: {{window: 30 min, limit: 300 kW}}\n"
    lines = DEMO.read_text().splitlines(keepends=True)
    text = "".join(
        demand.format(tariff=line.split(": ")[1].strip()) if line.startswith("  tariff: ") else line for line in lines
    )
    (tmp_path / "site.yaml").write_text(text)
    _, said = verb(str(tmp_path / "site.yaml"), "--json")
    pcc = json.loads(said)["nodes"]["pcc"]
    assert pcc["limited_by"] == "demand"
    assert 290e3 <= pcc["limit_w"] < 300e3, "what the meter may err is kept free"


def test_check_says_what_a_node_may_draw_for_what_it_carries(carrying, capsys):
    assert main(["check", carrying]) == 0
    assert (
        "pcc may carry 500000 VA: 431.8 kW at the worst that is declared; it follows pcc-check, pcc-main"
        in capsys.readouterr().out
    )


def test_on_top_of_a_daemon_that_sees_nothing_now_nothing_is_supposed(verb, tmp_path):
    token = tmp_path / "viewer.token"
    token.write_text("viewer-secret")
    token.chmod(0o600)
    with server_at(tmp_path / "journal.db", health=Health(ok=False, tick_age_s=9.0)) as running:
        status, said = verb(str(DEMO), "--live", "--url", running.url, "--token-file", str(token))
    assert status == 1
    assert "sees nothing of the site now: the newest decision is 9 s old" in said


def test_a_dear_tariff_switches_the_miners_off(verb):
    _, cheap = verb(str(DEMO), "--json")
    _, dear = verb(str(DEMO), "--price", "tariff=0.60 USD/kWh", "--json")
    assert any(
        name.startswith("s21") and device["mode"] != "off" for name, device in json.loads(cheap)["devices"].items()
    )
    assert all(
        not name.startswith("s21") or device["mode"] == "off" for name, device in json.loads(dear)["devices"].items()
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--limit", "nowhere=3 kW"), "there is no node nowhere; there are pcc"),
        (("--limit", "pcc"), "found 'pcc', allowed is NAME=VALUE"),
        (("--limit", "pcc=-3 kW"), "pcc: found '-3 kW', allowed is 0 W or more"),
        (("--limit", "pcc=much"), "pcc: "),
        (("--price", "tariff=1 EUR/kWh"), "tariff is in EUR, the site file in USD"),
    ],
)
def test_what_cannot_be_supposed_is_a_wrong_command_line(verb, words, message):
    status, said = verb(str(DEMO), *words)
    assert status == 2
    assert message in said


@contextmanager
def daemon_of_the_demo(tmp_path, **decided):
    """Serves a site whose nodes and devices the demo's file does not have, but for those of its decision that are given."""
    with server_at(tmp_path / "journal.db") as running:
        running.world.decision = replace(make_decision(), **decided)
        (tmp_path / "viewer.token").write_text("viewer-secret\n")
        yield "--live", "--url", running.url, "--token-file", str(tmp_path / "viewer.token"), "--json"


def test_it_starts_from_the_envelope_and_the_house_load_that_the_daemon_sees(verb, tmp_path):
    limits, houses = np.array([70e3, 50e3]), np.array([9e3, 500.0])
    with daemon_of_the_demo(tmp_path, envelope_w=limits, binding=("surplus", "unlimited"), house_w=houses) as live:
        status, said = verb(str(DEMO), *live)
        pcc = json.loads(said)["nodes"]["pcc"]
        assert (status, pcc["limit_w"], pcc["limited_by"], pcc["house_w"]) == (0, 70e3, "surplus", 9e3)
        lower = json.loads(verb(str(DEMO), *live, "--limit", "pcc=40 kW")[1])["nodes"]["pcc"]
        assert (lower["limit_w"], lower["limited_by"]) == (40e3, "what-if")
        assert lower["devices_w"] <= 40e3 - 9e3
        same = json.loads(verb(str(DEMO), *live, "--limit", "pcc=90 kW")[1])["nodes"]["pcc"]
        assert same["limited_by"] == "surplus"
