"""A contactor must never cut off what has to see, decide or close it again."""

from __future__ import annotations

import re

import pytest

from controller.site.compile import compile_site, contactors_in_order

MODBUS = """\
    contactor:
      trip_after: 60 s
      modbus: {host: 10.0.0.9, coil: 12, closed: on, position: {input: 3}, fed_from: pcc}
"""
RELAY = """\
    contactor:
      trip_after: 60 s
      relay: {agent: a-two, device: hall-main}
"""
#: The settle time, 1.25 of the 5 s in which the slowest device below comes down, and 3.5 s to cut it off by its relay.
LEAST = "at least 24.75 s"
SUPPLY = "supply: {controller: pcc, broker: annex, agents: {a-two: annex}}\n"


@pytest.fixture
def cut(small):
    """The small site with a contactor at its hall, and one at the row below it, behind an agent."""
    text = small.replace(
        "  - {id: hall, parent: pcc, limit: 60 kW, house_load: 2 kW}\n",
        "  - id: hall\n    parent: pcc\n    limit: 60 kW\n    house_load: 2 kW\n" + MODBUS,
    )
    text = text.replace(
        "  - {id: row, parent: hall, limit: 50 kW}\n", "  - id: row\n    parent: hall\n    limit: 50 kW\n" + RELAY
    )
    text = text.replace("    node: hall\n", "    node: hall\n    fed_from: elsewhere\n")
    row_meter = "  - id: row-meter\n    node: row\n    fed_from: hall\n    rating: 60 kW\n    class: 1 %\n"
    row_meter += "    modbus: {host: 10.0.0.4, profile: schneider_pm5xxx}\n"
    return text.replace("surplus:\n", row_meter + "surplus:\n", 1) + SUPPLY


def test_a_sound_file_has_no_complaint_and_becomes_columns(cut, load_text):
    site_file = load_text(cut)
    site = compile_site(site_file)
    assert [site.tree.ids[n] for n in site.contactors.node] == ["hall", "row"]
    assert site.contactors.trip_after_s.tolist() == [60.0, 60.0]
    hall, row = contactors_in_order(site_file, site.tree)
    coil = hall.entry.modbus
    assert (coil.host, coil.port, coil.unit, coil.coil, coil.closed, coil.position.input, coil.timeout_s) == (
        "10.0.0.9", 502, 1, 12, "on", 3, 1.0,
    )  # fmt: skip
    assert (row.entry.relay.agent, row.entry.relay.device, row.closed_w) == ("a-two", "hall-main", 50_000)


def test_an_agent_with_nothing_but_a_contactor_is_one_of_the_site(cut, load_text):
    text = cut.replace("agent: a-two, device", "agent: a-main, device").replace("{a-two: annex}", "{a-main: annex}")
    assert compile_site(load_text(text)).agents == ("a-main", "a-one", "a-two")


def test_a_node_without_a_limit_is_closed_by_the_most_that_a_device_may_have(cut, load_text):
    site_file = load_text(cut.replace("    limit: 50 kW\n", ""))
    assert contactors_in_order(site_file, compile_site(site_file).tree)[1].closed_w == 10_000_000


