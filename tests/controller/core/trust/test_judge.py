"""All trust in the sources over a tick: what is heard, what counts, what is said."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.fleet.bounds import nobody_below
from controller.core.reasons import Code
from controller.core.site import SURPLUS
from controller.core.snapshot import Grade, SourceLoss, SourceSample
from controller.core.trust.judge import judge, no_trust
from tests.controller.core.world import site, with_rules

NOW_S = 100.0
SITE = site()  #: meters check and main at the root


def sample(source="main", power_w=50e3, *, age_s=0.5, grade=Grade.GOOD, invalid=None, notes=None, **values):
    return SourceSample(
        source=source,
        values={"active_power_w": power_w, **values},
        grade=grade,
        taken_s=NOW_S - age_s,
        arrived_s=NOW_S - age_s + 0.1,
        invalid=invalid or {},
        notes=notes or {},
    )


def judged(*heard, built=SITE, now_s=NOW_S, starting=False):
    return judge(no_trust(built), built, heard, nobody_below(built), now_s, starting=starting)


def codes(reasons):
    return [(reason.code, reason.subject) for reason in reasons]


BOTH = (sample("check"), sample("main"))
MARKED = {"active_power_w": "NaN marks it"}


@pytest.mark.parametrize(
    ("why", "heard", "doubts", "lost"),
    [
        ("all is well", BOTH, [], False),
        ("one was not read for a while", (sample("check"), sample(age_s=3.5)), [(Code.METER_SILENT, "main")], False),
        (
            "both",
            (sample("check", age_s=3.5), sample(age_s=3.5)),
            [(Code.METER_SILENT, "check"), (Code.METER_SILENT, "main")],
            False,
        ),
        (
            "both for too long",
            (sample("check", age_s=10.5), sample(age_s=10.5)),
            [(Code.METER_SILENT, "check"), (Code.METER_SILENT, "main")],
            True,
        ),
        ("one was never read", (sample("check"),), [(Code.METER_NEVER_READ, "main")], False),
        ("a loss is silence", (*BOTH[:1], SourceLoss(source="main", error="x", at_s=99.0)), [(Code.METER_NEVER_READ, "main")], False),
        ("more than it can be", (sample("check"), sample(power_w=50e6)), [(Code.METER_OVER_RATING, "main")], False),
        ("no grid", (sample("check", frequency_hz=4.0), sample()), [(Code.METER_OFF_GRID, "check")], False),
        (
            "no value for long",
            (sample("check"), sample(age_s=3.5), sample(invalid=MARKED, grade=Grade.UNCERTAIN)),
            [(Code.SAMPLE_INVALID, "main")],
            False,
        ),
        ("no value once", (*BOTH, sample(invalid=MARKED, grade=Grade.UNCERTAIN)), [], False),
    ],
)  # fmt: skip
def test_what_is_in_doubt_is_said(why, heard, doubts, lost):
    _, judgement = judged(*heard)
    assert codes(judgement.doubts.doubts) == doubts, why
    assert codes(judgement.doubts.lost) == ([(Code.NO_SITE_METER, "pcc")] if lost else []), why


def test_a_meter_elsewhere_does_not_stand_in_for_the_sites_own():
    elsewhere = replace(SITE, meters=replace(SITE.meters, node=np.array([0, 2], dtype=np.int64)))
    _, judgement = judged(sample("check", age_s=11.0), sample("main"), built=elsewhere)
    assert judgement.doubts.lost


def test_meters_that_disagree_hold_a_running_site_once_it_has_lasted_and_a_starting_one_at_once():
    heard = (sample("check", 92e3), sample("main", 130e3))
    trust, judgement = judged(*heard)
    assert codes(judgement.doubts.doubts) == []
    assert trust.contradicted_s == {"pcc": NOW_S}
    _, later = judge(
        replace(trust, contradicted_s={"pcc": NOW_S - 5.0}), SITE, (), nobody_below(SITE), NOW_S, starting=False
    )
    assert codes(later.doubts.doubts) == [(Code.METERS_DISAGREE, "pcc")]
    assert codes(judged(*heard, starting=True)[1].doubts.doubts) == [(Code.METERS_DISAGREE, "pcc")]


def test_a_60_hz_site_believes_60_hz_and_no_other():
    built = site(with_rules(frequency_hz=60.0))
    assert judged(sample("check", frequency_hz=59.98), sample("main"), built=built)[1].doubts.doubts == ()
    _, judgement = judged(sample("check", frequency_hz=50.0), sample("main"), built=built)
    (reason,) = judgement.doubts.doubts
    assert (reason.code, reason.parameters["grid_hz"]) == (Code.METER_OFF_GRID, 60.0)


def test_what_a_person_has_forced_is_said_of_the_source_and_holds_nothing():
    _, judgement = judged(sample("check"), sample(notes={"active_power_w": "a person has forced this value"}))
    assert judgement.doubts.doubts == ()
    (reason,) = judgement.reasons["main"]
    assert reason.code is Code.VALUE_NOTED
    assert reason.parameters == {"quantity": "active_power_w", "note": "a person has forced this value"}


def test_a_source_tells_why_it_gives_nothing_before_its_age_does():
    _, judgement = judged(*BOTH, SourceLoss(source="main", error="no answer", at_s=NOW_S))
    (reason,) = judgement.reasons["main"]
    assert (reason.code, reason.parameters) == (Code.SOURCE_LOST, {"error": "no answer"})
    assert codes(judgement.reasons[SURPLUS]) == [(Code.SURPLUS_NEVER_READ, SURPLUS)]


ITEMS = st.one_of(
    st.builds(
        sample,
        st.sampled_from(["main", "check", SURPLUS]),
        st.floats(),
        age_s=st.floats(0, 90),
        grade=st.sampled_from(list(Grade)),
        frequency_hz=st.floats(1, 100),
    ),
    st.builds(
        SourceLoss, source=st.sampled_from(["main", "check", SURPLUS]), error=st.just("gone"), at_s=st.floats(0, 99)
    ),
)


@given(st.lists(ITEMS, max_size=20), st.integers(0, 20))
def test_it_is_the_same_whether_samples_come_in_one_tick_or_in_two(items, cut):
    at_once, _ = judged(*items)
    first, _ = judged(*items[:cut])
    in_two, _ = judge(first, SITE, items[cut:], nobody_below(SITE), NOW_S, starting=False)
    assert in_two.sources == at_once.sources


@given(st.lists(ITEMS, max_size=20))
def test_columns_are_always_finite_and_of_a_good_sample(items):
    trust, judgement = judged(*items)
    assert np.isfinite(judgement.meters.power_w).all()
    for name, source in trust.sources.items():
        good = [item.taken_s for item in items if isinstance(item, SourceSample) and item.source == name
                and item.grade is Grade.GOOD and math.isfinite(item.values["active_power_w"])]  # fmt: skip
        assert source.taken_s == (good[-1] if good else -math.inf)
