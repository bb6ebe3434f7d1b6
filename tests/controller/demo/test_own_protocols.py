"""A demo whose devices speak their own protocols: its fleet, its files, its processes."""

from __future__ import annotations

import argparse
import stat
from collections import Counter
from pathlib import Path

import pytest

from controller.agent.equipment import equipment_of
from controller.agent.load import load_agent
from controller.demo.main import add_arguments, run
from controller.demo.own_protocols import parse_fleet
from controller.demo.processes import processes_of
from controller.demo.setup import DemoOptions, DemoSetup, prepare
from controller.site.compile import compile_site
from controller.site.load import load
from drivers.devices.found import FoundSettings
from simulators.devices.served import SERVED
from simulators.world.site import read_site


@pytest.fixture
def setup(tmp_path: Path, site_text: str) -> DemoSetup:
    return prepare(tmp_path, site_text, DemoOptions(fleet=dict.fromkeys(SERVED, 20)))


def test_the_fleet_is_as_wished_and_the_site_is_accepted(setup: DemoSetup) -> None:
    site = load(setup.daemon_file)
    models = Counter(model for group in site.fleet.groups for model in [group.model] * group.count)
    assert models == Counter(model for served in SERVED.values() for model in [served.model] * 20)
    assert len(compile_site(site).devices.ids) == len(read_site(setup.site_file).devices) == 20 * len(SERVED)
    assert set(setup.agents) == {agent.id for agent in setup.own} == set(SERVED)


def test_a_fleet_that_is_too_large_for_one_node_stands_at_several(tmp_path: Path, site_text: str) -> None:
    setup = prepare(tmp_path, site_text, DemoOptions(fleet={"luxos": 150}))
    groups = load(setup.daemon_file).fleet.groups
    assert len({group.node for group in groups}) == len(groups) > 1
    assert sum(group.count for group in groups) == 150


def test_each_agent_has_a_file_that_is_accepted_and_all_that_it_names(setup: DemoSetup) -> None:
    for own in setup.own:
        file = load_agent(own.file)
        assert {device.family for device in file.devices} == {own.id}
        assert len({device.port for device in file.devices}) == 20
        equipment_of(file, FoundSettings(setup.folder / "none.json"))
        for login in {device.login for device in file.devices if device.login is not None}:
            assert stat.S_IMODE(login.stat().st_mode) == 0o600


def test_its_devices_are_served_by_the_world_and_led_by_processes_of_their_own(setup: DemoSetup) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    children = processes_of(setup, parser.parse_args([]), duration_s=60.0, orders=0, broker=True)
    by_name = {child.name: child._argv for child in children}
    assert "fleet" not in by_name
    assert by_name["agent-luxos"][1:] == [
        "-m",
        "controller.cli",
        "agent",
        "run",
        str(setup.folder / "luxos.agent.yaml"),
    ]
    served = [word for word in by_name["world"] if word.startswith("--serve=")]
    assert len(served) == 20 * len(SERVED)


@pytest.mark.parametrize("text", ["luxos", "luxos=0", "luxus=3", "luxos=1,luxos=2", "", "luxos=3 kW"])
def test_what_is_no_fleet_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="allowed is FAMILY=COUNT"):
        parse_fleet(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--relays=all"], "--relays: found with --fleet"),
        (["--fault=agent-clock-jumps:all@5s"], "--fault: found agent-clock-jumps with --fleet"),
    ],
)
def test_what_only_simulated_hardware_can_suffer_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args(["--for=60s", "--fleet=luxos=3", *words])) == 1
    assert said in capsys.readouterr().err
