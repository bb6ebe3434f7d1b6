"""The rules of what follows a device, one test a rule; `test_follow_faults.py` has all of them against all faults."""

from __future__ import annotations

from itertools import pairwise

import pytest

from drivers.fleet.agent.contact import FRESH_S
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.agent.follow import Follower
from drivers.fleet.agent.ladder import REST_S
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.agent.steps import Action, Do
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.wire import Activity, Follow, MeasuredBy, Proof

S21 = load_catalogue()["antminer-s21"]
S19K = load_catalogue()["antminer-s19k-pro"]
GPU = load_catalogue()["hgx-h100"]
STEADY = [model for model in load_catalogue().values() if model.steady]
T0 = 1000.0
READ = Action(do=Do.READ)


class Bench:
    """A follower and a clock; `ask` takes its next action and says what became of it."""

    def __init__(self, model=S21, *, stored_w: int = 0, relay: bool = False) -> None:
        self.now_s, self.model = T0, model
        device = LeasedDevice(model=model, failsafe_w=0)
        self.follower = Follower(device, stored_w=stored_w, has_relay=relay, now_s=T0)

    def wait(self, seconds: float) -> Bench:
        self.now_s += seconds
        return self

    def next(self) -> Action | None:
        return self.follower.next(self.now_s)

    def begin(self) -> Action:
        action = self.next()
        assert action is not None
        self.follower.began(action, self.now_s)
        return action

    def ask(self, answer: CommandOutcome | DeviceReading | None) -> Action:
        action = self.begin()
        if action.do is not Do.READ:
            assert isinstance(answer, CommandOutcome)
            self.follower.answered(answer, self.now_s)
        elif answer is None:
            self.follower.missed(self.now_s)
        else:
            assert isinstance(answer, DeviceReading)
            self.follower.read(answer, self.now_s)
        return action

    @property
    def state(self) -> Follow:
        return self.follower.state(self.now_s)

    def grant(self, watts: int) -> Bench:
        self.follower.grant(watts, self.now_s)
        return self


def reading(
    watts: float | None,
    names: int | None = None,
    by: MeasuredBy = MeasuredBy.PSU,
    uptime_s: float = 100.0,
    serial: str = "A",
    activity: Activity = Activity.RUNNING,
) -> DeviceReading:
    return DeviceReading(
        setpoint_w=names, watts=watts, measured_by=by, activity=activity, uptime_s=uptime_s, serial=serial
    )


def proven(watts: int = 3500, *, model=S21, relay: bool = False) -> Bench:
    """Return a device that runs on its setpoint and has shown it."""
    bench = Bench(model, relay=relay)
    bench.ask(reading(model.off_w, model.off_w))
    bench.grant(watts)
    assert bench.ask(CommandOutcome.ACCEPTED) == Action(do=Do.COMMAND, watts=watts)
    bench.ask(reading(watts, watts))
    assert bench.state is Follow.PROVEN
    return bench


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
    assert [action.do for action in told] == [Do.COMMAND, Do.COMMAND, Do.COMMAND, Do.STOP]


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


def test_what_a_device_names_never_raises_what_is_stored() -> None:
    bench = proven(2000)
    bench.wait(1).ask(reading(3500, 3500))
    assert (bench.follower.low_w, bench.follower.high_w) == (2000, 3500)
    bench.grant(25)
    bench.ask(CommandOutcome.ACCEPTED)
    bench.ask(reading(3500, 3500))
    assert bench.follower.low_w == 25


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
