"""The stages of a step one by one: what each makes of its columns, by hand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from controller.core.allocation.tables import make_tables
from controller.core.allotting import _by_mode
from controller.core.fleet.leases import no_leases
from controller.core.fleet.power_cut import PowerCut
from controller.core.fleet.trouble import find_trouble, stuck_w
from controller.core.floor import NodeSums
from controller.core.limits.envelope import Envelope, Limit, StandingLimits, envelope
from controller.core.limits.usable import within_cut_w
from controller.core.modes import Mode
from controller.core.sensing import sense
from controller.core.sensing import stuck_w as stuck_as_sensed_w
from tests.controller.core.world import World, site

SITE = site(miners=2, stepped=1, gpus=1)
TABLES = make_tables(SITE)
DEVICES = SITE.devices
NOW_S = 1000.0
#: Devices of an agent that was heard, that run on what they were told long ago.
SETTLED = replace(
    no_leases(DEVICES, NOW_S - 60.0),
    known=np.ones(4, dtype=np.bool_),
    current_w=np.array([1400.0, 1400.0, 1080.0, 3600.0]),
    high_w=np.array([1500.0, 1500.0, 1100.0, 3700.0]),
    changed_s=np.full(4, NOW_S - 60.0),
    steady_s=np.full(4, NOW_S - 50.0),
)


RESTS = replace(
    SETTLED, waiting=replace(SETTLED.waiting, again_s=np.array([NOW_S + 9.0, NOW_S - 1.0, -np.inf, -np.inf]))
)


def snapshot(heard_ago=(0.0, 0.0), echo=(True, True)):
    taken = World(SITE, surplus_w=0.0).snapshot()
    fleet = replace(taken.fleet, heard_s=NOW_S - np.array(heard_ago), echo=np.array(echo))
    return replace(taken, now_s=NOW_S, fleet=fleet)


def upper(mode, leases=SETTLED, seen=None, elapsed_s=1.0) -> np.ndarray:
    asked = find_trouble(leases, DEVICES, seen or snapshot()).asked
    before = replace(World(SITE, surplus_w=0.0).state, now_s=NOW_S - elapsed_s)
    sensed = SimpleNamespace(mode=SimpleNamespace(mode=mode), leases=leases, trouble=SimpleNamespace(asked=asked))
    return _by_mode(SITE, before, sensed, DEVICES.max_w, NOW_S)[0]


def test_a_cut_is_larger_by_what_devices_draw_less_than_they_are_set_to():
    usable_w, current_w = np.array([90e3, 90e3, 50e3, 10e3]), np.array([100e3, 80e3, 50e3, 10e3])
    assert within_cut_w(usable_w, current_w, TABLES.tolerance) == pytest.approx([100e3 - 10e3 / 0.95, 90e3, 50e3, 10e3])


@pytest.mark.parametrize(
    ("why", "leases", "given", "stuck"),
    [
        ("what is led can be freed", SETTLED, {}, [False] * 4),
        ("an agent that is silent goes on", SETTLED, {"heard_ago": (0.0, 60.0)}, [False, False, True, True]),
        ("one whose clock is not known", SETTLED, {"echo": (False, True)}, [True, True, False, False]),
        (
            "what does not do as it was told",
            replace(SETTLED, steady_s=np.array([np.inf, NOW_S, NOW_S, NOW_S])),
            {},
            [True, False, False, False],
        ),
        ("one that is asked for no more for a while can be lowered all the same", RESTS, {}, [False] * 4),
        (
            "what was never heard of is part of what the meter shows",
            replace(SETTLED, known=np.array([True, True, False, False])),
            {"heard_ago": (0.0, np.inf)},
            [False] * 4,
        ),
    ],
)
def test_what_nobody_leads_goes_on_at_the_most_it_may_draw(why, leases, given, stuck):
    expected = np.where(stuck, leases.high_w, DEVICES.off_w)
    trouble = find_trouble(leases, DEVICES, snapshot(**given))
    assert stuck_w(leases, DEVICES, trouble).tolist() == expected.tolist(), why


def test_what_may_start_below_a_contactor_is_stuck_at_its_most_even_if_it_was_never_heard_of():
    world, nodes = World(SITE, surplus_w=0.0), np.zeros(4, dtype=np.bool_)
    sensed, starts = sense(SITE, world.state, world.snapshot(), NodeSums(SITE)), DEVICES.node == 2
    cut = PowerCut(
        held=starts, dark=~starts & starts, anything=starts, unfed=nodes, switching=nodes, fading=nodes, changing=nodes
    )
    assert stuck_as_sensed_w(SITE, sensed).tolist() == DEVICES.off_w.tolist()
    found = stuck_as_sensed_w(SITE, replace(sensed, cut=cut))
    assert found.tolist() == np.where(starts, DEVICES.max_w, DEVICES.off_w).tolist()


@pytest.mark.parametrize(
    ("why", "leases", "given", "raised"),
    [
        ("all is well", SETTLED, {}, [True] * 4),
        ("no lease can be given", SETTLED, {"echo": (True, False)}, [True, True, False, False]),
        ("not heard for too long", SETTLED, {"heard_ago": (6.0, 0.0)}, [False, False, True, True]),
        (
            "a setpoint that was not taken",
            replace(SETTLED, steady_s=np.array([NOW_S, np.inf, NOW_S, NOW_S])),
            {},
            [True, False, True, True],
        ),
        (
            "one that still has time to be taken",
            replace(SETTLED, steady_s=np.full(4, np.inf), changed_s=np.full(4, NOW_S - 1.0)),
            {},
            [True] * 4,
        ),
        ("one that has refused and is asked no more for a while", RESTS, {}, [False, True, True, True]),
    ],
)
def test_a_device_is_raised_where_it_is_in_contact_and_in_step(why, leases, given, raised):
    expected = np.where(raised, DEVICES.max_w, leases.current_w)
    assert upper(Mode.NORMAL, leases, snapshot(**given)).tolist() == expected.tolist(), why


@pytest.mark.parametrize("mode", [Mode.INIT, Mode.HOLD])
def test_in_doubt_nothing_is_set_above_what_it_runs_on(mode):
    assert np.array_equal(upper(mode), SETTLED.current_w)


def test_in_failsafe_devices_come_down_by_the_emergency_ramp():
    """A second of 10 kW: all that these devices draw above their failsafe watts."""
    assert np.array_equal(upper(Mode.FAILSAFE), DEVICES.failsafe_w)
    slower = upper(Mode.FAILSAFE, elapsed_s=0.1)
    assert slower.tolist() == [25.0, 1400.0, 1080.0, 3600.0]


UNLIMITED = StandingLimits(limit_w=np.full(4, np.inf), binding=("unlimited",) * 4)


def bounds(*limit_w) -> Envelope:
    limits = [Limit(node=n, limit_w=watts, name="x") for n, watts in enumerate(limit_w)]
    return envelope(UNLIMITED, limits, np.zeros(4), np.zeros(4))
