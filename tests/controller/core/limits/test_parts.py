"""The parts of an envelope, claim by claim."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.limits.parts import CLAIMS, EnvelopePart, EnvelopeParts

WATTS = st.floats(0.0, 1e8)
ONE = np.array([3])


def of_one(whole_w, least_w=0.0, most_w=None, counted_w=0.0, **claims_w) -> dict[EnvelopePart, float]:
    """Return the parts of one node's envelope that are not nothing."""
    parts = EnvelopeParts(
        nodes=ONE,
        whole_w=np.array([whole_w]),
        least_w=np.array([least_w]),
        most_w=np.array([least_w if most_w is None else most_w]),
        counted_w=np.array([counted_w]),
        claims_w={EnvelopePart(name): np.array([watts]) for name, watts in claims_w.items()},
    )
    found = parts.by_node()
    assert list(found) == [3]
    return {part: watts for part, watts in found[3].items() if watts}


@given(
    st.floats(0.0, 1e8), WATTS, WATTS, WATTS, st.dictionaries(st.sampled_from(CLAIMS), st.floats(-1e8, 1e8), max_size=9)
)
def test_the_parts_are_the_whole_and_none_is_negative_but_what_is_above_it(
    whole_w, least_w, apart_w, counted_w, claims
):
    found = of_one(
        whole_w, least_w, least_w + apart_w, counted_w, **{part.value: watts for part, watts in claims.items()}
    )
    assert sum(found.values()) == pytest.approx(whole_w, abs=1e-6, rel=1e-12)
    above_w = found.pop(EnvelopePart.ABOVE, 0.0)
    assert above_w == pytest.approx(min(0.0, whole_w - least_w - apart_w - counted_w), abs=1e-6, rel=1e-12)
    assert all(watts > 0.0 for watts in found.values())


def test_what_is_drawn_by_the_one_meter_and_by_the_other_is_apart():
    assert of_one(100.0, 90.0, 92.0) == {"used": 90.0, "meters_apart": 2.0, "undrawn": 8.0}


def test_what_no_meter_shows_is_counted_and_not_said_to_be_used():
    assert of_one(100.0, counted_w=95.0, tolerance=5.0) == {"counted": 95.0, "tolerance": 5.0}


def test_the_surest_claim_comes_first_and_what_nothing_claims_is_undrawn():
    claims = {"starting": 9.0, "house_drift": 3.0, "ramp": 4.0}
    assert of_one(100.0, 90.0, **claims) == {"used": 90.0, "house_drift": 3.0, "ramp": 4.0, "starting": 3.0}
    assert of_one(100.0, 80.0, **claims)["undrawn"] == pytest.approx(4.0)


def test_more_than_the_envelope_is_told_as_what_is_above_it():
    assert of_one(50.0, 60.0, ramp=4.0) == {"used": 60.0, "above": -10.0}


def test_a_claim_below_zero_is_none():
    assert of_one(100.0, 90.0, tolerance=-5.0, ramp=20.0) == {"used": 90.0, "ramp": 10.0}
