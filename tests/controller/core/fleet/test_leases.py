"""What the controller takes its devices to be drawing, against devices that may be told, may fall and may be silent."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.fleet.leases import (
    CONTACT_S,
    Leases,
    committed_w,
    defiant,
    first_heard_w,
    in_contact,
    in_step,
    least_w,
    link_doubts,
    lost,
    observe,
    send,
    unheard_w,
)
from controller.core.reasons import Code
from controller.core.snapshot import FleetColumns, Followed, Measurer, Snapshot
from controller.core.state import initial_state
from tests.controller.core.world import GPU, MINER, World, devices, site, tree
from tests.examples import examples

SITE = replace(
    site(),
    tree=tree(("pcc", -1, float("inf"), 0.0)),
    devices=devices(
        [{"modes": MINER, "down": 2.0, "up": 4.0}, {"modes": GPU, "down": 1.0, "up": 1.0, "steady": False}]
    ),
    agents=("agent-a",),
)
DEVICES = SITE.devices
#: What the leases do not look at stays as it is: to make a world for every look would take longer than all looks.
NOTHING_ELSE = World(SITE, surplus_w=0.0).snapshot()
FULL = np.array([3500.0, 10200.0])
HALF = np.array([1750.0, 5100.0])
OFF = DEVICES.off_w
#: By then a device has come down: down_s and a quarter more, and a meter has shown it.
DOWN_S = 1.25 * DEVICES.down_s.max() + 1.5
UP_S = 1.25 * DEVICES.up_s.max() + 1.5


def seen(
    now_s, applied_w, *, confirmed_s=-np.inf, heard_s=None, echo=True, measured_w=None, follow=Followed.PROVEN
) -> Snapshot:
    """Return a snapshot in which the one agent reported `applied_w`, and both devices `follow` it or each its own way."""
    heard_s = now_s if heard_s is None else heard_s
    columns = FleetColumns(
        heard_s=np.array([heard_s]),
        echo=np.array([echo]),
        confirmed_s=np.array([confirmed_s]),
        applied_w=np.array(applied_w, dtype=np.float64),
        measured_w=np.array(applied_w if measured_w is None else measured_w, dtype=np.float64),
        measured_by=np.full(2, Measurer.PSU, dtype=np.int8),
        follow=np.broadcast_to(np.array(follow, dtype=np.int8), 2),
        rests=np.zeros(2, dtype=np.bool_),
        max_w=DEVICES.max_w,
        down_seen_s=DEVICES.down_seen_s,
        up_seen_s=DEVICES.up_seen_s,
    )
    return replace(NOTHING_ELSE, now_s=now_s, fleet=columns)


def unknown() -> Leases:
    return initial_state(SITE, 0.0).leases


def settled(watts, at_s=100.0) -> Leases:
    """Return what is known of devices that have run on `watts` for long, by this controller's word."""
    leases = observe(unknown(), DEVICES, seen(0.0, watts))
    leases = send(leases, np.array(watts), 0.0)
    for now_s in (1.0, 2.0, 50.0, at_s):
        leases = observe(leases, DEVICES, seen(now_s, watts, confirmed_s=0.0))
    assert np.array_equal(leases.low_w, watts)
    assert np.array_equal(leases.high_w, watts)
    return leases


def test_what_was_never_heard_counts_as_off_and_its_nameplate_as_unheard():
    leases = observe(unknown(), DEVICES, seen(1.0, FULL, heard_s=-np.inf, echo=False))
    assert not leases.known.any()
    assert np.array_equal(leases.current_w, DEVICES.failsafe_w)
    assert np.array_equal(unheard_w(leases, DEVICES), DEVICES.max_w - OFF)
    assert np.array_equal(committed_w(leases, DEVICES), OFF)


def test_first_report_tells_what_runs():
    leases = observe(unknown(), DEVICES, seen(1.0, HALF))
    assert np.array_equal(leases.current_w, HALF)
    assert np.array_equal(leases.high_w, HALF)
    assert not unheard_w(leases, DEVICES).any()


