"""What is said of agents and devices that cannot be led, and when that keeps the site from being raised."""

from dataclasses import replace

import numpy as np
import pytest

from controller.core.fleet.leases import no_leases, observe
from controller.core.fleet.trouble import Trouble, find_trouble, told_of
from controller.core.reasons import Code
from tests.controller.core.world import GPU, MINER, World, devices, settled, site

A, B = 2, 3
#: The first agent has a miner below each feeder and one more, the second a rack.
SITE = replace(
    site(),
    devices=devices(
        [
            {"modes": MINER, "node": A, "agent": 0},
            {"modes": MINER, "node": B, "agent": 0},
            {"modes": MINER, "node": B, "agent": 0},
            {"modes": GPU, "node": B, "agent": 1},
        ]
    ),
)
LEASES = no_leases(SITE.devices, 0.0)


def trouble(**columns) -> Trouble:
    agents, nobody = np.zeros(2), np.zeros(4, dtype=np.bool_)
    fine = Trouble(
        silent_s=agents,
        deaf_s=agents,
        silent=nobody,
        lost=nobody,
        defiant=nobody,
        reluctant=nobody,
        led=~nobody,
        asked=~nobody,
    )
    return replace(fine, **{name: np.array(values) for name, values in columns.items()})


def said(found: Trouble, *unshown: int):
    nodes = np.zeros(4, dtype=np.bool_)
    nodes[list(unshown)] = True
    return told_of(found, SITE, LEASES, nodes)


@pytest.mark.parametrize(
    ("given", "code", "agent", "count", "most_w"),
    [
        ({"silent_s": [9.0, 0.0], "silent": [True] * 3 + [False]}, Code.AGENT_SILENT, "agent-a", 3, 10_500.0),
        ({"silent_s": [0.0, 9.0], "silent": [False] * 3 + [True]}, Code.AGENT_SILENT, "agent-b", 1, 10_200.0),
        ({"deaf_s": [0.0, 20.0]}, Code.AGENT_DEAF, "agent-b", 1, 10_200.0),
        ({"lost": [True, True, False, False]}, Code.DEVICE_LOST, "agent-a", 2, 7_000.0),
    ],
)
def test_what_is_said_of_an_agent_counts_its_own_devices_and_their_watts(given, code, agent, count, most_w):
    (reason,), _ = said(trouble(**given))
    assert (reason.code, reason.subject) == (code, agent)
    assert (reason.parameters["count"], reason.parameters["most_w"]) == (count, most_w)


@pytest.mark.parametrize(("unshown", "holds"), [(A, True), (B, False), (0, True)])
def test_only_what_is_in_trouble_itself_below_a_node_that_nobody_sees_inside_keeps_the_site_down(unshown, holds):
    """The lost miner is below the one feeder; of its agent's others, below the other one, there is nothing to say."""
    warnings, doubts = said(trouble(lost=[True, False, False, False]), unshown)
    assert doubts.doubts == (warnings if holds else ())
    assert not doubts.lost


def test_of_those_that_do_not_come_up_each_agent_counts_its_own_and_the_watts_that_are_missing():
    asked_w = np.array([1400.0, 3500.0, 3500.0, 10_000.0])
    waiting = replace(LEASES.waiting, wanted_w=asked_w)
    leases = replace(LEASES, waiting=waiting, applied_w=np.array([25.0, 1400.0, 25.0, 10_200.0]))
    reluctant = trouble(reluctant=[True, True, False, True])
    warnings, _ = told_of(reluctant, SITE, leases, np.zeros(4, dtype=np.bool_))
    assert [(each.code, each.subject, dict(each.parameters)) for each in warnings] == [
        (Code.DEVICE_RELUCTANT, "agent-a", {"count": 2, "missing_w": 3475.0}),
        (Code.DEVICE_RELUCTANT, "agent-b", {"count": 1, "missing_w": 0.0}),
    ]


def test_a_fleet_that_does_as_it_is_told_is_no_trouble():
    world = settled(40, site(), surplus_w=90e3)
    found = find_trouble(world.state.leases, world.site.devices, world.snapshot(), world.site.rules.lease_s)
    assert not found.any
    assert found.led.all()


def test_an_agent_that_comes_back_is_not_called_deaf_for_what_it_did_not_take_while_it_was_away():
    """Its first report comes before it can have taken anything; a lease's half after that it is deaf if it has not."""
    lease_s, heard_s = 30.0, np.array([0.0, 0.0])
    leases, confirmed_s = LEASES, np.array([0.0, 0.0])
    deaf_s, seen = {}, World(SITE, surplus_w=0.0).snapshot()
    for now_s in np.arange(0.5, 60.0, 0.5).tolist():
        heard_s = np.where([now_s <= 2.0 or now_s >= 22.0, True], now_s, heard_s)
        confirmed_s = np.where([False, True], now_s, confirmed_s)
        fleet = replace(seen.fleet, heard_s=heard_s, confirmed_s=confirmed_s)
        snapshot = replace(seen, now_s=now_s, fleet=fleet)
        leases = observe(leases, SITE.devices, snapshot)
        deaf_s[now_s] = find_trouble(leases, SITE.devices, snapshot, lease_s).deaf_s.tolist()
    assert all(deaf == [0.0, 0.0] for now_s, deaf in deaf_s.items() if now_s <= 37.0)
    assert deaf_s[37.5] == [15.5, 0.0]
