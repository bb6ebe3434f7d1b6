"""A source's record over its samples: what counts at once, what has to repeat itself, what is said."""

import math

import pytest

from controller.core.reasons import Code
from controller.core.site import SURPLUS
from controller.core.snapshot import Grade, SourceLoss, SourceSample
from controller.core.trust.meter_trust import MeterTrust, Shown, hear, lose, unheard
from controller.texts.english import texts
from tests.controller.core.trust.test_plausibility import sample as values_of

RATING_W = 100e3


def sample(values, at_s=10.0, *, grade=Grade.GOOD, invalid=(), notes=(), arrived_s=None) -> SourceSample:
    return SourceSample(
        source="main",
        values=values,
        grade=grade,
        taken_s=at_s,
        arrived_s=at_s + 0.1 if arrived_s is None else arrived_s,
        invalid=dict(invalid),
        notes=dict(notes),
    )


def after(samples, trust: MeterTrust | None = None) -> MeterTrust:
    trust = trust or unheard("main", 50.0)
    begun_s = max(trust.rhythm.heard_s, 0.0)
    for k, each in enumerate(samples, start=1):
        trust = hear(trust, each if isinstance(each, SourceSample) else sample(each, begun_s + k), RATING_W)
    return trust


def code(reason):
    return reason and reason.code


RIGHT = values_of()
WRONG = values_of(30e3, amperes=0.04, phases=[10e3] * 3)
OFF_GRID = values_of(frequency_hz=1e-3)


@pytest.mark.parametrize(
    ("why", "samples", "expected"),
    [
        ("right", [RIGHT], None),
        ("a contradiction at first", [WRONG], Code.METER_OVER_AMPERES),
        ("one after right samples is chance", [RIGHT, RIGHT, WRONG], None),
        ("two in a row are not", [RIGHT, WRONG, WRONG], Code.METER_OVER_AMPERES),
        (
            "fast samples between two slow ones change nothing",
            [RIGHT, WRONG, {"active_power_w": 30e3}, WRONG],
            Code.METER_OVER_AMPERES,
        ),
        ("right again", [WRONG, WRONG, RIGHT], None),
        ("no frequency of a grid, at once", [RIGHT, OFF_GRID], Code.METER_OFF_GRID),
        (
            "a sample without a frequency does not make it right",
            [OFF_GRID, {"active_power_w": 1.0}],
            Code.METER_OFF_GRID,
        ),
        ("a grid again", [OFF_GRID, RIGHT], None),
    ],
)
def test_what_its_values_mean(why, samples, expected):
    trust = after(samples)
    assert code(trust.nonsense) is expected, why
    assert [reason.code for reason in trust.doubts] == ([expected] if expected else []), why


def test_volts_vouch_until_they_deny():
    assert not after([{"active_power_w": 30e3}]).vouched
    trust = after([RIGHT, {"active_power_w": 30e3}])
    assert trust.vouched
    assert not after([WRONG], trust).vouched


def test_hardly_any_power_is_a_contradiction_only_before_the_scale_is_known():
    even = values_of(30.0, amperes=43.5, phases=[10.0] * 3)
    assert code(after([even]).nonsense) is Code.METER_UNDER_AMPERES
    assert after([RIGHT, even, even, even]).nonsense is None


def test_a_frozen_meter_is_said_to_be():
    lively = after([values_of(frequency_hz=50.0 + k % 3 / 100) for k in range(100)])
    assert lively.doubts == ()
    frozen = after([values_of(frequency_hz=50.0)] * 40, lively)
    assert [reason.code for reason in frozen.doubts] == [Code.METER_FROZEN]
    assert frozen.believed_s < frozen.taken_s, "its time stands still; its last value is as good as it was"


def test_counters_are_compared_with_power():
    def course(per_hour):
        return [
            {"active_power_w": 36e3 + k % 2} | ({"energy_import_wh": per_hour * k / 3600} if k % 10 == 0 else {})
            for k in range(1000)
        ]

    assert after(course(36e3)).doubts == ()
    assert after(course(36e3)).vouched
    assert "counts 0.333 times the energy" in texts(after(course(12e3)).doubts)


def test_slow_samples_that_come_without_power_are_counted_too():
    fast = [{"active_power_w": 36e3 + k % 2} for k in range(1000)]
    for k in range(0, 1000, 10):
        fast[k] = {"energy_import_wh": 36e6 * k / 3600}
    assert "counts 1e+03 times" in texts(after(fast).doubts)


def test_before_the_first_sample_there_is_no_value():
    trust = unheard("main", 50.0)
    assert (trust.taken_s, trust.grade, code(trust.fault)) == (-math.inf, Grade.BAD, Code.METER_NEVER_READ)
    assert code(unheard(SURPLUS, 50.0).fault) is Code.SURPLUS_NEVER_READ


