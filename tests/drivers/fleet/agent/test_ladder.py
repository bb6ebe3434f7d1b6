"""How one device is brought down, one test a rule: what is told when, and when it is cut off."""

from __future__ import annotations

from itertools import pairwise

import pytest

from drivers.fleet.agent.contact import HURRIED_S
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.agent.ladder import AGAIN_S, REST_MOST_S, REST_S, Ladder
from drivers.fleet.agent.steps import Action, Do, Rung
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.wire import Follow, MeasuredBy, Proof
from tests.drivers.fleet.agent.followed import READ, S21, T0, Bench, proven, reading

S19K = load_catalogue()["antminer-s19k-pro"]
STEADY = [model for model in load_catalogue().values() if model.steady]


def escalate(bench: Bench, *, stops: Do | None = None, seconds: float = 30.0) -> list[tuple[float, Do, int]]:
    """Have a device that is told to go off accept everything and do nothing; return what it was told, and when."""
    told, down, began_s = [], False, bench.now_s
    while bench.now_s < began_s + seconds and not bench.follower.dark:
        action = bench.wait(0.25).next()
        if action is None:
            continue
        if action.do is Do.READ:
            bench.ask(reading(25 if down else 3500, 25 if down else 3500))
        else:
            bench.ask(CommandOutcome.ACCEPTED)
            down = down or action.do is stops
            told.append((bench.now_s - began_s, action.do, action.watts))
    return told


def test_a_lowering_that_fails_is_told_once_more_then_come_sleep_stop_and_relay() -> None:
    bench = proven(relay=True).grant(2000)
    told = escalate(bench)
    assert [entry[1:] for entry in told] == [
        (Do.COMMAND, 2000),
        (Do.COMMAND, 2000),
        (Do.COMMAND, 25),
        (Do.STOP, 25),
    ]
    assert told[1][0] > S21.down_s, "it has had its time"
    assert bench.follower.dark
    assert bench.now_s - T0 < S21.down_s + 5.0
    assert bench.state is Follow.DEFIANT


def brought_down(
    bench: Bench, watts_after, *, named_after=lambda _s: None, until_s: float | None = None
) -> list[Action]:
    """Switch a device off that says yes and draws so many watts then (W after s); return what it was told."""
    told, began_s, end_s = [], bench.now_s, until_s or bench.model.down_s + 5.0
    bench.grant(bench.model.off_w)
    while bench.now_s < began_s + end_s and not bench.follower.dark:
        while (action := bench.next()) is not None:
            after_s = bench.now_s - began_s
            if action == READ:
                bench.ask(reading(watts_after(after_s), named_after(after_s), by=MeasuredBy.PDU))
            else:
                told.append(action)
                bench.ask(CommandOutcome.ACCEPTED)
        bench.wait(0.125)
    return told


def down_from(model, dead_share: float):
    """Return watts after so many s: nothing happens for that share of the model's time, then they go down in a line."""
    from_w, dead_s = model.max_w, dead_share * model.down_s
    way_s = model.down_s - dead_s

    def watts(after_s: float) -> float:
        share = min(1.0, max(0.0, after_s - dead_s) / way_s)
        return from_w + (model.off_w - from_w) * share

    return watts


