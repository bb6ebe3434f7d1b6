"""The rules of the lease holder, one test a rule; `test_lease_networks.py` has all of them against any network."""

from itertools import pairwise

import pytest

from drivers.errors import Refused
from drivers.fleet.agent.lease import Held, LeaseHolder
from tests.drivers.fleet.agent.leases import (
    DEVICES,
    FAILSAFE,
    FULL,
    INVENTORY,
    OFF,
    T0,
    TTL,
    granted,
    holder,
    statement,
)


def test_starts_off_without_a_lease() -> None:
    lease = holder()
    assert lease.setpoints == OFF
    assert lease.lapsed
    assert lease.next_end_ms() is None
    assert lease.lease_left_ms(T0) == 0


def test_restart_is_min_of_applied_and_failsafe() -> None:
    held = Held(epoch=3, seq=7, applied={"a-s21": 3500, "b-s19k": 25, "c-gpu": 10200})
    lease = holder(held=held)
    assert lease.setpoints == {"a-s21": 25, "b-s19k": 25, "c-gpu": 4000, "d-narrow": 25}
    assert (lease.epoch, lease.accepted_seq) == (3, 7)


def test_lease_ends_at_echo_plus_ttl_however_late_the_message_was() -> None:
    lease = holder()
    lease.offer(statement(1, FULL, at=T0), T0 + 12_000)
    assert lease.setpoints == FULL
    assert lease.lease_left_ms(T0 + 12_000) == TTL - 12_000
    lease.told(lease.setpoints)
    lease.advance(T0 + TTL)
    assert lease.setpoints == FAILSAFE


def test_i6_lease_ends_of_an_agent_are_spread_over_the_last_third_and_never_a_step() -> None:
    lease = granted()
    lease.advance(T0 + 20_000)
    assert lease.setpoints == FULL
    changed = []
    for _ in DEVICES:
        end_ms = lease.next_end_ms()
        before = dict(lease.setpoints)
        lease.advance(end_ms - 1)
        assert lease.setpoints == before
        lease.advance(end_ms)
        changed.append(end_ms)
    assert lease.next_end_ms() is None
    assert lease.setpoints == FAILSAFE
    assert len(set(changed)) == len(DEVICES)
    assert changed[0] > T0 + 20_000
    assert changed[-1] <= T0 + TTL
    gaps = {late - early for early, late in pairwise(changed)}
    assert max(gaps) - min(gaps) <= 1, "evenly"


def test_i6_spread_is_no_longer_than_settle() -> None:
    lease = granted(settle_s=2.0)
    lease.advance(T0 + 27_999)
    assert lease.setpoints == FULL
    lease.advance(T0 + TTL)
    assert lease.setpoints == FAILSAFE


def test_i6_single_devices_of_many_agents_end_at_different_times() -> None:
    ends = set()
    for k in range(50):
        one = LeaseHolder(
            agent=f"rack-{k}",
            boot="b1",
            devices={"x": DEVICES["a-s21"]},
            inventory=INVENTORY,
            settle_s=15,
            held=Held(),
            now_ms=T0,
        )
        one.offer(statement(1, [3500]), T0)
        ends.add(one.next_end_ms())
    assert len(ends) == 50
    assert max(ends) - min(ends) > 8000


def test_a_lease_that_ends_never_raises() -> None:
    lease = holder()
    lease.offer(statement(1, dict.fromkeys(FULL, 0)), T0)
    lease.advance(T0 + TTL)
    assert lease.setpoints == OFF


def test_a_lease_end_is_not_above_what_the_hardware_was_told() -> None:
    lease = holder()
    lease.offer(statement(1, FULL), T0)
    lease.advance(T0 + TTL)
    assert lease.setpoints == OFF, "the hardware never took the statement"


def test_without_echo_a_running_lease_runs_on_and_is_not_lengthened() -> None:
    lease = granted()
    lease.offer(statement(1, OFF, at=None, epoch=2), T0 + 1000)
    assert lease.setpoints == FULL
    assert lease.lease_left_ms(T0 + 1000) == TTL - 1000
    assert (lease.epoch, lease.accepted_seq) == (2, 1)


