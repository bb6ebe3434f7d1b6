"""The frozen-value detector, over courses of samples: it must not cry wolf, and must not sleep."""

import csv
from itertools import cycle, islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.trust.staleness import Rhythm, learn
from tests.recordings import LIANDER

SUBSTATIONS = ("HAL", "LLS", "MNZL", "NRYN", "WEW", "WHF", "WLS", "WWF")


def course(samples, poll_s=1.0, rhythm=None):
    """Return the rhythm after each of `samples`, `poll_s` apart."""
    rhythm, rhythms = rhythm or Rhythm(), []
    begun_s = max(rhythm.heard_s, 0.0)
    for k, values in enumerate(samples, start=1):
        rhythm = learn(rhythm, values, begun_s + k * poll_s)
        rhythms.append(rhythm)
    return rhythms


def alarms(rhythms):
    return sum(rhythm.heard_s > rhythm.until_s for rhythm in rhythms)


def noisy(count, *, refresh=1, decimals=3, seed=1):
    """Return samples of a meter that refreshes at every `refresh`-th poll."""
    rng = np.random.default_rng(seed)
    values = [
        {"active_power_w": round(50e3 + 100 * p, decimals), "frequency_hz": round(50 + 0.02 * f, decimals)}
        for p, f in rng.standard_normal((count // refresh + 1, 2))
    ]
    return [values[k // refresh] for k in range(count)]


def now_and_then(count, mean_s=40.0, seed=3):
    """Return samples of which one in `mean_s` shows another frequency, by chance."""
    moves = np.cumsum(np.random.default_rng(seed).random(count) < 1.0 / mean_s)
    return [{"active_power_w": 5e3, "frequency_hz": 50.0 + 0.1 * (move % 2)} for move in moves.tolist()]


def recorded(name, held):
    """Return some samples of a recorded substation, each power held for `held` polls, while frequency and voltage go on.

    They do so as on a large grid: a slow wander of some 20 mHz, and a voltage that sags with the load and that taps of
    0.1 V show. What was recorded repeats its power for several samples; in WLS it never moves.
    """
    with (LIANDER / f"{name}.csv").open() as file:
        power_w = np.repeat([float(row["total_substation"]) * 1e6 for row in csv.DictReader(file)], held)[:12_000]
    frequency_hz, drift_hz = 50.0, np.random.default_rng(1).normal(0.0, 0.004, len(power_w))
    sag_v = 2.0 * power_w / max(float(np.abs(power_w).max()), 1.0)
    samples = []
    for watts, drift, sag in zip(power_w.tolist(), drift_hz.tolist(), sag_v.tolist(), strict=True):
        frequency_hz += drift + 0.02 * (50.0 - frequency_hz)
        volts = round(231.0 - sag + 5.0 * (frequency_hz - 50.0), 1)
        samples.append({"active_power_w": watts, "frequency_hz": round(frequency_hz, 2), "voltage_l1_n_v": volts})
    return samples


@pytest.mark.parametrize(
    ("why", "samples", "poll_s"),
    [
        ("a meter that moves at every poll", noisy(500), 1.0),
        ("ten polls a second of a meter that refreshes every second", noisy(3000, refresh=10), 0.1),
        ("a meter that refreshes every 11 s, read every 5 s", noisy(400, refresh=2), 5.5),
        ("a meter that refreshes once a minute", noisy(6000, refresh=60), 1.0),
        ("a constant load with a frequency of 10 mHz", noisy(2000, decimals=2), 1.0),
        (
            "a constant load with a frequency of 0.1 Hz that changes every ten minutes",
            [{"active_power_w": 5e3, "frequency_hz": 50.0 + 0.1 * (k // 600 % 2)} for k in range(12_000)],
            1.0,
        ),
        ("a constant load with a frequency of 0.1 Hz that changes now and then", now_and_then(20_000), 1.0),
        ("a constant power alone", [{"active_power_w": 5e3}] * 5000, 1.0),
        (
            "a busy load that falls still, on a meter of power alone",
            [{"active_power_w": float(k)} for k in range(500)] + [{"active_power_w": 0.0}] * 5000,
            1.0,
        ),
        (
            "a busy load that falls still while the voltage goes on",
            [{"active_power_w": float(k), "voltage_l1_n_v": 230.0 + k % 2} for k in range(500)]
            + [{"active_power_w": 0.0, "voltage_l1_n_v": 230.0 + k // 8 % 2} for k in range(500)],
            1.0,
        ),
    ],
)
def test_a_healthy_meter_is_never_called_frozen(why, samples, poll_s):
    assert alarms(course(samples, poll_s)) == 0, why


@pytest.mark.parametrize("name", SUBSTATIONS)
@pytest.mark.parametrize("held", [1, 60, 900])
def test_recorded_substations_raise_no_alarm(name, held):
    rhythms = course(recorded(name, held))
    assert rhythms[-1].changes > 50, "a rhythm is learned"
    assert alarms(rhythms) == 0


@pytest.mark.parametrize("name", SUBSTATIONS)
def test_a_recorded_substation_that_freezes_anywhere_is_found_within_its_own_rhythm(name):
    samples = recorded(name, held=20)
    for rhythm, stopped in list(zip(course(samples), samples, strict=True))[200::400]:
        found = next(after for after in course([stopped] * 200, 1.0, rhythm) if after.heard_s > after.until_s)
        assert 30.0 < found.heard_s - rhythm.changed_s <= 100.0


@pytest.mark.parametrize(
    ("why", "samples", "poll_s", "at_most_s"),
    [
        ("a fast meter", noisy(200), 1.0, 31.0),
        ("a fast meter, read ten times a second", noisy(2000), 0.1, 30.2),
        ("twenty polls, where they are longer", noisy(200), 3.0, 63.0),
        ("a meter that refreshes every 11 s", noisy(400, refresh=2), 5.5, 115.5),
        ("a meter that refreshes once a minute", noisy(6000, refresh=60), 1.0, 361.0),
    ],
)
def test_a_meter_that_stops_is_frozen_after_its_own_rhythm(why, samples, poll_s, at_most_s):
    last = course(samples, poll_s)[-1]
    stopped = course([samples[-1]] * 1000, poll_s, last)
    assert alarms(stopped) > 0, why
    first = next(rhythm for rhythm in stopped if rhythm.heard_s > rhythm.until_s)
    assert first.heard_s - first.changed_s <= at_most_s
    assert first.heard_s - first.changed_s >= max(30.0, 19.9 * poll_s)


@pytest.mark.parametrize("quantity", ["energy_import_wh", "active_power_w", "current_l2_a"])
def test_any_quantity_is_a_sign_of_life(quantity):
    last = course(noisy(100))[-1]
    assert alarms(course([{quantity: float(k // 10)} for k in range(300)], 1.0, last)) == 0


def test_a_pause_of_long_ago_no_longer_counts():
    """One pause of 25 s among changes of every second is a rhythm of its own only until it has faded."""
    paused = [{"frequency_hz": 50.0}] * 25 + [{"frequency_hz": 50.0 + k % 2 / 100} for k in range(20)]
    lively = [{"frequency_hz": 50.0 + k % 2 / 100} for k in range(600)]
    soon, late = course([*noisy(20), *paused])[-1], course([*noisy(20), *paused, *lively])[-1]
    assert soon.until_s - soon.changed_s > 75.0
    assert late.until_s - late.changed_s == 30.0


def test_a_meter_that_was_away_is_not_frozen_when_it_is_back():
    before = course(noisy(100))[-1]
    back = learn(before, dict(before.values), before.heard_s + 3600.0)
    assert back.heard_s <= back.until_s
    assert back.until_s == pytest.approx(back.heard_s + 30.0), "the hour is no pause of its rhythm"


def test_a_frozen_meter_that_moves_again_lives():
    last = course([noisy(1)[0]] * 60, 1.0, course(noisy(100))[-1])[-1]
    assert last.heard_s > last.until_s
    again = learn(last, {"frequency_hz": 49.99}, last.heard_s + 1.0)
    assert again.heard_s <= again.until_s
    assert again.until_s - again.changed_s == 30.0, "that it was frozen is no rhythm: the next time is found as soon"


@pytest.mark.parametrize("back_s", [0.0, 0.5, 100.0])
def test_a_sample_that_is_no_newer_teaches_nothing(back_s):
    last = course(noisy(100))[-1]
    assert learn(last, {"frequency_hz": 47.11}, last.heard_s - back_s) is last


def test_partial_samples_do_not_look_like_changes():
    """A fast sample without voltages, then a slow one with the same voltages, is no change."""
    last = course(noisy(100))[-1]
    same = [{"active_power_w": 1.0}, {"voltage_l1_n_v": 230.0}, {"frequency_hz": 50.0}]
    stopped = course(islice(cycle(same), 120), 1.0, last)
    assert stopped[-1].changed_s == stopped[2].heard_s
    assert alarms(stopped) > 0


samples_ = st.lists(
    st.tuples(st.floats(0, 100), st.dictionaries(st.sampled_from(["frequency_hz", "active_power_w"]), st.floats(0, 9))),
    max_size=60,
)


@given(samples_)
def test_no_course_ever_fails_and_a_change_is_believed(samples):
    rhythm, at_s = Rhythm(), 0.0
    for since_s, values in samples:
        at_s += since_s
        before, rhythm = rhythm, learn(rhythm, values, at_s)
        if rhythm is not before and any(before.values.get(name) != value for name, value in values.items()):
            assert rhythm.heard_s <= rhythm.until_s