def test_a_raise_commits_at_once_with_its_tolerance():
    leases = send(settled(HALF), FULL, 100.0)
    assert np.array_equal(leases.high_w, FULL)
    assert np.array_equal(leases.low_w, HALF)
    # Of a cap what is surely drawn of it has been seen.
    seen_w = HALF * np.where(DEVICES.steady, 1.0, 1.0 - DEVICES.report_error)
    assert committed_w(leases, DEVICES) == pytest.approx(FULL + 0.05 * (FULL - seen_w))


def test_a_cut_frees_nothing_before_it_is_confirmed_and_settled():
    leases = send(settled(FULL), HALF, 100.0)
    for now_s in np.arange(100.5, 140.0, 0.5):
        leases = observe(leases, DEVICES, seen(now_s, FULL))
        assert np.array_equal(leases.high_w, FULL), "the agent has not said that it took it"
    leases = observe(leases, DEVICES, seen(140.0, HALF, confirmed_s=100.0))
    assert np.array_equal(leases.high_w, FULL), "it takes its time to come down"
    leases = observe(leases, DEVICES, seen(140.0 + DOWN_S - 0.1, HALF, confirmed_s=100.0))
    assert leases.high_w[0] == FULL[0]
    leases = observe(leases, DEVICES, seen(140.0 + DOWN_S, HALF, confirmed_s=100.0))
    assert np.array_equal(leases.high_w, HALF)


def test_a_cut_frees_nothing_before_the_longer_time_of_site_file_and_agent_is_over():
    slow_s = 1.25 * 20.0 + 1.5
    leases = send(settled(FULL), HALF, 100.0)
    for now_s in (101.0, 101.0 + DOWN_S, 101.0 + slow_s - 0.1, 101.0 + slow_s):
        assert np.array_equal(leases.high_w, FULL), now_s
        told = seen(now_s, HALF, confirmed_s=100.0)
        slow = replace(told.fleet, down_seen_s=np.full(2, slow_s))
        leases = observe(leases, DEVICES, replace(told, fleet=slow))
    assert np.array_equal(leases.high_w, HALF)


def test_an_old_acknowledgement_does_not_confirm_a_newer_cut():
    leases = send(settled(FULL), HALF, 100.0)
    for now_s in np.arange(100.5, 120.0, 0.5):
        leases = observe(leases, DEVICES, seen(now_s, HALF, confirmed_s=99.9))
    assert np.array_equal(leases.high_w, FULL)


def test_a_device_that_comes_up_is_counted_on_only_when_it_has_come_up():
    leases = send(settled(HALF), FULL, 100.0)
    leases = observe(leases, DEVICES, seen(101.0, FULL, confirmed_s=100.0))
    assert np.array_equal(leases.low_w, HALF)
    leases = observe(leases, DEVICES, seen(101.0 + UP_S, FULL, confirmed_s=100.0))
    assert np.array_equal(leases.low_w, FULL)


def test_an_agent_out_of_contact_is_not_counted_on_but_still_counts_as_committed():
    leases = observe(settled(FULL), DEVICES, seen(100.0 + CONTACT_S + 0.1, FULL, heard_s=100.0, confirmed_s=0.0))
    assert np.array_equal(leases.low_w, OFF)
    assert np.all(committed_w(leases, DEVICES) >= FULL)


@pytest.mark.parametrize(
    ("why", "heard_s", "echo", "reachable"),
    [
        ("heard now", 50.0, True, True),
        ("heard of late", 50.0 - CONTACT_S, True, True),
        ("silent for longer", 50.0 - CONTACT_S - 0.1, True, False),
        ("its clock is forgotten", 50.0, False, False),
        ("never heard", -np.inf, True, False),
    ],
)
def test_contact(why, heard_s, echo, reachable):
    assert in_contact(DEVICES, seen(50.0, FULL, heard_s=heard_s, echo=echo)).tolist() == [reachable] * 2, why