@pytest.mark.parametrize("unusable", [{"at": None}, {"boot": "b0"}, {"at": T0 - TTL}])
def test_without_a_usable_echo_a_device_without_lease_takes_the_lower(unusable) -> None:
    lease = holder(held=Held(applied=FULL))
    wanted = FULL | {"c-gpu": 3800}
    lease.offer(statement(1, wanted, **unusable), T0)
    assert lease.setpoints == FAILSAFE | {"c-gpu": 3800}
    assert lease.lapsed
    assert lease.next_end_ms() is None


def test_a_statement_past_its_end_leaves_running_leases_alone() -> None:
    lease = granted()
    lease.offer(statement(2, OFF, ttl_ms=1000), T0 + 1000)
    assert lease.setpoints == FULL
    assert lease.lease_left_ms(T0 + 1000) == TTL - 1000


def test_leases_that_ended_while_the_agent_slept_are_ended_before_a_statement_is_taken() -> None:
    lease = granted()
    wake = T0 + TTL + 1000
    lease.offer(statement(2, FULL, at=T0 + 5000), wake)
    assert lease.setpoints == FAILSAFE


def test_an_echo_ahead_of_the_agents_clock_is_refused() -> None:
    lease = holder()
    with pytest.raises(Refused, match="ahead"):
        lease.offer(statement(1, FULL, at=T0 + 1), T0)
    assert lease.setpoints == OFF


def test_only_a_new_statement_of_this_start_tells_that_its_clock_has_gone_back() -> None:
    lease = granted()
    later = {"at": T0 + 5001}
    assert lease.is_ahead(statement(2, FULL, **later), T0 + 5000)
    assert not lease.is_ahead(statement(2, FULL, **later), T0 + 5001)
    assert not lease.is_ahead(statement(1, FULL, **later), T0 + 5000), "known already"
    assert not lease.is_ahead(statement(2, FULL, boot="b0", **later), T0 + 5000)
    assert not lease.is_ahead(statement(2, FULL, at=None), T0 + 5000)


def test_another_start_has_no_lease_and_an_echo_of_before_raises_nothing() -> None:
    lease = granted()
    lease.begin_anew("b2", T0 + 1000)
    assert (lease.setpoints, lease.lapsed, lease.lease_left_ms(T0 + 1000)) == (FAILSAFE, True, 0)
    lease.offer(statement(2, FULL, at=T0 + 900), T0 + 1100)
    assert lease.setpoints == FAILSAFE
    with pytest.raises(Refused, match="same as"):
        lease.offer(statement(3, same_as=1, at=T0 + 1200, boot="b2"), T0 + 1200)
    lease.offer(statement(4, FULL, at=T0 + 1200, boot="b2"), T0 + 1200)
    assert lease.setpoints == FULL


def test_a_lapsed_device_is_raised_only_by_a_controller_that_knows() -> None:
    lease = granted()
    lease.advance(T0 + TTL)
    late = T0 + TTL + 1000
    lease.offer(statement(2, FULL, at=T0 + TTL - 1), late)
    assert lease.setpoints == FAILSAFE
    assert lease.lapsed
    assert lease.lease_left_ms(late) > 0
    lease.offer(statement(3, same_as=2, at=T0 + TTL), late)
    assert lease.setpoints == FULL
    assert not lease.lapsed


def test_a_newer_statement_shortens_a_lease() -> None:
    lease = granted()
    lease.offer(statement(2, FULL, ttl_ms=3000, at=T0), T0 + 1)
    assert lease.lease_left_ms(T0 + 1) == 2999


def test_a_statement_that_arrives_within_its_own_spread_does_not_raise_what_it_would_end() -> None:
    lease = holder()
    lease.told(FULL)  # the hardware has not followed down yet
    lease.offer(statement(1, FULL), T0 + TTL - 1)
    assert lease.setpoints == OFF


def test_a_statement_that_ends_a_device_at_once_still_lowers_it() -> None:
    lease = holder()
    lease.offer(statement(1, FULL, ttl_ms=100_000), T0)
    lease.told(FULL)
    lease.offer(statement(2, FULL | {"c-gpu": 3700}), T0 + TTL - 1)
    assert lease.setpoints == FAILSAFE | {"c-gpu": 3700}
    assert lease.lapsed


@pytest.mark.parametrize(("epoch", "seq"), [(1, 1), (1, 0), (0, 9)])
def test_replayed_late_and_old_epoch_statements_are_refused(epoch: int, seq: int) -> None:
    lease = granted()
    with pytest.raises(Refused, match="not newer"):
        lease.offer(statement(seq, OFF, epoch=epoch), T0 + 1)
    assert lease.setpoints == FULL


