from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.agent.relay import AGAIN_S, HURRIED_S, READ_S, Look, RelayKeeper, Switch

T0 = 1000.0
OPEN = Switch(closed=False, hold_s=None)


def looked(*, hold_s: float | None = None, closed: bool | None = True) -> RelayKeeper:
    """Return the keeper of a relay that has been read once."""
    keeper = RelayKeeper(hold_s=hold_s, now_s=T0)
    assert keeper.next(T0, dark=False) == Look()
    keeper.began()
    assert keeper.next(T0, dark=False) is None, "one at a time"
    keeper.read(closed, T0, dark=False)
    return keeper


def switch(keeper: RelayKeeper, outcome: CommandOutcome, now_s: float, *, dark: bool) -> Switch:
    wanted = keeper.next(now_s, dark=dark)
    assert isinstance(wanted, Switch)
    keeper.began()
    keeper.switched(wanted, outcome, now_s)
    return wanted


def test_a_relay_that_is_as_it_is_to_be_is_only_read() -> None:
    keeper = looked()
    assert keeper.next(T0 + READ_S - 1, dark=False) is None
    assert keeper.next(T0 + READ_S, dark=False) == Look()


def test_a_start_switches_nothing_on_before_it_has_looked_and_cuts_off_at_once() -> None:
    keeper = RelayKeeper(hold_s=30.0, now_s=T0)
    assert keeper.next(T0, dark=False) == Look()
    assert keeper.next(T0, dark=True) == OPEN


def test_what_was_told_is_no_proof_and_is_read_at_once() -> None:
    keeper = looked()
    assert switch(keeper, CommandOutcome.ACCEPTED, T0, dark=True) == OPEN
    assert keeper.is_open is False
    assert keeper.next(T0, dark=True) == Look()
    keeper.began()
    keeper.read(True, T0, dark=True)  # it lied
    assert keeper.next(T0 + HURRIED_S, dark=True) == OPEN


def test_one_that_refuses_is_told_again_without_end() -> None:
    keeper, now_s = looked(), T0
    for outcome in (CommandOutcome.REFUSED, CommandOutcome.UNKNOWN, CommandOutcome.REFUSED):
        switch(keeper, outcome, now_s, dark=True)
        keeper.began()
        keeper.read(True, now_s, dark=True)
        assert not isinstance(keeper.next(now_s + AGAIN_S / 2, dark=True), Switch)
        now_s += AGAIN_S


def test_one_that_cannot_say_is_told_once_and_then_believed_of_nothing() -> None:
    keeper = looked(closed=None)
    assert keeper.next(T0 + 1, dark=False) is None
    switch(keeper, CommandOutcome.ACCEPTED, T0 + 1, dark=True)
    keeper.began()
    keeper.read(None, T0 + 1, dark=True)
    assert keeper.is_open is None
    assert keeper.next(T0 + 2, dark=True) is None


def test_a_dead_man_is_renewed_like_a_lease() -> None:
    keeper = looked(hold_s=30.0)
    hold = Switch(closed=True, hold_s=30.0)
    assert switch(keeper, CommandOutcome.ACCEPTED, T0, dark=False) == hold
    keeper.began()
    keeper.read(True, T0, dark=False)
    assert keeper.next(T0 + 9.9, dark=False) is None
    assert keeper.next(T0 + 10.0, dark=False) == hold
    assert keeper.next(T0 + 10.0, dark=True) == OPEN, "not while its device is to be off"


def test_a_renewal_that_fails_is_tried_again_soon() -> None:
    keeper = looked(hold_s=30.0)
    switch(keeper, CommandOutcome.UNKNOWN, T0, dark=False)
    keeper.began()
    keeper.read(True, T0, dark=False)
    assert isinstance(keeper.next(T0 + AGAIN_S, dark=False), Switch)


def test_an_agent_that_was_away_reads_the_relay_first() -> None:
    keeper = looked(hold_s=30.0)
    switch(keeper, CommandOutcome.ACCEPTED, T0, dark=False)
    keeper.began()
    keeper.read(False, T0, dark=False)
    keeper.awoke(T0 + 60.0)
    assert keeper.is_open is None
    assert keeper.next(T0 + 60.0, dark=False) == Look()