@pytest.mark.parametrize("dead_share", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("model", STEADY, ids=lambda model: model.id)
def test_a_device_that_begins_to_come_down_before_half_of_its_time_is_told_once(model, dead_share: float) -> None:
    bench = proven(model.max_w, model=model, relay=True)
    assert len(brought_down(bench, down_from(model, dead_share))) == 1
    assert bench.state is Follow.PROVEN


@pytest.mark.parametrize("model", STEADY, ids=lambda model: model.id)
def test_a_device_that_is_slow_to_begin_is_told_again_and_never_cut_off(model) -> None:
    bench = proven(model.max_w, model=model, relay=True)
    told = brought_down(bench, down_from(model, 0.55))
    assert {action.do for action in told} == {Do.COMMAND}
    assert len(told) <= 2
    assert not bench.follower.dark


@pytest.mark.parametrize("factor", [1.0, 1.25], ids=["stands", "rises"])
@pytest.mark.parametrize("model", STEADY, ids=lambda model: model.id)
def test_a_device_whose_watts_do_not_begin_to_fall_is_stopped_while_a_stop_still_has_its_time(model, factor) -> None:
    bench = proven(model.max_w, model=model)
    told = brought_down(bench, lambda after_s: model.max_w * (factor if after_s else 1.0), until_s=4.75)
    # Quick ones have had their time by then, and it begins again.
    assert [action.do for action in told[:4]] == [Do.COMMAND, Do.COMMAND, Do.COMMAND, Do.STOP]


def test_a_device_that_says_it_runs_on_something_else_is_not_waited_for_though_its_watts_fall() -> None:
    half_w = S19K.at_most(S19K.max_w / 2)
    bench = proven(S19K.max_w, model=S19K)
    way = down_from(S19K, 0.0)
    told = brought_down(bench, lambda s: max(half_w, way(s)), named_after=lambda _s: half_w, until_s=4.75)
    assert [action.do for action in told][-1] is Do.STOP


def test_a_device_that_still_names_what_it_ran_on_and_comes_down_is_given_its_time() -> None:
    bench = proven(S19K.max_w, model=S19K)
    told = brought_down(bench, down_from(S19K, 0.0), named_after=lambda s: S19K.max_w if s < 4.5 else S19K.off_w)
    assert len(told) == 1


def test_the_relay_cuts_only_when_the_device_has_had_its_time() -> None:
    bench = proven(S19K.max_w, model=S19K, relay=True)
    began_s = bench.now_s
    brought_down(bench, lambda _s: S19K.max_w)
    assert bench.follower.dark
    assert S19K.down_s <= bench.now_s - began_s <= S19K.down_s + 1.5


def test_without_a_relay_the_escalation_goes_on_without_end_and_ever_more_slowly() -> None:
    bench = proven().grant(0)
    told = escalate(bench, seconds=600)
    assert {do for _, do, _ in told} == {Do.COMMAND, Do.STOP}
    gaps = [late[0] - early[0] for early, late in pairwise(told)]
    assert 20 < max(gaps) <= 62
    assert told[-1][0] > 500


def test_what_had_to_be_stopped_rests_and_is_woken_by_a_grant_above_off_alone() -> None:
    bench = proven().grant(2000)
    escalate(bench, stops=Do.STOP)
    assert (bench.state, bench.follower.applied_w, bench.follower.low_w) == (Follow.STOPPED, 25, 25)
    bench.wait(0.5).grant(3500)
    assert bench.next() in {None, READ}
    assert bench.state is Follow.STOPPED
    bench.ask(reading(25, 25)) if bench.next() else None
    bench.wait(REST_S).ask(reading(25, 25))
    assert bench.ask(CommandOutcome.ACCEPTED) == Action(do=Do.COMMAND, watts=3500)
    bench.ask(reading(3500, 3500))
    assert bench.state is Follow.PROVEN


def stopped_again(bench: Bench) -> float:
    """Have a device that runs on 3500 W ignore a lowering until it is stopped, and run again; return how long it rested then."""
    bench.grant(2000)
    escalate(bench, stops=Do.STOP, seconds=S21.down_s + 5.0)
    assert bench.state is Follow.STOPPED
    stopped_s = bench.now_s
    bench.grant(3500)
    while bench.state is Follow.STOPPED:
        bench.ask(reading(25, 25)) if bench.next() is not None else None
        bench.wait(1.0)
    rested_s = bench.now_s - stopped_s
    runs_again(bench)
    return rested_s


def runs_again(bench: Bench, watts: int = 3500) -> None:
    while bench.state is not Follow.PROVEN:
        action = bench.next()
        if action is not None:
            bench.ask(reading(watts, watts, by=MeasuredBy.PDU) if action == READ else CommandOutcome.ACCEPTED)
        bench.wait(0.5)


def test_what_has_to_be_stopped_again_rests_twice_as_long_each_time_until_it_has_come_down_by_being_told() -> None:
    bench = proven()
    rests_s = [stopped_again(bench) for _ in range(7)]
    for rested_s, expected_s in zip(rests_s, [REST_S * 2**k for k in range(5)] + [REST_MOST_S] * 2, strict=True):
        assert expected_s - 5.0 <= rested_s <= expected_s + 2.0, rests_s
    bench.grant(2000)
    runs_again(bench, 2000)
    bench.grant(3500)
    runs_again(bench)
    assert stopped_again(bench) <= REST_S + 2.0


@pytest.mark.parametrize("granted", ["at once", "later"])
def test_what_rests_rests_on_over_a_restart_of_its_agent_and_longer_still_the_next_time(granted: str) -> None:
    before = proven()
    rests_s = [stopped_again(before) for _ in range(2)]
    before.grant(2000)
    escalate(before, stops=Do.STOP, seconds=S21.down_s + 5.0)
    assert (before.state, before.follower.rests, len(rests_s)) == (Follow.STOPPED, 3, 2)
    bench = Bench(rested=before.follower.rests)
    if granted == "at once":
        bench.grant(3500)
    bench.ask(reading(25, 25))
    bench.grant(3500)
    assert (bench.state, bench.follower.rests) == (Follow.STOPPED, 3)
    bench.wait(4.0 * REST_S - 2.0)
    assert bench.next() == READ
    bench.ask(reading(25, 25))
    assert bench.state is Follow.STOPPED
    bench.wait(3.0)
    runs_again(bench)
    assert bench.follower.rests == 0
    assert stopped_again(bench) >= 8.0 * REST_S - 5.0


def test_what_was_brought_down_and_runs_when_its_agent_starts_anew_is_put_to_sleep_before_it_rests() -> None:
    bench = Bench(rested=1)
    bench.ask(reading(3500, 3500))
    bench.grant(3500)
    assert bench.ask(CommandOutcome.ACCEPTED) == Action(do=Do.COMMAND, watts=25, lowers=True)
    assert bench.state is not Follow.STOPPED, "nobody has seen it down"
    bench.wait(S21.down_s).ask(reading(25, 25))
    assert bench.state is Follow.STOPPED


def test_a_device_that_was_cut_off_stays_dark_over_a_restart_until_it_has_rested() -> None:
    bench = Bench(rested=2, relay=True)
    bench.grant(3500)
    bench.follower.relay_seen(is_open=True, now_s=bench.now_s)
    bench.next()
    assert bench.follower.dark
    bench.wait(2.0 * REST_S - 1.0).next()
    assert bench.follower.dark
    bench.wait(2.0).next()
    assert not bench.follower.dark


def test_a_trim_that_shows_nothing_does_not_make_a_rest_short_again() -> None:
    bench = proven()
    stopped_again(bench)
    bench.grant(3400)
    runs_again(bench, 3400)
    bench.grant(3500)
    runs_again(bench)
    assert stopped_again(bench) >= 2.0 * REST_S - 5.0


def test_a_silent_device_with_a_relay_that_should_come_down_is_cut_off() -> None:
    bench = proven(relay=True).grant(0)
    bench.ask(CommandOutcome.UNKNOWN)
    while not bench.follower.dark:
        if bench.wait(0.25).next() is not None:
            bench.ask(None)
    assert bench.now_s - T0 < S21.down_s + 5.0
    assert bench.state is Follow.LOST, "told is not seen"
    bench.follower.relay_seen(is_open=True, now_s=bench.now_s)
    assert (bench.state, bench.follower.proof(bench.now_s), bench.follower.applied_w) == (
        Follow.STOPPED,
        Proof.READ_BACK,
        25,
    )


def test_a_silent_device_that_need_not_come_down_is_not_cut_off() -> None:
    bench = proven(2000, relay=True)
    for _ in range(400):
        if bench.wait(0.25).next() is not None:
            bench.ask(None)
    assert not bench.follower.dark


def test_a_contact_that_is_welded_is_not_taken_for_open() -> None:
    bench = proven(relay=True).grant(0)
    escalate(bench)
    bench.follower.relay_seen(is_open=True, now_s=bench.now_s)
    assert bench.state is Follow.STOPPED
    for _ in range(2):
        bench.wait(5).ask(reading(3500, 3500, by=MeasuredBy.PDU))
    assert bench.state is Follow.DEFIANT


def cut_off() -> Bench:
    """Return a device whose relay has been read to be open."""
    bench = proven(relay=True).grant(0)
    escalate(bench)
    bench.follower.relay_seen(is_open=True, now_s=bench.now_s)
    assert bench.state is Follow.STOPPED
    return bench


def test_a_relay_that_is_to_close_again_is_open_no_longer_as_far_as_anybody_knows() -> None:
    bench = cut_off().wait(REST_S).grant(2000)
    bench.next()
    assert not bench.follower.dark, "the relay is told to close now, and is slow to say that it has"
    assert bench.state is not Follow.STOPPED
    assert bench.follower.proof(bench.now_s) is Proof.NONE
    assert bench.follower.applied_w == S21.max_w, "a miner whose power comes back runs on what it likes"


def test_an_agent_that_was_away_knows_nothing_of_a_relay_either() -> None:
    bench = cut_off().wait(3600)
    bench.follower.awoke(bench.now_s)
    assert (bench.state, bench.follower.proof(bench.now_s)) == (Follow.LOST, Proof.NONE)
    bench.follower.relay_seen(is_open=True, now_s=bench.now_s)
    assert bench.state is Follow.STOPPED


def test_a_device_that_refuses_is_not_put_to_sleep_before_its_time() -> None:
    bench = proven().grant(2000)
    sleeps_s = None
    while sleeps_s is None:
        action = bench.wait(0.25).next()
        if action is not None and action.do is Do.COMMAND and action.watts == 25:
            sleeps_s = bench.now_s - T0
        elif action is not None:
            bench.ask(reading(3500, 3500) if action.do is Do.READ else CommandOutcome.REFUSED)
    assert S21.down_s < sleeps_s < S21.down_s + 2


def test_what_has_not_taken_a_command_is_told_again_at_once_in_the_first_round_and_later_once_a_second() -> None:
    """An interface that answers each command with a page of its own, and each question well."""
    bench, told_s = proven().grant(0), []
    while bench.now_s < T0 + 60.0:
        action = bench.wait(0.1).next()
        if action is not None and action.do is Do.READ:
            bench.ask(reading(3500, 3500))
        elif action is not None:
            told_s.append(bench.now_s)
            bench.ask(CommandOutcome.UNKNOWN)
            if not bench.follower._ladder._rounds:
                first = len(told_s)
    pauses_s = [later - earlier for earlier, later in pairwise(told_s)]
    assert max(pauses_s[1:first]) <= 0.5, "while it may be a moment"
    assert min(pauses_s[first + 1 :]) >= 0.8
    assert max(pauses_s) <= AGAIN_S + HURRIED_S + 0.2, "and it is never given up"


def test_an_agent_that_was_away_gives_a_silent_device_its_time_again() -> None:
    bench = proven(relay=True).grant(0)
    bench.ask(CommandOutcome.UNKNOWN)
    bench.wait(3600)
    bench.follower.awoke(bench.now_s)
    bench.ask(reading(3500, 3500)) if bench.next() == READ else bench.ask(CommandOutcome.ACCEPTED)
    for _ in range(4):
        action = bench.wait(0.25).next()
        if action is not None:
            bench.ask(reading(3500, 3500) if action.do is Do.READ else CommandOutcome.ACCEPTED)
    told = bench.next()
    assert told is None or told.do is Do.READ or told.watts == 25
    assert bench.follower._ladder.rung <= 1, "its own time begins anew"


def test_a_relay_that_opens_by_itself_ends_no_rest() -> None:
    ladder = Ladder(S21, has_relay=True, now_s=T0)
    ladder.begin(T0, None)
    while ladder.rung is not Rung.SLEEP:
        ladder.climb(T0)
    ladder.relieve(T0)
    assert ladder.relay_seen(is_open=True, now_s=T0 + 5.0)
    assert not ladder.has_rested(T0 + 6.0)
    assert ladder.has_rested(T0 + REST_S)


def test_a_device_that_needs_no_rest_runs_again_as_soon_as_its_relay_has_opened_by_itself() -> None:
    ladder = Ladder(S21, has_relay=True, now_s=T0)
    ladder.relay_seen(is_open=True, now_s=T0 + 5.0)
    assert ladder.has_rested(T0 + 5.0)


def test_a_device_rests_from_when_it_is_seen_to_be_down_until_a_grant_may_wake_it() -> None:
    bench = proven()
    bench.grant(2000)
    assert not bench.follower.is_resting(bench.now_s)
    escalate(bench, stops=Do.STOP, seconds=S21.down_s + 5.0)
    assert (bench.state, bench.follower.is_resting(bench.now_s)) == (Follow.STOPPED, True)
    bench.grant(25)
    assert not bench.follower.is_resting(bench.now_s + REST_S)
    bench.wait(REST_S)
    bench.ask(reading(25, 25))
    assert bench.state is Follow.STOPPED, "nobody has granted it anything yet"
    bench.grant(3500)
    bench.next()
    assert bench.state is not Follow.STOPPED