def test_of_a_right_meter_there_is_nothing_to_be_said():
    assert after([RIGHT]).reasons == ()


def test_zero_is_a_value():
    trust = after([{"active_power_w": 0.0}])
    assert (trust.value_w, trust.taken_s, trust.fault) == (0.0, 1.0, None)


@pytest.mark.parametrize(
    ("item", "grade", "fault"),
    [
        (sample({"active_power_w": 9e9}, 20.0, grade=Grade.UNCERTAIN), Grade.UNCERTAIN, Code.SAMPLE_DOUBTED),
        (sample({"active_power_w": 9e9}, 20.0, grade=Grade.BAD), Grade.BAD, Code.SAMPLE_DOUBTED),
        (sample({"active_power_w": 0.0, "frequency_hz": 0.0}, 20.0), Grade.UNCERTAIN, Code.SAMPLE_ALL_ZERO),
        (sample({}, 20.0, invalid={"active_power_w": "NaN marks it"}), Grade.UNCERTAIN, Code.SAMPLE_INVALID),
        (sample({"active_power_w": math.nan}, 20.0), Grade.UNCERTAIN, Code.SAMPLE_NOT_FINITE),
        (sample({"active_power_w": -math.inf}, 20.0), Grade.UNCERTAIN, Code.SAMPLE_NOT_FINITE),
        (sample({"active_power_w": 9e9}, math.nan), Grade.UNCERTAIN, Code.SAMPLE_NOT_FINITE),
        (sample({"active_power_w": 9e9}, 20.0, arrived_s=math.nan), Grade.UNCERTAIN, Code.SAMPLE_NOT_FINITE),
        (SourceLoss(source="main", error="no answer", at_s=20.0), Grade.BAD, Code.SOURCE_LOST),
    ],
)
def test_what_is_not_good_leaves_the_last_good_value_to_age(item, grade, fault):
    trust = after([{"active_power_w": 5e3}])
    trust = lose(trust, item) if isinstance(item, SourceLoss) else hear(trust, item, RATING_W)
    assert (trust.value_w, trust.taken_s) == (5e3, 1.0)
    assert (trust.grade, code(trust.fault)) == (grade, fault)
    trust = after([sample({"active_power_w": 6e3}, 30.0)], trust)
    assert (trust.value_w, trust.taken_s, trust.fault) == (6e3, 30.0, None)


def test_a_loss_does_not_make_a_wrong_frequency_right():
    trust = lose(after([OFF_GRID]), SourceLoss(source="main", error="no answer", at_s=11.0))
    trust = after([sample({"active_power_w": 5e3}, 12.0, grade=Grade.UNCERTAIN)], trust)
    assert code(trust.nonsense) is Code.METER_OFF_GRID


def test_a_meter_may_serve_as_surplus_source():
    assert after([{"surplus_w": -3e3}]).value_w == -3e3
    assert after([{"surplus_w": -3e3}, {"active_power_w": -4e3}]).value_w == -4e3


def test_slow_quantities_stay_and_come_alone():
    trust = after(
        [{"active_power_w": 5e3, "energy_import_wh": 7e6}, {"active_power_w": 6e3}, {"voltage_l1_n_v": 230.0}]
    )
    assert trust.shown == {
        "active_power_w": Shown(6e3, 2.0), "energy_import_wh": Shown(7e6, 1.0), "voltage_l1_n_v": Shown(230.0, 3.0),
    }  # fmt: skip
    assert (trust.value_w, trust.taken_s, trust.grade, trust.fault) == (6e3, 2.0, Grade.GOOD, None)


def test_a_value_that_claims_to_be_taken_after_it_arrived_is_as_old_as_its_arrival():
    trust = after([sample({"active_power_w": 5e3}, 500.0, arrived_s=20.0)])
    assert trust.taken_s == 20.0
    assert trust.shown["active_power_w"].taken_s == 20.0


def test_a_note_stays_until_the_quantity_comes_without_it():
    forced = sample({"active_power_w": 5e3}, 1.0, notes={"active_power_w": "a person has forced this value"})
    trust = after([forced, {"energy_import_wh": 1.0}])
    assert texts(trust.noted) == "meter main active_power_w: a person has forced this value"
    assert after([{"active_power_w": 5e3}], trust).noted == ()
    assert lose(trust, SourceLoss(source="main", error="no answer", at_s=9.0)).noted == ()
    invalid = sample({}, 9.0, invalid={"active_power_w": "NaN"}, grade=Grade.UNCERTAIN)
    assert after([invalid], trust).noted == ()