def test_a_device_that_does_not_take_its_setpoint_is_out_of_step_after_a_while():
    leases = send(settled(HALF), FULL, 100.0)
    leases = observe(leases, DEVICES, seen(103.9, HALF, confirmed_s=0.0))
    assert in_step(leases, 103.9).all()
    assert np.array_equal(leases.current_w, FULL)
    leases = observe(leases, DEVICES, seen(104.0, HALF, confirmed_s=0.0))
    assert not in_step(leases, 104.0).any()
    assert np.array_equal(leases.current_w, HALF), "it runs on what it reports"
    assert np.array_equal(leases.high_w, FULL), "and may still take it"


def test_a_lapse_is_seen_in_the_report():
    leases = observe(settled(FULL), DEVICES, seen(101.0, DEVICES.failsafe_w, confirmed_s=0.0))
    assert np.array_equal(leases.current_w, DEVICES.failsafe_w)
    assert np.array_equal(leases.low_w, DEVICES.failsafe_w)
    assert np.array_equal(leases.high_w, FULL), "it is on its way down"


def test_raising_a_lapsed_device_to_its_former_setpoint_commits_it_until_the_agent_has_spoken():
    """The agent's old acknowledgement is of the same watts, but not of this raise."""
    leases = settled(FULL)
    for now_s in np.arange(101.0, 120.0, 0.5):
        leases = observe(leases, DEVICES, seen(now_s, OFF, confirmed_s=0.0))
    assert np.array_equal(leases.high_w, OFF)
    leases = send(leases, FULL, 120.0)
    assert np.array_equal(leases.high_w, FULL)
    leases = observe(leases, DEVICES, seen(120.5, OFF, confirmed_s=0.0))
    assert np.array_equal(leases.high_w, FULL), "the statement is on its way"
    leases = send(leases, OFF, 121.0)
    leases = observe(leases, DEVICES, seen(121.5, OFF, confirmed_s=0.0))
    assert np.array_equal(leases.high_w, FULL), "and so is the one that takes it back"


def test_what_was_never_led_is_lowered_by_being_told_its_failsafe_watts():
    """That is what it was taken to be set to before it was heard of; told so, it is on its way down, whatever it has reported."""
    leases = observe(unknown(), DEVICES, seen(1.0, FULL))
    leases = send(leases, DEVICES.failsafe_w, 1.0)
    leases = observe(leases, DEVICES, seen(1.1, FULL))
    assert np.array_equal(leases.current_w, DEVICES.failsafe_w)
    assert np.array_equal(leases.high_w, FULL)


def test_a_repeated_setpoint_changes_nothing():
    leases = settled(HALF)
    again = send(leases, HALF, 200.0)
    for name in leases.__slots__:
        assert np.array_equal(getattr(again, name), getattr(leases, name)), name


def test_a_cap_that_is_not_used_is_no_draw():
    leases = settled(FULL)
    least = least_w(leases, DEVICES, np.array([100.0, 6000.0]))
    assert least[0] == FULL[0], "a miner's own word is off by its estimate error; its setpoint is not"
    assert least[1] == pytest.approx(6000.0 * (1 - DEVICES.report_error[1]))
    assert least_w(leases, DEVICES, np.array([0.0, -500.0]))[1] == 0.0


class Fleet:
    """Devices that draw what they were told; statements and reports may be lost or late, in order as MQTT has them."""

    def __init__(self, watts) -> None:
        self.applied_w, self.draw_w = np.array(watts), np.array(watts)
        self.decided_s, self.reported = 0.0, (0.0, np.array(watts), 0.0)
        self.flying: list[tuple[float, np.ndarray]] = []

    def pass_time(self, seconds: float) -> None:
        pace_w = (DEVICES.max_w - OFF) * seconds
        self.draw_w = np.clip(
            self.applied_w, self.draw_w - pace_w / DEVICES.down_s, self.draw_w + pace_w / DEVICES.up_s
        )


story = st.lists(
    st.tuples(
        st.sampled_from([OFF, HALF, FULL, np.array([25.0, 10200.0]), np.array([3500.0, 150.0])]),
        st.sampled_from(["", "", "", "set lost", "set late", "report lost", "lapse"]),
        st.integers(1, 12),
    ),
    max_size=12,
)


