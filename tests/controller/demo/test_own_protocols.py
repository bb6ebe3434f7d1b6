"""A demo whose devices speak their own protocols: its fleet, its files, its processes."""

from __future__ import annotations

import argparse
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from controller.agent.equipment import equipment_of
from controller.agent.load import load_agent
from controller.daemon.fleet.inventories import hold_against
from controller.demo.main import add_arguments, run
from controller.demo.own_protocols import MIXED, NONE_OWN, WantedFleet, parse_fleet, spoken, wanted_fleet
from controller.demo.processes import processes_of
from controller.demo.setup import DemoOptions, DemoSetup, prepare
from controller.site.compile import compile_site
from controller.site.devices import models_by_device
from controller.site.load import load
from drivers.devices.found import FoundSettings
from drivers.fleet.agent.inventory import inventory_of
from drivers.fleet.wire import Echo, Inventory, inventory_id
from simulators.devices.nvml_library import COMPILER, PLACE
from simulators.devices.served import EVERY_SERVED
from simulators.world.site import read_site

#: So many of each family, the GPUs only where their library can be built.
COUNTS = {family: 8 if family in {"nvml", "redfish"} else 5 for family in sorted(EVERY_SERVED)}
if COMPILER is None:
    del COUNTS["nvml"]


@pytest.fixture
def setup(tmp_path: Path, site_text: str) -> DemoSetup:
    return prepare(tmp_path, site_text, DemoOptions(fleet=WantedFleet(counts=COUNTS)))


def test_the_fleet_is_as_wished_and_the_site_is_accepted(setup: DemoSetup) -> None:
    site = load(setup.daemon_file)
    simulated = load(setup.site_file).fleet.groups
    models = Counter(model for group in simulated for model in [group.model] * group.count)
    wanted: Counter[str] = Counter()
    for family, count in COUNTS.items():
        wanted[EVERY_SERVED[family].model] += count
    assert models == wanted
    assert len(compile_site(site).devices.ids) == len(read_site(setup.site_file).devices) == sum(COUNTS.values())
    assert set(setup.agents) == {agent.id for agent in setup.own} == set(COUNTS)
    assert spoken(setup.own) == COUNTS


def test_a_fleet_that_is_too_large_for_one_node_stands_at_several(tmp_path: Path, site_text: str) -> None:
    setup = prepare(tmp_path, site_text, DemoOptions(fleet=WantedFleet(counts={"luxos": 150})))
    groups = load(setup.daemon_file).fleet.groups
    assert len({group.node for group in groups}) == len(groups) > 1
    assert sum(group.count for group in groups) == 150


def test_each_agent_has_a_file_that_is_accepted_and_all_that_it_names(setup: DemoSetup) -> None:
    for own in setup.own:
        file = load_agent(own.file)
        assert {device.family for device in file.devices} == {own.id}
        assert len({device.port or device.gpus for device in file.devices}) == COUNTS[own.id]
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
    assert len(served) == sum(COUNTS.values())
    if COMPILER is None:
        return
    gpus = {word.rpartition(":")[2] for word in served if "=nvml:" in word}
    assert len(gpus) == 1, "GPUs of one machine are behind one library"
    nvml = next(child for child in children if child.name == "agent-nvml")
    assert nvml._environment == {"LD_LIBRARY_PATH": str(setup.folder), PLACE: f"127.0.0.1:{gpus.pop()}"}


def test_by_default_four_protocols_are_spoken_and_the_site_stays_as_it_is_but_for_longer_times(
    tmp_path: Path, site_text: str
) -> None:
    setup = prepare(tmp_path, site_text, DemoOptions(fleet=MIXED))
    assert spoken(setup.own) == {"braiins": 46, "luxos": 10, "vnish": 40, "whatsminer-v3": 8}
    led, simulated = load(setup.daemon_file).fleet.groups, load(setup.site_file).fleet.groups
    assert simulated == load(prepare(tmp_path / "other", site_text, DemoOptions()).daemon_file).fleet.groups
    assert {mine.model: other.model for mine, other in zip(led, simulated, strict=True) if mine != other} == {
        "antminer-s19-xp-vnish": "antminer-s19-xp",
        "whatsminer-m60s-whatsminer-v3": "whatsminer-m60s",
    }
    for own in setup.own:
        equipment_of(load_agent(own.file), FoundSettings(setup.folder / "none.json"))


@pytest.mark.parametrize("counts", [None, *({family: 2} for family in EVERY_SERVED if family != "nvml")], ids=str)
def test_what_the_agents_say_of_their_devices_is_what_the_site_file_says(
    tmp_path: Path, site_text: str, counts: dict[str, int] | None
) -> None:
    """Else the demo is *normal, with warnings* for ever: some families take longer to tell a device than its model does."""
    setup = prepare(tmp_path, site_text, DemoOptions(fleet=MIXED if counts is None else WantedFleet(counts=counts)))
    file = load(setup.daemon_file)
    site, models = compile_site(file), models_by_device(file.fleet)
    assert setup.own
    for own in setup.own:
        devices = inventory_of(equipment_of(load_agent(own.file), FoundSettings(setup.folder / "none.json")).leased)
        inventory = Inventory(
            v=2, site=site.id, agent=own.id, key=own.id, echo=Echo(boot="b", boottime_ms=1),
            inventory=inventory_id(devices), devices=devices,
        )  # fmt: skip
        rows = np.flatnonzero(site.devices.agent == site.agents.index(own.id))
        assert hold_against(site, [models[id_] for id_ in site.devices.ids], rows, inventory).differences == ()


def test_relays_before_real_devices_are_coils_on_modbus(tmp_path: Path, site_text: str) -> None:
    def chosen(ids: Sequence[str]) -> Sequence[str]:
        return [id_ for id_ in ids if id_.endswith("001")]

    options = DemoOptions(fleet=WantedFleet(counts={"luxos": 2, "nvml": 1}), relays=chosen)
    setup = prepare(tmp_path, site_text, options)
    assert [relay.partition(":")[0] for relay in setup.relays] == ["luxos-1-001", "nvml-1-001"]
    file = load_agent(next(own.file for own in setup.own if own.id == "luxos"))
    assert [device.relay for device in file.devices] == ["k-luxos-1-001", None]
    assert {f"luxos-1-001:{relay.modbus.port}:1:{relay.modbus.coil}" for relay in file.relays if relay.modbus} <= set(
        setup.relays
    )
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    by_name = {
        child.name: child._argv
        for child in processes_of(setup, parser.parse_args(["--relays=2"]), duration_s=60.0, orders=0, broker=True)
    }
    assert [word for word in by_name["relays"] if word.startswith("--relay=")] == [
        f"--relay={one}" for one in setup.relays
    ]


def test_a_fault_that_only_simulated_agents_can_suffer_has_them_simulated_where_nothing_else_is_said() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert wanted_fleet(parser.parse_args([])) == MIXED
    assert wanted_fleet(parser.parse_args(["--fault=agent-clock-jumps:all@5s"])) == NONE_OWN
    assert wanted_fleet(parser.parse_args(["--fleet=simulated"])) == NONE_OWN


@pytest.mark.parametrize("text", ["luxos", "luxos=0", "luxus=3", "luxos=1,luxos=2", "", "luxos=3 kW"])
def test_what_is_no_fleet_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="allowed is simulated, or FAMILY=COUNT"):
        parse_fleet(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
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