def test_a_retained_statement_is_refused() -> None:
    lease = granted()
    with pytest.raises(Refused, match="retained"):
        lease.offer(statement(2, OFF), T0 + 1, retained=True)
    assert lease.setpoints == FULL


@pytest.mark.parametrize("same_as", [0, 2, 5])
def test_same_as_another_sequence_than_held_is_refused(same_as: int) -> None:
    lease = granted()
    with pytest.raises(Refused, match="setpoints held are of 1/1"):
        lease.offer(statement(6, same_as=same_as), T0 + 1)
    assert lease.accepted_seq == 1


def test_same_as_does_not_reach_over_an_epoch_nor_a_restart() -> None:
    lease = granted()
    with pytest.raises(Refused, match="same as 2/1"):
        lease.offer(statement(2, same_as=1, epoch=2), T0 + 1)
    with pytest.raises(Refused, match="held are of none"):
        holder(held=Held(epoch=1, seq=1)).offer(statement(2, same_as=1), T0 + 1)


def test_same_as_names_the_sequence_that_spelled_the_setpoints_out() -> None:
    lease = granted()
    lease.offer(statement(2, same_as=1, at=T0 + 5), T0 + 5)
    lease.offer(statement(3, same_as=1, at=T0 + 9), T0 + 9)
    assert lease.lease_left_ms(T0 + 9) == TTL
    with pytest.raises(Refused):
        lease.offer(statement(4, same_as=3), T0 + 9)


@pytest.mark.parametrize("wrong", [[0] * 5, [0], []])
def test_a_statement_that_is_not_whole_is_refused(wrong) -> None:
    lease = granted()
    with pytest.raises(Refused, match="the inventory has 4"):
        lease.offer(statement(2, wrong), T0 + 1)
    assert lease.setpoints == FULL
    assert lease.accepted_seq == 1


@pytest.mark.parametrize("said", [{"setpoints": OFF}, {"same_as": 1}])
def test_a_statement_of_another_inventory_is_refused(said) -> None:
    lease = granted()
    with pytest.raises(Refused, match="of the inventory fedcba9876543210, not of 0123456789abcdef"):
        lease.offer(statement(2, inventory="fedcba9876543210", **said), T0 + 1)
    assert lease.setpoints == FULL
    assert lease.lease_left_ms(T0 + 1) == TTL - 1


def test_the_newest_head_is_kept_and_a_statement_without_one_takes_none_away() -> None:
    lease = holder(held=Held(head="from-before"))
    assert lease.head == "from-before"
    lease.offer(statement(1, FULL, head="first"), T0)
    lease.offer(statement(2, FULL), T0)
    assert lease.head == "first"
    with pytest.raises(Refused):
        lease.offer(statement(2, FULL, head="stale"), T0)
    assert lease.head == "first"
    lease.offer(statement(3, FULL, head="second"), T0)
    assert lease.head == "second"


def test_a_lapsed_device_that_turns_out_to_run_on_less_is_not_raised_without_a_lease() -> None:
    lease = holder(held=Held(applied=FULL))
    assert lease.setpoints == FAILSAFE
    lease.told(FULL | {"c-gpu": 3700})
    assert lease.setpoints == FAILSAFE | {"c-gpu": 3700}
    lease.told(FULL)
    assert lease.setpoints == FAILSAFE | {"c-gpu": 3700}


def test_a_running_lease_goes_on_whatever_is_applied() -> None:
    lease = granted()
    lease.told(OFF)
    assert lease.setpoints == FULL


def test_i5_watts_are_fitted_to_the_mode_below_and_the_maximum() -> None:
    lease = holder()
    lease.offer(statement(1, {"a-s21": 1399, "b-s19k": 2793, "c-gpu": 99_999, "d-narrow": 3500}), T0)
    assert lease.setpoints == {"a-s21": 25, "b-s19k": 2485, "c-gpu": 10200, "d-narrow": 2000}


def test_two_starts_order_is_the_same_whatever_order_the_devices_came_in() -> None:
    turned = LeaseHolder(
        agent="hall-a",
        boot="b1",
        devices=dict(reversed(DEVICES.items())),
        inventory=INVENTORY,
        settle_s=15,
        held=Held(),
        now_ms=T0,
    )
    turned.offer(statement(1, FULL), T0)
    assert turned.next_end_ms() == granted().next_end_ms()
