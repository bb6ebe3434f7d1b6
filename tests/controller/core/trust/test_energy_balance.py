"""Energy against power, over courses of polls."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.reasons import Reason
from controller.core.trust.energy_balance import Counters, EnergyBalance, add_counters, add_power
from controller.texts.english import text

RATING_W = 1e6


def play(
    seconds, power=lambda _: 500e3, *, counted=None, import_scale=1.0, grain_wh=1.0, refresh_s=1, start_wh=5e6,
    slow_s=10, export=True, single=False, shown=None, rating_w=RATING_W,
):  # fmt: skip
    """Return the balances of a meter that is read every second, its counters every `slow_s`.

    `power(t)`: what is drawn; `counted(t)`: what the counters count, the same if None; `shown(t)`: what is shown.
    """
    into = out = 0.0
    held = (0.0, 0.0)
    balance, balances = EnergyBalance(), []
    for t in range(seconds):
        wh = (counted or power)(t) / 3600 * import_scale
        into, out = into + max(wh, 0.0), out + max(-wh, 0.0)
        if t % refresh_s == 0:
            held = (into, out)
        balance = add_power(balance, (shown or power)(t), float(t))
        if t % slow_s == 0:
            raw = [start_wh + held[0], held[1]]
            rounded = [float(np.float32(r)) if single else math.floor(r / grain_wh) * grain_wh for r in raw]
            counters = Counters(import_wh=rounded[0], export_wh=rounded[1] if export else None)
            balance = add_counters(balance, counters, rating_w)
        balances.append(balance)
    return balances


def said(balance):
    return text(Reason(balance.doubt, "main", {"times": balance.times}))


def wave(t):
    return 400e3 + 300e3 * math.sin(t / 50)


HEALTHY = {
    "Wh counters": {},
    "kWh counters": {"grain_wh": 1000.0},
    "MWh counters": {"grain_wh": 1e6, "seconds": 40_000},
    "0.1 kWh of a small load": {"power": lambda _: 20e3, "grain_wh": 100.0},
    "float32 at 100 GWh counts by 8 kWh": {"single": True, "start_wh": 1e11},
    "float32 at 20 MWh": {"single": True, "start_wh": 2e7},
    "counters that refresh once a minute": {"refresh_s": 60},
    "counters that refresh every quarter of an hour": {"refresh_s": 900, "seconds": 30_000},
    "a load that swings": {"power": wave},
    "a load that swings over slow counters": {"power": wave, "refresh_s": 60, "grain_wh": 1000.0},
    "import alone": {"export": False},
    "export": {"power": lambda _: -300e3},
    "now import, now export": {"power": lambda t: 300e3 * math.sin(t / 200), "seconds": 12_000},
    "import alone while it exports": {"power": lambda _: -300e3, "export": False},
    "a load that rises a hundredfold": {"power": lambda t: 8e3 if t < 2000 else 800e3, "refresh_s": 60},
    "a load that stops": {"power": lambda t: 800e3 if t < 2000 else 0.0, "grain_wh": 1000.0},
    "a load too small for the counters": {"power": lambda _: 3e3, "counted": lambda _: 0.0, "seconds": 20_000},
    "a load that falls below what the counters notice": {
        "power": lambda t: 500e3 if t < 2000 else 3e3,
        "counted": lambda t: 500e3 if t < 2000 else 0.0,
        "seconds": 45_000,
    },
    "new counters": {"start_wh": 0.0},
}


@pytest.mark.parametrize("why", HEALTHY)
def test_a_healthy_meter_raises_no_doubt(why):
    balances = play(**{"seconds": 4000, **HEALTHY[why]})
    assert {balance.doubt for balance in balances} == {None}, why
    assert {balance.falls for balance in balances} == {0}


@pytest.mark.parametrize("why", ["Wh counters", "kWh counters", "a load that swings", "import alone"])
def test_counters_that_are_right_vouch_for_the_power(why):
    assert play(**{"seconds": 4000, **HEALTHY[why]})[-1].right


WRONG = {
    "1000 times too much": ({"import_scale": 1000.0}, "counts 1e+03 times"),
    "1000 times too little": ({"import_scale": 0.001}, "counts 0.00"),
    "1000 times too little, coarsely": (
        {"import_scale": 0.001, "grain_wh": 100.0, "seconds": 20_000}, "counts 0.001 times",
    ),
    "one phase": ({"import_scale": 1 / 3}, "counts 0.333 times"),
    "one phase, coarsely": ({"import_scale": 1 / 3, "grain_wh": 1000.0}, "counts 0.3"),
    "the wrong sign": ({"shown": lambda _: -500e3}, "in the other direction"),
    "the wrong sign, import alone": ({"shown": lambda _: -500e3, "export": False}, "while it shows no power"),
    "a power that is 1000 times too small": ({"shown": lambda _: 500.0}, "times the energy"),
    "a power that stands still while the load is gone": (
        {"power": lambda t: 500e3 if t < 500 else 50e3, "shown": lambda _: 500e3}, "counts 0.1 times",
    ),
    "counters that stop": ({"counted": lambda t: 500e3 if t < 500 else 0.0}, "stand still"),
    "counters that never moved": ({"counted": lambda _: 0.0, "seconds": 25_000}, "stand still"),
}  # fmt: skip


@pytest.mark.parametrize("why", WRONG)
def test_what_is_wrong_is_said(why):
    given_, words = WRONG[why]
    balances = play(**{"seconds": 4000, **given_})
    assert words in said(balances[-1]), why
    assert not balances[-1].right


def test_a_counter_that_falls_begins_anew_and_is_counted():
    first = play(1000)[-1]
    after = add_counters(add_power(first, 500e3, 1000.0), Counters(import_wh=0.0, export_wh=0.0), RATING_W)
    assert (after.falls, after.doubt, after.into_wh) == (1, None, 0.0)


def test_a_counter_that_is_missing_once_is_no_fall():
    first = play(1000)[-1]
    after = add_counters(add_power(first, 500e3, 1000.0), Counters(import_wh=5.2e6, export_wh=None), RATING_W)
    assert (after.falls, after.into_wh) == (0, 0.0)


def test_counters_that_somebody_has_set_are_judged_again_in_the_end():
    balance = EnergyBalance()
    for t in range(0, 9 * 24 * 3600, 5):
        balance = add_power(balance, 500e3, float(t))
        if t % 600 == 0:
            jump_wh = 1e9 if t > 3600 else 0.0
            scale = 1.0 if t < 8 * 24 * 3600 else 0.1
            since_wh = max(t - 8 * 24 * 3600, 0) / 3600 * 500e3
            wh = jump_wh + min(t, 8 * 24 * 3600) / 3600 * 500e3 + since_wh * scale
            balance = add_counters(balance, Counters(import_wh=wh, export_wh=None), RATING_W)
    assert "counts 0.1 times" in said(balance)


def test_a_doubt_goes_when_the_counters_are_right_again():
    balances = play(6000, counted=lambda t: 500e3 if not 1000 < t < 2000 else 50e3)
    assert any(balance.doubt for balance in balances)
    assert balances[-1].doubt is None


def test_power_is_not_made_up_across_a_gap():
    balance = add_counters(add_power(EnergyBalance(), 500e3, 0.0), Counters(import_wh=0.0, export_wh=None), RATING_W)
    for k in range(1, 30):
        balance = add_power(balance, 500e3, 1000.0 * k)
        balance = add_counters(balance, Counters(import_wh=7.0 * k, export_wh=None), RATING_W)
    assert (balance.doubt, balance.into_wh) == (None, 0.0)


@given(
    st.floats(20e3, 1e6), st.floats(0.0, 0.9), st.sampled_from([1.0, 10.0, 100.0, 1000.0]), st.sampled_from([1, 5, 30, 60]),
    st.integers(5, 300),
)  # fmt: skip
def test_no_load_grain_or_refresh_of_a_right_meter_raises_a_doubt(mean_w, swing, grain_wh, refresh_s, period_s):
    def power(t):
        return mean_w * (1.0 + swing * math.sin(t / period_s))

    balances = play(1500, power, grain_wh=grain_wh, refresh_s=refresh_s)
    assert {balance.doubt for balance in balances} == {None}


def test_counters_that_count_parts_of_a_watt_hour_are_judged():
    course = {"power": lambda _: 200.0, "grain_wh": 0.01, "start_wh": 0.0, "rating_w": 1e3}
    assert play(4000, **course)[-1].right
    assert said(play(4000, **course, import_scale=2.0)[-1]) == said(play(4000, import_scale=2.0)[-1])


def test_counters_that_were_never_judged_vouch_for_nothing():
    assert not any(balance.right for balance in play(15))


@pytest.mark.parametrize("import_wh", [None, 0.0])
def test_a_counter_that_stands_at_nothing_or_is_not_there_has_not_fallen(import_wh):
    before, after = (Counters(import_wh=import_wh, export_wh=wh) for wh in (4.0, 5.0))
    assert not after.below(before)
    assert before.below(after)


def test_counters_that_stand_still_are_found_after_twenty_of_their_steps():
    """At 500 kW, steps of 50 kWh are six minutes each."""
    course = play(18_000, counted=lambda t: 500e3 if t < 6000 else 0.0, grain_wh=50e3)
    found_s = next(t for t, balance in enumerate(course) if balance.doubt) - 6000
    assert 20 * 360 - 360 <= found_s <= 22 * 360


def test_a_counter_that_stands_at_nothing_again_has_fallen():
    before = Counters(import_wh=0.5, export_wh=0.5)
    assert Counters(import_wh=0.0, export_wh=0.5).below(before)
    assert Counters(import_wh=0.5, export_wh=0.0).below(before)
