import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.modes import TRANSITIONS, Doubts, Mode, first_mode, next_mode
from controller.core.reasons import Code, Reason
from tests.controller.core.world import RULES

SILENT = Reason(Code.METER_SILENT, "main")
FINE = Doubts()
DOUBT = Doubts(doubts=(SILENT,))
LOST = Doubts(lost=(Reason(Code.NO_SITE_METER, "pcc"),))


def run(cycles, start=Mode.NORMAL):
    """Let (trust, seconds) pass second by second and return the modes seen, repeated ones once."""
    state = first_mode("pcc", 0.0)
    now_s, seen = 0.0, [state.mode]
    if start is not Mode.INIT:
        cycles = [(FINE, 5), *cycles]
    for trust, seconds in cycles:
        for _ in range(seconds):
            now_s += 1.0
            state = next_mode(state, trust, "pcc", RULES, now_s)
            if state.mode is not seen[-1]:
                seen.append(state.mode)
    return seen


@pytest.mark.parametrize(
    ("why", "cycles", "expected"),
    [
        ("trusted readings end INIT", [(FINE, 5)], [Mode.INIT, Mode.NORMAL]),
        ("INIT without trust ends in FAILSAFE after 10 s", [(DOUBT, 9)], [Mode.INIT]),
        ("INIT without trust ends in FAILSAFE after 10 s", [(DOUBT, 10)], [Mode.INIT, Mode.FAILSAFE]),
        ("a flicker of trust does not end INIT", [(FINE, 1), (DOUBT, 1)] * 4, [Mode.INIT]),
        ("FAILSAFE ends with steady trust", [(LOST, 10), (FINE, 8)], [Mode.INIT, Mode.FAILSAFE, Mode.NORMAL]),
        ("not with a flicker", [(LOST, 10), (FINE, 4), (DOUBT, 1), (FINE, 4)], [Mode.INIT, Mode.FAILSAFE]),
    ],
)
def test_from_init(why, cycles, expected):
    assert run(cycles, Mode.INIT) == expected, why


@pytest.mark.parametrize(
    ("why", "cycles", "expected"),
    [
        ("doubt holds at once", [(DOUBT, 1)], [Mode.HOLD]),
        ("loss goes to failsafe at once", [(LOST, 1)], [Mode.FAILSAFE]),
        ("hold becomes failsafe", [(DOUBT, 3), (LOST, 1)], [Mode.HOLD, Mode.FAILSAFE]),
        ("hold ends after steady trust", [(DOUBT, 1), (FINE, 6)], [Mode.HOLD, Mode.NORMAL]),
        ("hold does not end early", [(DOUBT, 1), (FINE, 5)], [Mode.HOLD]),
    ],
)
def test_from_normal(why, cycles, expected):
    assert run(cycles)[2:] == expected, why


@given(st.lists(st.tuples(st.sampled_from([FINE, DOUBT, LOST]), st.integers(1, 8)), max_size=20))
def test_i4_modes_change_only_along_the_mode_machine(cycles):
    seen = run(cycles, Mode.INIT)
    assert set(itertools.pairwise(seen)) <= TRANSITIONS


def test_reason_says_what_is_in_doubt_and_is_empty_in_normal():
    state = next_mode(first_mode("pcc", 0.0), DOUBT, "pcc", RULES, 1.0)
    assert state.reasons == (SILENT,)
    for now_s in (2.0, 3.0, 4.0, 5.0):
        state = next_mode(state, FINE, "pcc", RULES, now_s)
    assert (state.mode, state.reasons) == (Mode.NORMAL, ())