@given(story)
@settings(max_examples=examples(100))
def test_i7_committed_power_is_never_less_than_what_devices_may_draw(legs):
    """However statements and reports are lost, what is committed covers every device's setpoint and draw."""
    fleet, leases, now_s = Fleet(HALF), settled(HALF, at_s=99.0), 100.0
    for wanted_w, fault, ticks in legs:
        for tick in range(ticks):
            now_s += 0.5
            if fault == "lapse" and tick == 0:
                fleet.applied_w = np.minimum(fleet.applied_w, DEVICES.failsafe_w)
            if fault != "report lost":
                fleet.reported = (now_s, fleet.applied_w.copy(), fleet.decided_s)
            heard_s, applied_w, confirmed_s = fleet.reported
            leases = observe(leases, DEVICES, seen(now_s, applied_w, heard_s=heard_s, confirmed_s=confirmed_s))
            leases = send(leases, wanted_w, now_s)
            if fault != "set lost":
                fleet.flying.append((now_s, wanted_w))
            if fault != "set late":
                for decided_s, arrived_w in fleet.flying:
                    fleet.decided_s, fleet.applied_w = decided_s, arrived_w
                fleet.flying.clear()
            fleet.pass_time(0.5)
            most_w = np.maximum.reduce([fleet.applied_w, fleet.draw_w, *(w for _, w in fleet.flying)])
            assert np.all(committed_w(leases, DEVICES) >= most_w - 1e-6), (now_s, leases)


def test_a_link_that_is_down_is_a_doubt_and_after_a_lease_a_loss():
    rules = SITE.rules
    fine = link_doubts("pcc", rules, float("inf"), 100.0)
    assert (fine.doubts, fine.lost) == ((), ())
    down = link_doubts("pcc", rules, 100.0, 100.0)
    assert ([reason.code for reason in down.doubts], down.lost) == ([Code.LINK_DOWN], ())
    lasting = link_doubts("pcc", rules, 100.0, 100.0 + rules.lease_s)
    assert lasting.lost == ()
    lost = link_doubts("pcc", rules, 100.0, 100.5 + rules.lease_s)
    assert [reason.code for reason in lost.lost] == [Code.LINK_LOST]
    assert {reason.subject for reason in (*lost.doubts, *lost.lost)} == {"pcc"}


@pytest.mark.parametrize(
    ("why", "follow", "freed"),
    [
        ("both have proven it", [Followed.PROVEN, Followed.PROVEN], [True, True]),
        ("a dead one keeps no other from it", [Followed.LOST, Followed.PROVEN], [False, True]),
        ("an acknowledgement is not a proof", [Followed.ACCEPTED, Followed.PROVEN], [False, True]),
        ("one that was only commanded", [Followed.COMMANDED, Followed.GRANTED], [False, False]),
        ("one that refused, one of which nothing is known", [Followed.REFUSED, Followed.UNKNOWN], [False, False]),
        ("one that is on its way, one that does not obey", [Followed.SETTLING, Followed.DEFIANT], [False, False]),
        ("one that was brought down by other means", [Followed.PROVEN, Followed.STOPPED], [True, True]),
    ],
)
def test_power_is_freed_by_proof_device_by_device(why, follow, freed):
    leases = send(settled(FULL), HALF, 100.0)
    for now_s in np.arange(100.5, 130.0, 0.5):
        leases = observe(leases, DEVICES, seen(now_s, HALF, confirmed_s=100.0, measured_w=[np.nan] * 2, follow=follow))
    expected = np.where(freed, HALF, np.where(np.array(follow) == Followed.DEFIANT, DEVICES.max_w, FULL))
    assert leases.high_w.tolist() == expected.tolist(), why


