"""The rules of what follows a device, one test a rule.

`test_ladder.py` has those of how it is brought down, `test_follow_faults.py` all of them against all faults.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from drivers.fleet.agent.contact import FRESH_S
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.agent.evidence import GRACE_S
from drivers.fleet.agent.ladder import STRAYS_S
from drivers.fleet.agent.steps import Action, Do
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.wire import Activity, Follow, MeasuredBy, Proof
from tests.drivers.fleet.agent.followed import READ, S21, T0, Bench, proven, reading

GPU = load_catalogue()["hgx-h100"]


def test_the_road_of_a_lowering_to_its_proof() -> None:
    bench = proven()
    bench.grant(2000)
    assert bench.state is Follow.GRANTED
    assert bench.begin() == Action(do=Do.COMMAND, watts=2000, lowers=True)
    assert bench.state is Follow.COMMANDED
    bench.follower.answered(CommandOutcome.ACCEPTED, bench.now_s)
    assert bench.state is Follow.SETTLING
    bench.ask(reading(3400, 2000))
    assert (bench.state, bench.follower.proof(bench.now_s)) == (Follow.SETTLING, Proof.NONE)
    bench.wait(1).ask(reading(2000, 2000))
    assert (bench.state, bench.follower.proof(bench.now_s)) == (Follow.PROVEN, Proof.BOTH)
    assert bench.follower.applied_w == 2000


def test_a_start_reads_before_it_tells_and_does_not_tell_what_runs_already() -> None:
    bench = Bench(stored_w=2000)
    assert bench.follower.applied_w == S21.max_w, "nobody knows what it runs on"
    assert bench.ask(reading(2000, 2000)) == READ
    assert bench.state is Follow.PROVEN
    assert bench.next() is None


def test_a_start_with_a_device_that_is_silent_tells_it_once_at_once() -> None:
    bench = Bench(stored_w=0)
    bench.ask(None)
    assert bench.state is Follow.LOST
    assert bench.ask(CommandOutcome.UNKNOWN) == Action(do=Do.COMMAND, watts=25, lowers=True)
    for _ in range(20):
        assert bench.wait(6).ask(None) == READ


def test_after_an_unknown_outcome_it_reads_before_it_tells_again() -> None:
    bench = proven().grant(2000)
    bench.ask(CommandOutcome.UNKNOWN)
    assert (bench.state, bench.follower.applied_w, bench.follower.low_w) == (Follow.UNKNOWN, 3500, 2000)
    assert bench.ask(reading(3500, 3500)) == READ
    assert bench.ask(CommandOutcome.ACCEPTED) == Action(do=Do.COMMAND, watts=2000, lowers=True)


def test_after_an_unknown_outcome_a_lower_setpoint_does_not_wait_for_a_reading() -> None:
    bench = proven().grant(2000)
    bench.ask(CommandOutcome.UNKNOWN)
    bench.grant(1500)
    assert bench.next() == Action(do=Do.COMMAND, watts=1500, lowers=True)
    bench.grant(2500)
    assert bench.next() == READ


def test_an_unknown_outcome_that_has_arrived_is_not_told_again() -> None:
    bench = proven().grant(2000)
    bench.ask(CommandOutcome.UNKNOWN)
    bench.ask(reading(2000, 2000))
    assert bench.state is Follow.PROVEN
    assert bench.next() is None


def test_a_device_that_is_off_is_told_again_until_it_is_known_to_have_been_told() -> None:
    """It names no setpoint, so it could be off for a while only, and come back to what it ran on."""
    bench = Bench()
    bench.ask(reading(25))
    bench.grant(3500).ask(CommandOutcome.ACCEPTED)
    for _ in range(2):
        bench.wait(1).ask(reading(3500))
    bench.grant(0).ask(CommandOutcome.UNKNOWN)
    bench.ask(reading(25))
    assert (bench.state, bench.follower.applied_w) == (Follow.UNKNOWN, 3500)
    bench.wait(S21.down_s + 1)
    while (action := bench.begin()) == READ:
        bench.follower.read(reading(25), bench.now_s)
    assert action == Action(do=Do.COMMAND, watts=0, lowers=True)
    bench.follower.answered(CommandOutcome.ACCEPTED, bench.now_s)
    for _ in range(2):
        bench.wait(1).ask(reading(25))
    assert (bench.state, bench.follower.applied_w) == (Follow.PROVEN, 0)


@pytest.mark.parametrize("outcome", [CommandOutcome.UNKNOWN, CommandOutcome.REFUSED])
def test_a_device_that_is_off_and_never_says_yes_counts_as_stopped_in_the_end(outcome: CommandOutcome) -> None:
    bench = Bench()
    bench.ask(reading(25))
    bench.grant(3500).ask(CommandOutcome.ACCEPTED)
    bench.wait(1).ask(reading(3500))
    bench.grant(0)
    for _ in range(120):
        while (action := bench.next()) is not None:
            bench.ask(reading(25) if action == READ else outcome)
        bench.wait(0.5)
    assert (bench.state, bench.follower.applied_w) == (Follow.STOPPED, S21.off_w)


def test_a_device_that_names_no_setpoint_and_stays_off_is_told_again_to_run() -> None:
    """It said yes and did nothing; one that runs on less than it may is left alone, since telling it may restart it."""
    bench = Bench()
    bench.ask(reading(25))
    bench.grant(3500).ask(CommandOutcome.ACCEPTED)
    told_s, again_s = bench.now_s, []
    while bench.now_s < told_s + 1200:
        while (action := bench.next()) is not None:
            again_s += [] if action == READ else [bench.now_s - told_s]
            bench.ask(reading(25) if action == READ else CommandOutcome.ACCEPTED)
        bench.wait(1)
    assert again_s[0] > S21.up_s
    assert again_s[-1] - again_s[-2] >= 300, "ever more seldom"
    while (action := bench.next()) is None or action == READ:
        bench.wait(1)
        if action == READ:
            bench.ask(reading(25))
    bench.ask(CommandOutcome.ACCEPTED)
    for _ in range(1200):
        while (action := bench.next()) is not None:
            assert action == READ
            bench.ask(reading(2000))
        bench.wait(1)


def test_a_refusal_that_was_none_is_seen() -> None:
    bench = proven().grant(2000)
    bench.ask(CommandOutcome.REFUSED)
    assert bench.state is Follow.REFUSED
    bench.ask(reading(2000, 2000))
    assert bench.state is Follow.PROVEN


@pytest.mark.parametrize(
    ("by", "watts"),
    [(MeasuredBy.ESTIMATE, 2000.0), (MeasuredBy.NOTHING, None), (MeasuredBy.NOTHING, 2000.0), (MeasuredBy.PSU, None)],
)
def test_what_names_nothing_and_measures_nothing_is_never_proven(by: MeasuredBy, watts: float | None) -> None:
    bench = Bench(stored_w=2000)
    bench.ask(reading(watts, by=by))
    bench.ask(CommandOutcome.ACCEPTED)
    assert bench.state is Follow.SETTLING
    for _ in range(50):
        if bench.wait(0.5).next() is not None:
            assert bench.ask(reading(watts, by=by)) == READ
    assert (bench.state, bench.follower.proof(bench.now_s)) == (Follow.ACCEPTED, Proof.NONE)


def test_an_estimate_contradicts_what_is_named() -> None:
    bench = proven().grant(2000)
    bench.ask(CommandOutcome.ACCEPTED)
    for _ in range(20):
        action = bench.wait(0.5).next()
        if action == READ:
            bench.ask(reading(3500, 2000, by=MeasuredBy.ESTIMATE))
        elif action is not None:
            bench.ask(CommandOutcome.ACCEPTED)
        assert bench.state is not Follow.PROVEN
    assert bench.state is Follow.DEFIANT


def test_what_is_named_and_not_measured_is_proven_after_the_time_to_come_down() -> None:
    bench = proven().grant(2000)
    bench.ask(CommandOutcome.ACCEPTED)
    bench.ask(reading(None, 2000, by=MeasuredBy.NOTHING))
    assert bench.state is Follow.SETTLING
    bench.wait(S21.down_s + 1).ask(reading(None, 2000, by=MeasuredBy.NOTHING))
    assert (bench.state, bench.follower.proof(bench.now_s)) == (Follow.PROVEN, Proof.READ_BACK)


def test_what_says_that_it_is_on_its_way_is_proven_after_its_time_whatever_it_measures() -> None:
    """What measures the watts may be the device itself, and understate them."""
    bench = proven()
    bench.grant(25)
    assert bench.ask(CommandOutcome.ACCEPTED).lowers
    bench.ask(reading(25, 25, activity=Activity.STOPPING))
    assert bench.state is Follow.SETTLING
    bench.wait(S21.down_s).ask(reading(25, 25, activity=Activity.STOPPING))
    assert bench.state is Follow.SETTLING
    bench.wait(GRACE_S).ask(reading(25, 25, activity=Activity.STOPPING))
    assert bench.state is Follow.PROVEN


def test_watts_alone_prove_a_steady_device_at_the_second_reading_and_never_while_it_moves() -> None:
    bench = Bench(stored_w=2000)
    bench.ask(reading(2000))
    bench.ask(CommandOutcome.ACCEPTED)
    bench.ask(reading(2000, activity=Activity.STARTING))
    bench.wait(1).ask(reading(2000, activity=Activity.STARTING))
    bench.wait(1).ask(reading(2000))
    assert bench.state is Follow.SETTLING
    bench.wait(1).ask(reading(2000))
    assert (bench.state, bench.follower.proof(bench.now_s)) == (Follow.PROVEN, Proof.WATTS)


def test_a_draw_below_its_cap_proves_nothing_of_the_cap() -> None:
    bench = Bench(GPU, stored_w=8000)
    bench.ask(reading(6000))
    bench.ask(CommandOutcome.ACCEPTED)
    for _ in range(20):
        bench.wait(1).ask(reading(8000))
    assert bench.state is Follow.ACCEPTED
    bench.wait(1).ask(reading(6000, 8000))
    assert (bench.state, bench.follower.proof(bench.now_s)) == (Follow.PROVEN, Proof.READ_BACK)


def test_a_device_that_leaves_its_setpoint_has_drifted_and_is_told() -> None:
    bench = proven(2000)
    bench.wait(1).ask(reading(3500, 3500))
    assert (bench.state, bench.follower.applied_w) == (Follow.DRIFTED, 3500)
    assert bench.ask(CommandOutcome.ACCEPTED) == Action(do=Do.COMMAND, watts=2000, lowers=True)
    bench.ask(reading(2000, 2000))
    assert bench.state is Follow.PROVEN


def test_what_leaves_its_setpoint_again_and_again_is_moved_by_something_else_until_that_is_long_ago() -> None:
    bench = proven(2000)
    for moved in (False, True):
        bench.wait(1).ask(reading(3500, 3500))
        assert bench.follower.is_moved(bench.now_s) is moved
        bench.ask(CommandOutcome.ACCEPTED)
        bench.ask(reading(2000, 2000))
    assert bench.follower.is_moved(bench.now_s + STRAYS_S - 2)
    assert not bench.follower.is_moved(bench.now_s + STRAYS_S + 1)


def does(bench: Bench, action: Action, runs_w: int) -> int:
    """Return what a device runs on that does as it is told."""
    if action.do is Do.READ:
        bench.follower.read(reading(runs_w, names=runs_w), bench.now_s)
        return runs_w
    bench.follower.answered(CommandOutcome.ACCEPTED, bench.now_s)
    return action.watts


def test_a_device_that_does_as_it_is_told_and_goes_back_each_time_is_put_to_sleep_stopped_and_cut_off() -> None:
    bench, runs_w, told = Bench(stored_w=3500, relay=True), 3500, []
    bench.grant(1400)
    last_s = bench.now_s
    while not bench.follower.dark and bench.now_s < T0 + 200:
        while (action := bench.next()) is not None and not bench.follower.dark:
            bench.follower.began(action, bench.now_s)
            runs_w = does(bench, action, runs_w)
            if action.do is not Do.READ:
                told.append((action.do, action.watts))
                last_s = bench.now_s
        bench.wait(0.25)
        if bench.now_s >= last_s + 5.0:
            runs_w = 3500
    assert bench.follower.dark
    assert told == [(Do.COMMAND, 1400)] * 4 + [(Do.COMMAND, 25), (Do.STOP, 25)]


def test_one_reading_too_high_takes_the_proof_away_and_makes_no_command() -> None:
    bench = proven(2000)
    bench.wait(1).ask(reading(2500, 2000))
    assert bench.state is Follow.DRIFTED
    bench.wait(1).ask(reading(2000, 2000))
    assert bench.state is Follow.PROVEN
    for _ in range(2):
        bench.wait(1).ask(reading(2500, 2000))
    assert bench.next() == Action(do=Do.COMMAND, watts=2000, lowers=True)


def test_what_ended_its_silence_or_restarted_or_is_another_device_is_told_again() -> None:
    for change in ({"silence": True}, {"uptime_s": 3.0}, {"serial": "B"}):
        bench = Bench(stored_w=2000)
        bench.ask(reading(2000))
        bench.ask(CommandOutcome.ACCEPTED)
        for _ in range(3):
            bench.wait(1).ask(reading(2000))
        assert bench.state is Follow.PROVEN
        if change.pop("silence", False):
            bench.wait(1).ask(None)
            assert bench.state is Follow.LOST
        bench.wait(1).ask(reading(2000, **change))
        assert bench.follower.applied_w == S21.max_w
        assert bench.next() == Action(do=Do.COMMAND, watts=2000, lowers=True)


def test_a_raise_that_fails_is_told_ever_more_seldom_and_nothing_else_is_done() -> None:
    bench = proven(2000, relay=True).grant(3500)
    told = []
    for _ in range(4000):
        action = bench.wait(0.25).next()
        if action is None:
            continue
        if action.do is Do.READ:
            bench.ask(reading(2000, 2000))
        else:
            bench.ask(CommandOutcome.REFUSED)
            told.append((bench.now_s, action))
    assert {action for _, action in told} == {Action(do=Do.COMMAND, watts=3500)}
    gaps = [late[0] - early[0] for early, late in pairwise(told)]
    assert gaps == sorted(gaps)
    assert 9 < gaps[0] < 12
    assert len(told) < 10
    assert not bench.follower.dark


def test_what_was_read_long_ago_is_not_said_of_now() -> None:
    bench = proven()
    bench.wait(1).begin()  # and no answer
    assert bench.state is Follow.PROVEN
    assert bench.wait(FRESH_S).state is Follow.LOST


def test_an_agent_that_was_away_knows_nothing_until_it_has_read() -> None:
    bench = proven(2000, relay=True)
    bench.grant(0)
    bench.ask(CommandOutcome.ACCEPTED)
    bench.wait(3600)
    bench.follower.awoke(bench.now_s)
    assert bench.state is Follow.LOST
    assert bench.next() is not None
    assert not bench.follower.dark, "nobody has asked it yet"


def test_watts_that_are_missing_are_not_zero() -> None:
    bench = proven().grant(0)
    bench.ask(CommandOutcome.ACCEPTED)
    for watts in (None, float("nan")):
        bench.wait(2).ask(reading(watts))
        assert bench.follower.proof(bench.now_s) is Proof.NONE


def test_a_device_that_restarts_at_every_raise_is_raised_ever_more_seldom() -> None:
    bench = Bench(stored_w=2000)
    bench.ask(reading(2000))
    bench.ask(CommandOutcome.ACCEPTED)
    bench.grant(3500)
    uptime_s, told = 1e6, 0
    while bench.now_s < T0 + 600:
        action = bench.wait(0.25).next()
        if action is not None and action.do is not Do.READ and not action.lowers:
            bench.ask(CommandOutcome.ACCEPTED)
            told, uptime_s = told + 1, uptime_s - 1000
        elif action is not None:
            bench.ask(CommandOutcome.ACCEPTED if action.do is not Do.READ else reading(2000, 2000, uptime_s=uptime_s))
    assert 2 < told < 12


def test_a_command_under_way_may_be_in_force_already() -> None:
    bench = proven(2000).grant(3500)
    bench.begin()
    assert (bench.state, bench.follower.applied_w, bench.follower.low_w) == (Follow.COMMANDED, 3500, 2000)


def test_a_cap_that_comes_down_is_proven_after_its_time_whatever_is_drawn_now() -> None:
    bench = Bench(GPU, stored_w=10_000)
    bench.ask(reading(6000, 10_000))
    bench.grant(8000)
    bench.ask(CommandOutcome.ACCEPTED)
    bench.ask(reading(6000, 8000))
    assert bench.state is Follow.SETTLING
    bench.wait(GPU.down_s + 1).ask(reading(6000, 8000))
    assert bench.state is Follow.PROVEN


def test_watts_that_fit_do_not_make_a_refusal_a_proof() -> None:
    bench = Bench(stored_w=3500)
    bench.ask(reading(2000))
    bench.ask(CommandOutcome.ACCEPTED)
    bench.grant(2000)
    for _ in range(8):
        action = bench.wait(0.1).next()
        if action is not None:
            bench.ask(reading(2000) if action.do is Do.READ else CommandOutcome.REFUSED)
        assert bench.follower.proof(bench.now_s) is Proof.NONE


def test_what_a_device_names_never_raises_what_is_stored() -> None:
    bench = proven(2000)
    bench.wait(1).ask(reading(3500, 3500))
    assert (bench.follower.low_w, bench.follower.high_w) == (2000, 3500)
    bench.grant(25)
    bench.ask(CommandOutcome.ACCEPTED)
    bench.ask(reading(3500, 3500))
    assert bench.follower.low_w == 25
