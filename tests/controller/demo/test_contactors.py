"""The contactors of a demo: what the option means, and that daemon and simulators take the site that it makes."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.demo import main as demo
from controller.demo.contactors import AGENT, WantedContactor, parse_contactor
from controller.demo.processes import processes_of
from controller.demo.setup import DemoOptions, DemoSetup, prepare
from controller.site.compile import compile_site
from controller.site.load import load
from drivers.errors import ConfigError
from simulators.fleet.site import read_fleet
from simulators.substation.contactor_unit import parse_contactor as parse_wired
from simulators.world.site import read_site

Options = Callable[..., argparse.Namespace]

WANTED = ("pdu-b2", "feeder-b:agent", "pdu-a1:modbus")


@pytest.fixture
def cut_off(tmp_path: Path, site_text: str) -> DemoSetup:
    wanted = tuple(parse_contactor(text) for text in WANTED)
    return prepare(tmp_path, site_text, DemoOptions(contactors=wanted, trip_after_s=45.0))


@pytest.mark.parametrize(
    ("text", "node", "through_agent"), [("a", "a", False), ("a:modbus", "a", False), ("a:agent", "a", True)]
)
def test_what_the_option_means(text, node, through_agent):
    assert parse_contactor(text) == WantedContactor(node=node, through_agent=through_agent)


@pytest.mark.parametrize("text", ["", ":agent", "a:b", "a:modbus:1"])
def test_an_option_that_is_none(text):
    with pytest.raises(argparse.ArgumentTypeError, match="allowed is NODE, NODE:modbus or NODE:agent"):
        parse_contactor(text)


def test_a_node_that_is_none_is_refused(tmp_path, site_text):
    wanted = (parse_contactor("hall"),)
    with pytest.raises(ConfigError, match="found the node 'hall', allowed is one of pcc, tx1"):
        prepare(tmp_path, site_text, DemoOptions(contactors=wanted))


def test_the_daemon_accepts_the_site_and_each_node_has_a_meter_of_its_own(cut_off):
    site_file = load(cut_off.daemon_file)
    site = compile_site(site_file)
    nodes = [site.tree.ids[n] for n in site.contactors.node]
    assert sorted(nodes) == ["feeder-b", "pdu-a1", "pdu-b2"]
    assert set(site.contactors.trip_after_s.tolist()) == {45.0}
    assert {"pdu-b2", "feeder-b", "pdu-a1"} <= {meter.node for meter in site_file.meters}
    assert len(site_file.meters) == len(cut_off.meters) == 5, "only where there was none"
    ratings = {meter.node: meter.rating_w for meter in site_file.meters}
    assert (ratings["pdu-b2"], ratings["pdu-a1"]) == (120e3, 350e3)


def test_world_fleet_and_substation_have_the_same_contactors(cut_off):
    assert set(read_site(cut_off.site_file).contactors) == {"feeder-b", "pdu-a1", "pdu-b2"}
    fleet = read_fleet(cut_off.site_file)
    assert fleet.contactors == {"feeder-b-contactor": "feeder-b"}
    assert fleet.agents[AGENT]["feeder-b-contactor"].model.max_w == 400_000
    wired = {each.node: each for each in map(parse_wired, cut_off.contactors)}
    assert wired.keys() == {"pdu-b2", "pdu-a1"}
    for node in load(cut_off.daemon_file).nodes:
        if node.id in wired:
            coil, there = node.contactor.modbus, wired[node.id]
            assert (coil.port, coil.unit, coil.coil) == (int(there.port), there.unit, there.coil)
            assert (coil.position.input, coil.closed) == (there.position_input, "on")
            assert there.closed_on


def test_they_are_a_part_of_the_demo_and_their_agent_has_keys(cut_off, options):
    children = processes_of(cut_off, options(), duration_s=60.0, orders=0, broker=True)
    argv = {child.name: child._argv for child in children}
    assert [word for word in argv["contactors"] if word.startswith("--contactor=")] == [
        f"--contactor={each}" for each in cut_off.contactors
    ]
    assert argv["contactors"][:2] == [sys.executable, "-m"]
    assert f"--agent={AGENT}" in argv["fleet"]
    assert (cut_off.folder / "keys" / f"{AGENT}.key").exists()


def test_without_the_option_nothing_changes(setup, options):
    text = setup.site_file.read_text()
    assert "contactor" not in text
    assert "supply" not in text
    children = processes_of(setup, options(), duration_s=60.0, orders=0, broker=True)
    assert "contactors" not in [child.name for child in children]


def test_every_contactor_has_a_port_of_its_own(cut_off):
    ports = re.findall(r"port: (\d+)", cut_off.site_file.read_text())
    assert len(ports) == len(set(ports)) == 8, "five meters, two contactors and the broker"


def test_one_of_nowhere_and_a_vice_of_none_are_refused_before_anything_starts(
    options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("--contactor=nowhere",), ("--fault=contactor-welded@1s",)):
        assert demo.run(options("--for=3s", *words)) == 1
        captured = capsys.readouterr()
        assert "allowed is" in captured.err
        assert "starting" not in captured.out
