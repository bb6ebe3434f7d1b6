"""A meter's record over its samples: what counts at once, what has to repeat itself, what is said."""

import pytest

from controller.core.trust.meter_trust import Witness, hear
from tests.controller.core.trust.test_plausibility import sample

RATING_W = 100e3


def after(samples, witness=None):
    witness = witness or Witness()
    begun_s = max(witness.life.heard_s, 0.0)
    for k, values in enumerate(samples, start=1):
        witness = hear(witness, values, begun_s + k, RATING_W)
    return witness


RIGHT = sample()
WRONG = sample(30e3, amperes=0.04, phases=[10e3] * 3)
OFF_GRID = sample(frequency_hz=1e-3)


@pytest.mark.parametrize(
    ("why", "samples", "words"),
    [
        ("right", [RIGHT], ""),
        ("a contradiction at first", [WRONG], "more power than its volts and amperes"),
        ("one after right samples is chance", [RIGHT, RIGHT, WRONG], ""),
        ("two in a row are not", [RIGHT, WRONG, WRONG], "more power than its volts and amperes"),
        ("fast samples between two slow ones change nothing", [RIGHT, WRONG, {"active_power_w": 30e3}, WRONG], "volts"),
        ("right again", [WRONG, WRONG, RIGHT], ""),
        (
            "no frequency of a grid, at once",
            [RIGHT, OFF_GRID],
            "no 50 Hz grid frequency: is its profile the right one?",
        ),
        ("a sample without a frequency does not make it right", [OFF_GRID, {"active_power_w": 1.0}], "no 50 Hz"),
        ("a grid again", [OFF_GRID, RIGHT], ""),
    ],
)
def test_what_its_values_mean(why, samples, words):
    witness = after(samples)
    assert words in witness.nonsense, why
    assert bool(words) is bool(witness.nonsense), why
    assert witness.nonsense in witness.doubt


def test_volts_vouch_until_they_deny():
    assert not after([{"active_power_w": 30e3}]).vouched
    witness = after([RIGHT, {"active_power_w": 30e3}])
    assert witness.vouched
    assert not after([WRONG], witness).vouched


def test_hardly_any_power_is_a_contradiction_only_before_the_scale_is_known():
    even = sample(30.0, amperes=43.5, phases=[10.0] * 3)
    assert "next to no power" in after([even]).nonsense
    assert after([RIGHT, even, even, even]).nonsense == ""


def test_a_frozen_meter_is_said_to_be():
    lively = after([sample(frequency_hz=50.0 + k % 3 / 100) for k in range(100)])
    assert not lively.frozen
    frozen = after([sample(frequency_hz=50.0)] * 40, lively)
    assert frozen.frozen
    assert "frozen" in frozen.doubt
    assert frozen.nonsense == "", "its time stands still; its last value is as good as it was"


def test_counters_are_compared_with_power():
    def course(per_hour):
        return [
            {"active_power_w": 36e3 + k % 2} | ({"energy_import_wh": per_hour * k / 3600} if k % 10 == 0 else {})
            for k in range(1000)
        ]

    assert after(course(36e3)).doubt == ""
    assert after(course(36e3)).vouched
    assert "counts 0.333 times the energy" in after(course(12e3)).doubt


def test_slow_samples_that_come_without_power_are_counted_too():
    fast = [{"active_power_w": 36e3 + k % 2} for k in range(1000)]
    for k in range(0, 1000, 10):
        fast[k] = {"energy_import_wh": 36e6 * k / 3600}
    assert "counts 1e+03 times" in after(fast).doubt