@pytest.mark.parametrize(
    ("why", "follow", "measured_w", "high_w"),
    [
        ("it does what it says", Followed.PROVEN, [1800.0, 5000.0], HALF),
        ("it jumped up, by any measurement", Followed.PROVEN, [2800.0, 5000.0], [2800.0, 5100.0]),
        ("nonsense counts up to the signed maximum", Followed.SETTLING, [1e9, 5000.0], [3500.0, 5100.0]),
        ("one that drifted counts as measured", Followed.DRIFTED, [1800.0, 5000.0], [1800.0, 5100.0]),
        ("and as its signed maximum where nothing is", Followed.DEFIANT, [np.nan, np.nan], FULL),
        ("nothing measured is no jump", Followed.PROVEN, [np.nan, np.nan], HALF),
    ],
)
def test_what_a_device_may_draw_goes_up_with_what_is_measured(why, follow, measured_w, high_w):
    leases = observe(settled(HALF), DEVICES, seen(101.0, HALF, confirmed_s=0.0, measured_w=measured_w, follow=follow))
    assert leases.high_w.tolist() == list(high_w), why


@pytest.mark.parametrize(
    ("why", "told", "named"),
    [
        ("its agent says so", {"follow": Followed.DEFIANT, "measured_w": HALF}, True),
        ("no proof came, and it draws more", {"follow": Followed.SETTLING, "measured_w": FULL}, True),
        ("no proof came, and nothing is measured", {"follow": Followed.ACCEPTED, "measured_w": [np.nan] * 2}, True),
        ("no proof came, but what is measured fits", {"follow": Followed.SETTLING, "measured_w": HALF}, False),
        ("it does not answer: nothing is known", {"follow": Followed.LOST, "measured_w": [np.nan] * 2}, False),
        ("it is proven", {"follow": Followed.PROVEN, "measured_w": HALF}, False),
        ("its agent is silent", {"follow": Followed.DEFIANT, "measured_w": FULL, "heard_s": 101.0}, False),
    ],
)
def test_a_device_is_defiant_by_its_agents_word_or_when_no_proof_comes_in_time(why, told, named):
    leases = send(settled(FULL), HALF, 100.0)
    for now_s in np.arange(100.5, 112.0, 0.5):
        snapshot = seen(now_s, HALF, confirmed_s=100.0, **told)
        leases = observe(leases, DEVICES, snapshot)
        if now_s < 104.0 and told["follow"] is not Followed.DEFIANT:
            assert not defiant(leases, DEVICES, snapshot).any(), "it still has time"
    assert defiant(leases, DEVICES, snapshot).tolist() == [named] * 2, why


def test_a_device_that_does_not_answer_is_lost_while_its_agent_is_there():
    assert lost(DEVICES, seen(50.0, FULL, follow=[Followed.LOST, Followed.PROVEN])).tolist() == [True, False]
    assert lost(DEVICES, seen(50.0, FULL, follow=Followed.LOST, heard_s=44.0)).tolist() == [False, False]


@pytest.mark.parametrize(
    ("said", "watts"),
    [
        ({}, [3500.0, 0.92 * 5100.0]),
        ({"measured_w": [3300.0, 9000.0]}, [3300.0, 0.92 * 9000.0]),
        ({"measured_w": [np.nan, np.nan]}, [3500.0, 0.0]),
        ({"follow": Followed.SETTLING}, [0.92 * 3500.0, 0.92 * 5100.0]),
        ({"follow": Followed.SETTLING, "measured_w": [np.nan, -1.0]}, [0.0, 0.0]),
        ({"heard_s": -np.inf}, [0.0, 0.0]),
    ],
)
def test_what_is_heard_of_for_the_first_time_surely_draws_what_it_has_proven_or_what_is_measured(said, watts):
    """And never more than counts as its own from now on."""
    before, snapshot = unknown(), seen(100.0, [3500.0, 5100.0], **said)
    leases = observe(before, DEVICES, snapshot)
    surely_w = first_heard_w(before, leases, DEVICES, snapshot.fleet)
    assert surely_w == pytest.approx(np.maximum(np.array(watts) - OFF, 0.0))
    assert np.all(surely_w <= committed_w(leases, DEVICES) - committed_w(before, DEVICES))
    without_power = replace(leases, high_w=np.zeros(2))
    for now, then in ((without_power, before), (observe(leases, DEVICES, snapshot), leases)):
        assert not np.any(first_heard_w(then, now, DEVICES, snapshot.fleet) * leases.known)
