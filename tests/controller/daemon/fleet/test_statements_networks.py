"""What the controller states, against an agent by the contract over any network: it loses, delays, repeats and reorders."""

from __future__ import annotations

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from drivers.fleet.wire import Echo, Report, Set
from tests.controller.daemon.fleet.loop import (
    FULL,
    HALF,
    MODELS,
    OFF,
    T0,
    TICK_MS,
    AgentSide,
    ControllerSide,
    fit,
    said,
)
from tests.examples import examples

watts = st.one_of(st.sampled_from([0, 25, 1080, 1400, 2794, 3500, 10200]), st.integers(0, 10_200))
news = st.sampled_from([FULL, HALF, OFF]) | st.fixed_dictionaries(
    {id_: watts.map(lambda w, most=FULL[id_]: min(w, most)) for id_ in MODELS}
)
decisions = st.none() | news  #: None: as before
flights = st.sampled_from([0, 0, 0, 10, 400, 7_000, 29_000])


class AnyNetwork(RuleBasedStateMachine):
    """Decisions of any kind; a network that loses, delays, repeats and reorders; both sides may start anew."""

    sets = Bundle("sets")
    said = Bundle("said")

    def __init__(self) -> None:
        super().__init__()
        self.now = T0
        self.epoch = 7
        self.agent = AgentSide(self.now)
        self.controller = ControllerSide(self.epoch)
        self.decided: dict[tuple[int, int], tuple[dict[str, int], Echo | None, int]] = {}
        self.grant: dict[str, int] | None = None
        self.fell = dict.fromkeys(MODELS, self.now)
        self.wanted = OFF

    @rule(target=sets, decision=decisions, raced=st.booleans(), up=st.sampled_from([True] * 4 + [False]))
    def tick(self, decision, raced: bool, up: bool) -> Set | None:
        """Look, decide, send; a report may come in between. `up`: the link takes the message."""
        self.now += 1
        self.wanted = decision = self.wanted if decision is None else decision
        known = self.controller.view.echo
        if raced:
            self.controller.hear(self.agent.report(self.now), self.now)
        body = self.controller.due(decision, known, self.now)
        if body is None or not up:
            return None
        assert (body.epoch, body.seq) not in self.decided, "a number is used once"
        assert (body.epoch, body.seq) > max(self.decided, default=(0, 0))
        self.decided[body.epoch, body.seq] = (decision, known, self.now)
        self.controller.sent(body, decision, self.now, self.now)
        if body.setpoints_w is None:
            assert self.decided[body.epoch, body.same_as][0] == decision, "a renewal renews what is decided now"
        elif body.echo is None or (known is not None and self.controller.view.echo is not None):
            assert body.setpoints_w == said(decision)
        else:  # a cut by the clock of the last report: it may say less than is decided, and never more
            stated = dict(zip(MODELS, body.setpoints_w, strict=True))
            assert all(stated[id_] <= decision[id_] for id_ in MODELS)
            self.decided[body.epoch, body.seq] = (stated, None, self.now)
        return body

    @rule(body=sets, flight_ms=flights, followed=st.booleans())
    def set_arrives(self, body: Set | None, flight_ms: int, followed: bool) -> None:
        """For the first time, late, or again."""
        if body is None:
            return
        self.wait(flight_ms)
        before, newest = self.agent.granted, (self.agent.holder.epoch, self.agent.holder.seq)
        taken = self.agent.take(body, self.now)
        after = self.agent.granted
        if not taken:
            assert after == before
            return
        assert (body.epoch, body.seq) > newest
        decision, known, _ = self.decided[body.epoch, body.seq]
        for id_ in (id_ for id_ in MODELS if after[id_] > before[id_]):
            assert known is not None, "nothing is raised by a decision that knew nothing"
            assert known.boot == self.agent.boot
            assert known.boottime_ms >= self.fell[id_], "nor by one that did not know of the lapse"
        if body.echo is not None and body.echo.boot == self.agent.boot and self.agent.lease_left_ms(self.now):
            self.grant = fit(decision)
        if followed:
            self.agent.follow()

    @rule(target=said)
    def agent_reports(self) -> Report:
        return self.agent.report(self.now)

    @rule(report=said, flight_ms=flights)
    def report_arrives(self, report: Report, flight_ms: int) -> None:
        self.wait(flight_ms)
        before = self.controller.view
        if not self.controller.hear(report, self.now):
            assert self.controller.view is before

    @rule(ms=st.sampled_from([1, 500, 2_000, 9_000, 40_000]))
    def wait(self, ms: int) -> None:
        before = self.agent.granted
        self.now += ms
        self.agent.holder.advance(self.now)
        fallen = {id_ for id_ in MODELS if self.agent.granted[id_] < before[id_]}
        self.fell |= dict.fromkeys(fallen, self.now)

    @rule()
    def hardware_follows(self) -> None:
        self.agent.follow()

    @rule()
    def link_is_lost_and_back(self) -> None:
        self.controller.reports.forget_clocks()

    @rule()
    def agent_starts_anew(self) -> None:
        self.agent.restart(self.now)
        self.grant, self.fell = None, dict.fromkeys(MODELS, self.now)

    @rule(report=said)
    def a_report_is_recorded_and_played_again(self, report: Report) -> None:
        """It opens no lease: an echo counts out of what has taken a statement of this controller, and never of a former start."""
        before = self.controller.view
        if self.controller.hear(report, self.now) and before.start.ours:
            assert report.echo.boot not in before.start.former or report.accepted_seq > before.start.sent_seq
        view = self.controller.view
        assert view.echo is None or view.epoch == self.epoch

    @rule()
    def controller_starts_anew(self) -> None:
        self.epoch += 1
        self.controller = ControllerSide(self.epoch)

    @rule(decision=decisions, lost=st.lists(st.sampled_from(["", "", "set", "report", "follow"]), max_size=12))
    def some_messages_are_lost(self, decision, lost: list[str]) -> None:
        for what in lost:
            self.cycle(decision, what)

    def cycle(self, decision, lost: str = "") -> None:
        self.wait(TICK_MS)
        if lost != "follow":
            self.agent.follow()
        report = self.agent.report(self.now)
        if lost != "report":
            self.controller.hear(report, self.now)
        body = self.tick(decision, raced=False, up=True)
        if lost != "set":
            self.set_arrives(body, flight_ms=0, followed=lost != "follow")

    @initialize(decision=news)
    def all_is_well(self, decision) -> None:
        self.faults_stop(decision)

    @rule(decision=decisions)
    def faults_stop(self, decision) -> None:
        """Whatever has happened: within four seconds the agent does what is decided, and it is known to."""
        for _ in range(4 * 1000 // TICK_MS):
            self.cycle(decision)
        decision = self.wanted
        assert self.agent.granted == fit(decision)
        assert not self.agent.lapsed
        self.controller.hear(self.agent.report(self.now), self.now)
        newest = self.decided[self.agent.holder.epoch, self.agent.holder.seq]
        assert newest[0] == decision
        assert self.controller.confirmed_ms() == pytest.approx(newest[2])

    @invariant()
    def agent_is_never_above_the_newest_decision_that_it_took(self) -> None:
        for id_, w in self.agent.granted.items():
            assert self.grant is None or w <= max(OFF[id_], self.grant[id_])

    @invariant()
    def what_is_confirmed_was_taken(self) -> None:
        """Old acknowledgements cannot confirm newer setpoints."""
        view, confirmed_ms = self.controller.view, self.controller.confirmed_ms()
        if not math.isinf(confirmed_ms):
            mine = [at for (epoch, seq), (_, _, at) in self.decided.items() if epoch == self.epoch == view.epoch
                    and seq <= view.accepted_seq]  # fmt: skip
            assert confirmed_ms == pytest.approx(max(mine))


TestAnyNetwork = AnyNetwork.TestCase
TestAnyNetwork.settings = settings(max_examples=examples(120), stateful_step_count=30)
