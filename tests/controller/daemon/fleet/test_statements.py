"""What the controller states, against an agent by the contract; `test_statements_networks.py` has it over any network."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from controller.core.snapshot import Followed
from controller.daemon.fleet.statements import Statements
from drivers.fleet.wire import Leaf, Set, sign
from tests.controller.daemon.fleet.loop import (
    AGENT,
    FAILSAFE,
    FULL,
    HALF,
    OFF,
    SITE,
    T0,
    TICK_MS,
    TTL_S,
    AgentSide,
    ControllerSide,
    column,
    fit,
    inventory_of,
    key,
    make_reports,
    own_devices,
    said,
)
from tests.examples import examples


class Pair:
    """A controller and its agent with a network that loses nothing, unless told so."""

    def __init__(self, ttl_s: float = TTL_S) -> None:
        self.now = T0
        self.agent = AgentSide(self.now)
        self.controller = ControllerSide(epoch=7, ttl_s=ttl_s)
        self.sent: list[Set] = []

    def tick(self, watts, *, sets: bool = True, reports: bool = True, publishes: bool = True) -> Set | None:
        self.now += TICK_MS
        if reports and self.now % 1000 == 0:
            self.controller.hear(self.agent.report(self.now), self.now)
        body = self.controller.due(watts, self.controller.view.echo, self.now)
        if body is not None and publishes:
            self.controller.sent(body, watts, self.now, self.now)
            self.sent.append(body)
            if sets and self.agent.take(body, self.now):
                self.agent.follow()
        self.agent.holder.advance(self.now)
        self.agent.follow()
        return body

    def run(self, watts, seconds: float, **network) -> None:
        for _ in range(int(seconds * 1000 / TICK_MS)):
            self.tick(watts, **network)


@pytest.fixture
def led() -> Pair:
    """An agent that runs at full power under its controller."""
    pair = Pair()
    pair.run(FULL, 5)
    assert pair.agent.applied == FULL
    return pair


def test_first_statement_is_whole_and_without_a_clock() -> None:
    body = Pair().controller.due(FAILSAFE, None, T0)
    assert (body.seq, body.echo, body.setpoints_w, body.same_as) == (1, None, said(FAILSAFE), None)


def test_first_raise_follows_the_first_report() -> None:
    pair = Pair()
    pair.run(FULL, 5, reports=False)
    assert pair.agent.applied == OFF
    assert all(body.echo is None for body in pair.sent)
    pair.run(FULL, 2)
    assert pair.agent.applied == FULL


def test_renewals_are_in_time_and_few(led: Pair) -> None:
    led.sent.clear()
    least_ms = math.inf
    for _ in range(400):
        led.tick(FULL)
        least_ms = min(least_ms, led.agent.next_end_ms() - led.now)
        assert not led.agent.lapsed
    assert all(body.setpoints_w is None for body in led.sent), "what has not changed is not spelled out again"
    assert len(led.sent) <= 200 / (TTL_S / 8) + 1
    assert least_ms > 1000 * TTL_S / 3, "one renewal may be lost without any harm"


@pytest.mark.parametrize("ttl_s", [6.0, 24.0, 120.0])
def test_one_renewal_lost_ends_no_lease(ttl_s: float) -> None:
    pair = Pair(ttl_s)
    pair.run(FULL, 5)
    for _ in range(4):
        count = len(pair.sent)
        while len(pair.sent) == count:
            pair.tick(FULL, sets=False)
        pair.run(FULL, 0.3 * ttl_s)
        assert not pair.agent.lapsed


def test_a_lost_cut_is_stated_again_within_two_seconds(led: Pair) -> None:
    led.tick(HALF, sets=False)
    assert led.agent.applied == FULL
    led.run(HALF, 2)
    assert led.agent.applied == HALF


def test_a_cut_that_a_report_overtakes_takes_effect_at_once(led: Pair) -> None:
    """A report may arrive between the look and the sending: the cut must not wait for the next tick."""
    seen = led.controller.view.echo
    led.now += 10
    led.controller.hear(led.agent.report(led.now), led.now)
    body = led.controller.due(HALF, seen, led.now)
    assert body.echo == seen
    assert led.agent.take(body, led.now)
    assert led.agent.granted == HALF


def test_a_decision_that_did_not_see_the_lapse_does_not_undo_it(led: Pair) -> None:
    seen = led.controller.view.echo
    while not led.agent.lapsed:
        led.now += 100
        led.agent.holder.advance(led.now)
    led.agent.follow()
    fallen = dict(led.agent.applied)
    led.controller.hear(led.agent.report(led.now), led.now)
    body = led.controller.due(FULL, seen, led.now)
    assert body is not None
    led.agent.take(body, led.now)
    assert all(watts <= fallen[id_] for id_, watts in led.agent.granted.items())


def test_what_was_not_published_counts_as_not_stated(led: Pair) -> None:
    began_ms = led.now
    assert led.tick(HALF, publishes=False) is not None
    assert led.tick(HALF, publishes=False) is not None, "tried at every tick until the link takes it"
    assert led.controller.confirmed_ms() <= began_ms
    led.run(HALF, 2)
    assert led.agent.applied == HALF


def test_every_attempt_has_a_number_of_its_own(led: Pair) -> None:
    numbers = [led.tick(HALF, publishes=False).seq for _ in range(3)]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > led.sent[-1].seq


def test_a_cut_after_a_loss_of_the_link_goes_out_at_once_with_the_clock_of_the_last_report(led: Pair) -> None:
    last = led.controller.view.echo
    led.controller.reports.forget_clocks()
    end_ms = led.agent.next_end_ms()
    body = led.tick(HALF, reports=False)
    assert (body.echo, body.setpoints_w) == (last, said(HALF))
    assert led.agent.applied == HALF
    assert led.agent.lease_left_ms(led.now) <= last.boottime_ms + 1000 * TTL_S - led.now
    assert led.agent.next_end_ms() >= end_ms, "and no lease is shorter than it was"
    assert led.tick(HALF, reports=False) is None, "said once"
    led.run(FULL, 3)
    assert led.agent.applied == FULL


def test_a_cut_after_a_loss_of_the_link_raises_nothing_of_what_was_not_taken_before_it(led: Pair) -> None:
    low = {**HALF, "c-gpu": 4000}
    led.run(low, 3)
    led.tick(HALF, sets=False)  # a raise that is lost with the link
    led.controller.reports.forget_clocks()
    body = led.tick({**FULL, "b-s19k": 25}, reports=False)
    assert body.setpoints_w == said({**low, "b-s19k": 25})
    assert led.agent.applied == {**low, "b-s19k": 25}
    led.run(FULL, 3)
    assert led.agent.applied == FULL


def test_a_cut_after_a_loss_of_the_link_raises_nothing_that_was_never_granted() -> None:
    """What was said without a clock has left the devices where they were."""
    pair = Pair()
    pair.tick(FAILSAFE, reports=False)
    pair.controller.hear(pair.agent.report(pair.now), pair.now)
    pair.controller.reports.forget_clocks()
    pair.tick({**FAILSAFE, "c-gpu": 3600}, reports=False)
    assert pair.agent.applied == OFF


def test_nothing_but_a_cut_is_said_with_a_clock_that_is_not_known(led: Pair) -> None:
    led.run(HALF, 3)
    led.controller.reports.forget_clocks()
    body = led.tick(FULL, reports=False)
    assert body.echo is None
    assert led.agent.applied == HALF, "a lease that runs goes on"
    led.run(FULL, 3)
    assert led.agent.applied == FULL


def test_a_cut_with_the_clock_of_a_former_start_of_the_agent_grants_nothing(led: Pair) -> None:
    led.controller.reports.forget_clocks()
    led.agent.restart(led.now)
    led.tick(HALF, reports=False)
    assert led.agent.applied == {id_: min(watts, fit(FAILSAFE)[id_]) for id_, watts in HALF.items()}


def test_a_new_controller_says_nothing_with_a_clock_that_it_has_not_heard_itself(led: Pair) -> None:
    led.controller = ControllerSide(epoch=8)
    led.controller.hear(led.agent.report(led.now), led.now)
    assert led.controller.due(HALF, None, led.now).echo is None


def test_an_agent_that_starts_anew_is_led_again(led: Pair) -> None:
    led.agent.restart(led.now)
    assert led.agent.applied == fit(FAILSAFE)
    led.run(FULL, 3)
    assert led.agent.applied == FULL
    assert not led.agent.lapsed


def test_a_report_of_a_start_that_was_never_heard_locks_the_later_one_out_for_seconds_only(led: Pair) -> None:
    led.agent.restart(led.now)
    long_on_its_way = led.agent.report(led.now)
    led.agent.restart(led.now)
    led.run(FULL, 3)
    assert led.controller.hear(long_on_its_way, led.now), "it could as well be a new start"
    assert not led.controller.hear(led.agent.report(led.now), led.now)
    led.run(HALF, 4)
    assert led.controller.view.start.boot == led.agent.boot
    assert led.agent.applied == HALF
    assert not led.controller.hear(long_on_its_way, led.now)


def test_a_clock_of_the_agents_former_start_is_not_echoed(led: Pair) -> None:
    seen = led.controller.view.echo
    led.agent.restart(led.now)
    led.controller.hear(led.agent.report(led.now), led.now)
    assert led.controller.due(HALF, seen, led.now).echo is None


def test_a_new_controller_takes_over_and_its_former_self_is_not_heard(led: Pair) -> None:
    former, led.controller = led.controller, ControllerSide(epoch=8)
    assert led.controller.confirmed_ms() == -math.inf
    led.run(HALF, 3)
    assert led.agent.applied == HALF
    stale = former.due(FULL, led.controller.view.echo, led.now + 5_000)
    assert stale is not None
    assert not led.agent.take(stale, led.now)
    assert led.agent.granted == HALF


def test_what_the_agent_took_of_the_former_controller_is_nothing_of_ours(led: Pair) -> None:
    for k in range(20):
        led.run({**FULL, "a-s21": 1400 + k}, 1)
    led.controller = ControllerSide(epoch=8)
    led.run(HALF, 3, sets=False)
    assert led.agent.holder.seq > led.sent[-1].seq, "its number alone would say that it has taken ours"
    led.run(HALF, 2)
    assert led.agent.applied == HALF


@pytest.mark.parametrize("ttl_s", [24.0, 30.0])
def test_no_lease_is_longer_than_the_sites(ttl_s: float) -> None:
    pair = Pair(ttl_s)
    pair.run(FULL, 20)
    assert {body.ttl_ms for body in pair.sent} == {1000 * ttl_s}


def test_confirmed_is_the_decision_that_the_agent_has_taken(led: Pair) -> None:
    led.tick(HALF)
    decided_ms = led.now
    assert led.controller.confirmed_ms() < decided_ms
    led.run(HALF, 1)
    assert led.controller.confirmed_ms() == pytest.approx(decided_ms)


def test_a_statement_that_is_taken_is_proven_by_no_device_before_it_follows(led: Pair) -> None:
    led.now += 1000
    body = led.controller.due(HALF, led.controller.view.echo, led.now)
    led.controller.sent(body, HALF, led.now, led.now)
    assert led.agent.take(body, led.now)
    led.controller.hear(led.agent.report(led.now), led.now)
    assert led.controller.confirmed_ms() == led.now
    assert set(led.controller.view.follow) == {Followed.GRANTED}
    led.agent.follow()
    led.now += 1000
    led.controller.hear(led.agent.report(led.now), led.now)
    assert set(led.controller.view.follow) == {Followed.PROVEN}


def test_a_new_head_goes_out_at_once_and_changes_no_setpoint(led: Pair) -> None:
    body = led.controller.due(FULL, led.controller.view.echo, led.now + 1, head="a-head")
    assert (body.head, body.setpoints_w) == ("a-head", None)
    led.controller.sent(body, FULL, led.now, led.now)
    assert led.controller.due(FULL, led.controller.view.echo, led.now + 2, head="a-head") is None


def test_nothing_is_said_to_an_agent_that_has_not_said_what_it_has() -> None:
    statements, view = Statements(site=SITE, agent=AGENT, epoch=7, ttl_s=30.0), make_reports().newest[0]
    assert statements.due(column(FULL), view, None, 0.0) is None
    heard = replace(view, inventory=ControllerSide(7).view.inventory)
    assert statements.due(column(FULL), heard, None, 0.0) is not None


def test_another_inventory_is_answered_with_a_whole_statement_in_its_order(led: Pair) -> None:
    turned = tuple(reversed(own_devices()))
    inventory = inventory_of(turned, boot=led.agent.boot, now_ms=led.now)
    led.controller.reports.take(AGENT, Leaf.INVENTORY, sign(inventory, key()), True, led.now / 1000)
    body = led.controller.due(FULL, led.controller.view.echo, led.now)
    assert body.inventory == inventory.inventory
    assert body.setpoints_w == list(reversed(said(FULL)))


def test_a_renewal_that_no_report_confirms_is_said_again_whole_within_two_report_periods(led: Pair) -> None:
    while led.tick(FULL, sets=False) is None:
        pass
    led.run(FULL, 1.5, sets=False)
    body = led.tick(FULL)
    assert body.setpoints_w == said(FULL)
    assert body.seq == led.sent[-2].seq + 1


def test_what_lowers_is_known_by_the_newest_statement_and_by_the_report(led: Pair) -> None:
    statements, view = led.controller.statements, led.controller.view
    assert not statements.lowers(column(FULL), view)
    assert statements.lowers(column({**FULL, "c-gpu": 10_199}), replace(view, applied_w=column(OFF))), "no report yet"
    led.tick(HALF, sets=False)
    assert statements.lowers(column(HALF), view), "no report says yet that it has come down"
    led.run(HALF, 3)
    assert not statements.lowers(column(HALF), led.controller.view)


def test_an_agent_that_has_lost_its_disk_is_led_again(led: Pair) -> None:
    led.agent.restart(led.now, disk=False)
    assert led.agent.applied == OFF
    led.run(FULL, TTL_S / 2)
    assert led.agent.applied == FULL


@given(epoch=st.sampled_from([6, 8, 0]), accepted_seq=st.integers(0, 10**6))
@settings(max_examples=examples(30))
def test_the_confirmation_of_another_epoch_is_none_of_ours(epoch: int, accepted_seq: int) -> None:
    pair = Pair()
    pair.run(FULL, 3)
    view = replace(pair.controller.view, epoch=epoch, accepted_seq=accepted_seq)
    assert pair.controller.statements.confirmed_s(view) == -math.inf


def test_memory_of_what_was_decided_is_bounded_and_forgets_the_oldest() -> None:
    pair = Pair()
    for k in range(1000):
        pair.tick({**FULL, "a-s21": 1400 + k}, reports=False, sets=False)
    view = replace(pair.controller.view, epoch=7, accepted_seq=1)
    assert pair.controller.statements.confirmed_s(view) == -math.inf
    assert pair.controller.statements.confirmed_s(replace(view, accepted_seq=10**6)) == pytest.approx(pair.now / 1000)