#: What is changed, and the words of the one line that follows. § is where that points at.
BROKEN = {
    "feeds the controller": ("controller: pcc", "controller: hall", ["nodes[1].contactor", "the controller", "'hall'"]),
    "feeds the broker": ("broker: annex", "broker: hall", ["nodes[1].contactor", "the broker"]),
    "feeds its own meter": ("fed_from: elsewhere", "fed_from: hall", ["nodes[1].contactor", "own meter hall-meter"]),
    "feeds its own agent": ("{a-two: annex}", "{a-two: row}", ["nodes[3].contactor", "its own agent a-two"]),
    "feeds its own device": ("fed_from: pcc}", "fed_from: hall}", ["nodes[1].contactor", "device that switches it"]),
    "no supply": (SUPPLY, "", ["supply", "a contactor at 'hall'"]),
    "no supply of its agent": ("{a-two: annex}", "{a-one: annex}", ["supply.agents", "'a-two'", "'row'"]),
    "no supply of its meter": ("    fed_from: elsewhere\n", "", ["meters[1]", "no fed_from", "'hall'"]),
    "fed from nowhere": ("broker: annex", "broker: §anex", ["supply.broker", "annex (did you mean that?)"]),
    "the supply of no agent": (
        "{a-two: annex}",
        "{a-two: annex, a-tow: §pcc}",
        ["supply.agents.a-tow", "a-two (did you mean that?)"],
    ),
    "no meter": (
        "    node: row\n    fed_from: hall\n",
        "    node: hall\n    fed_from: pcc\n",
        ["nodes[3].contactor", "'row', which has no meter"],
    ),
    "too soon": (
        "trip_after: 60 s\n      modbus",
        "trip_after: §18 s\n      modbus",
        ["nodes[1].contactor.trip_after", LEAST, "slowest device"],
    ),
    "both ways": (
        "      relay: {agent: a-two, device: hall-main}\n",
        "      relay: {agent: a-two, device: hall-main}\n      modbus: {host: x, coil: 1, closed: off, fed_from: pcc}\n",
        ["nodes[3].contactor", "both modbus and relay", "exactly one"],
    ),
    "neither way": (
        "      relay: {agent: a-two, device: hall-main}\n",
        "",
        ["nodes[3].contactor", "neither modbus nor relay", "exactly one"],
    ),
    "a device of the fleet": (
        "device: hall-main",
        "device: §s21-001",
        ["nodes[3].contactor.relay.device", "device of the fleet"],
    ),
    "a state of the coil": ("closed: on", "closed: §true", ["nodes[1].contactor.modbus.closed", '"on" or "off"']),
    "rtu": ("host: 10.0.0.9", "transport: §rtu, host: 10.0.0.9", ["contactor.modbus.transport", '"tcp"']),
}


@pytest.mark.parametrize("name", BROKEN)
def test_one_mistake_is_one_line_with_its_place(name, cut, complaints):
    old, new, words = BROKEN[name]
    assert cut.count(old) == 1, "the row must change one place"
    marked = cut.replace(old, new)
    lines = complaints(marked.replace("§", ""))
    assert len(lines) == 1, lines
    place, _, text = lines[0].partition(": ")
    if "§" in marked:
        before = marked[: marked.index("§")]
        assert place == f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    assert re.fullmatch(r"[\w.\[\]-]+: found .+; allowed is .+", text)
    for word in words:
        assert word in text


def test_what_is_fed_from_below_is_cut_off_by_every_contactor_above_it(cut, complaints):
    lines = complaints(cut.replace("controller: pcc", "controller: row"))
    assert [re.findall(r"nodes\[\d\]", line) for line in lines] == [["nodes[1]"], ["nodes[3]"]]


def test_a_contactor_of_the_whole_site_needs_everything_elsewhere(cut, load_text, complaints):
    text = cut.replace("  - {id: pcc, house_load: 3 kW}\n", "  - id: pcc\n    house_load: 3 kW\n" + MODBUS)
    text = text.replace("coil: 12", "coil: 1", 1).replace("    node: pcc\n", "    node: pcc\n    fed_from: elsewhere\n")
    assert len(complaints(text)) == 3, "controller, broker and its own device"
    text = text.replace("{controller: pcc, broker: annex", "{controller: elsewhere, broker: elsewhere")
    site = compile_site(load_text(text.replace("fed_from: pcc}", "fed_from: elsewhere}")))
    assert site.contactors.node.tolist()[0] == 0


def test_two_nodes_do_not_share_a_contactor(cut, complaints):
    text = cut.replace(RELAY, MODBUS)
    assert [line for line in complaints(text) if "the same contactor as nodes[1].contactor" in line]


def test_no_node_is_called_elsewhere(cut, complaints):
    text = cut.replace("id: annex", "id: elsewhere").replace("annex", "elsewhere")
    assert [line for line in complaints(text) if "nodes[2].id" in line and "another name" in line]
