"""The house load as tables of what a node's meter shows, second by second."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.limits.house_load import declared_house, estimate_house, remembered_house, sure_of, without_heard
from controller.core.trust.node_power import NodePower
from controller.core.trust.node_trust import NodeTrust

DECLARED_W = 10.0
#: In this time a lower load has held for long enough to count.
LONG_S = 200
UNPROVEN, SILENT, FALSE = {"proven": False}, {"known": False, "still": True}, {"still": True, "false": True}


def course(*legs):
    """Return the house load after each leg (seconds, power, what else is not as usual), a tick a second.

    The devices draw `least` to `most` watts, 100 unless a leg says otherwise.
    """
    house, now_s, found = declared_house(np.array([DECLARED_W])), 0.0, []
    for seconds, power, *other in legs:
        given_ = {"least": 100.0, "most": 100.0, "known": True, "proven": True, "still": False, "false": False}
        leg = given_ | (other[0] if other else {})
        trust = NodeTrust(**{name: np.array([leg[name]]) for name in ("proven", "still", "false")})
        for _ in range(seconds):
            now_s += 1.0
            shown = NodePower(watts=np.array([power]), known=np.array([leg["known"]]), taken_s=np.array([now_s]))
            house = estimate_house(house, shown, trust, np.array([leg["least"]]), np.array([leg["most"]]), now_s, 1.0)
        found.append(float(house.watts[0]))
    return found


@pytest.mark.parametrize(
    ("why", "legs", "watts"),
    [
        ("more than thought counts at once", [(1, 130.0)], [30.0]),
        ("what may be the devices is not house load", [(LONG_S, 130.0, {"least": 50.0, "most": 125.0})], [10.0]),
        ("no meter, no change", [(LONG_S, 999.0, {"known": False})], [10.0]),
        ("less than thought does not count at once", [(120, 104.0)], [10.0]),
        ("less than thought counts once it has held", [(LONG_S, 104.0)], [4.0]),
        ("but by a proven meter only", [(LONG_S, 104.0, UNPROVEN)], [10.0]),
        ("more by any meter", [(1, 130.0, UNPROVEN)], [30.0]),
        ("what was more for a moment is gone soon", [(10, 150.0), (40, 110.0)], [50.0, 10.0]),
        ("what was more for a while is kept free", [(60, 150.0), (60, 110.0)], [50.0, 50.0]),
        ("a house is no generator", [(LONG_S, 60.0)], [0.0]),
        ("two minutes of less, unnoticed, leave nothing behind", [(120, 60.0), (LONG_S, 110.0)], [10.0, 10.0]),
        (
            "nor where the devices may draw what they do not",
            [(120, 60.0), (LONG_S, 110.0, {"least": 95.0, "most": 130.0})],
            [10.0, 10.0],
        ),
        ("nothing is learnt in silence", [(LONG_S, 104.0, SILENT)], [10.0]),
        ("nor from a meter in doubt", [(LONG_S, 104.0, {"still": True})], [10.0]),
        ("which may raise it", [(1, 130.0, {"still": True})], [30.0]),
        ("what is proven before a doubt does not count with what is after", [(140, 104.0), (5, 60.0, FALSE), (40, 104.0)], [10.0] * 3),
        ("a false meter's more is forgotten", [(20, 400.0), (1, 0.0, FALSE | {"known": False})], [300.0, 10.0]),
        ("a silent one's is not", [(20, 150.0), (60, 0.0, SILENT)], [50.0, 50.0]),
        ("what was proven long before a doubt stays", [(100, 150.0), (1, 0.0, FALSE | {"known": False})], [50.0, 50.0]),
    ],
)  # fmt: skip
def test_house_load(why, legs, watts):
    """After some minutes in which it was as declared."""
    assert course((LONG_S, 100.0 + DECLARED_W), *legs)[1:] == pytest.approx(watts, abs=0.1), why


def test_what_is_declared_counts_until_a_proven_meter_shows_less():
    assert course((60, 104.0, UNPROVEN), (60, 104.0)) == pytest.approx([10.0, 10.0], abs=0.1), (
        "and not if it has counted"
    )
    assert course((60, 104.0)) == pytest.approx([4.0], abs=0.1)


RISING = (10, 400.0, {"least": 100.0, "most": 400.0})


@pytest.mark.parametrize(
    ("why", "legs", "watts"),
    [
        ("two samples while all devices are known to the watt measure it", [(2, 104.0), RISING], 4.0),
        ("one alone may be off", [(1, 110.0), (1, 100.0), RISING], 10.0),
        ("nor while the devices may draw more", [(2, 104.0, {"most": 110.0}), RISING], 8.3),
        ("nor an unproven meter", [(2, 104.0, UNPROVEN), RISING], 10.0),
        ("nor one in doubt", [(2, 104.0, {"still": True}), RISING], 10.0),
        ("nor later", [(20, 110.0), (2, 104.0), RISING], 10.0),
    ],
)
def test_a_start_with_all_devices_off_measures_the_house_load_before_they_rise(why, legs, watts):
    assert course(*legs)[-1] == pytest.approx(watts, abs=0.1), why


def test_a_meter_that_is_false_at_once_leaves_what_is_declared():
    assert course((10, 60.0), (1, 60.0, FALSE), (60, 110.0))[-1] == pytest.approx(10.0)


LEGS = st.lists(
    st.tuples(
        st.integers(1, 60),
        st.floats(-500.0, 500.0),
        st.fixed_dictionaries(
            {"least": st.floats(0.0, 100.0), "most": st.floats(100.0, 200.0), "proven": st.booleans()},
            optional={"still": st.booleans()},
        ),
    ),
    min_size=1,
    max_size=6,
)


@given(LEGS)
def test_never_below_what_the_meter_proves_nor_below_nothing(legs):
    for watts, (_, power, bounds) in zip(course(*legs), legs, strict=True):
        assert watts >= max(power - bounds["most"], 0.0) - 1e-6


@given(LEGS, st.integers(1, 120), st.floats(-500.0, 100.0), st.booleans())
def test_a_lie_of_two_minutes_leaves_no_less_than_there_was(legs, lasts_s, shown_w, noticed):
    """Whatever was learnt before, and for how long: once the meter is right again, all of the house load is kept free."""
    honest = (60, 100.0 + DECLARED_W, {"least": 80.0, "most": 130.0})
    *_, before, during, after = course(
        *legs, honest, (lasts_s, shown_w, {"still": noticed}), (*honest[:1], *honest[1:])
    )
    assert during >= min(before, DECLARED_W) - 1e-6
    assert after >= min(before, DECLARED_W) - 1e-6


TRUSTED = NodeTrust(proven=np.array([True]), still=np.array([False]), false=np.array([False]))
#: Watts that devices draw which nobody has heard of, and that they may draw.
UNHEARD_W, NAMEPLATE_W = 60.0, 90.0


def shown(house, now_s, power_w, most_w, unheard_w):
    """Return the house load after one more second; devices that were heard draw up to `most_w`, the others up to `unheard_w`."""
    power = NodePower(watts=np.array([power_w]), known=np.array([True]), taken_s=np.array([now_s]))
    house = estimate_house(house, power, TRUSTED, np.array([most_w]), np.array([most_w]), now_s, 1.0)
    return sure_of(house, power, np.array([most_w + unheard_w]))


def unheard_for(seconds, house_w=DECLARED_W):
    """Return the house load after a start that knew it and hears nothing of some devices; others draw 100 W, and the house `house_w`."""
    house = remembered_house(np.array([DECLARED_W]), np.array([DECLARED_W]))
    for now_s in range(seconds):
        house = shown(house, float(now_s), 100.0 + house_w + UNHEARD_W, 100.0, NAMEPLATE_W)
    return house


@pytest.mark.parametrize("seconds", [2, 30, 300])
def test_what_devices_draw_that_were_never_heard_of_is_house_load_until_they_are(seconds):
    house = unheard_for(seconds)
    assert (house.watts[0], house.sure_w[0]) == (DECLARED_W + UNHEARD_W, DECLARED_W)
    house = shown(
        without_heard(house, np.array([UNHEARD_W])), seconds, 100.0 + DECLARED_W + UNHEARD_W, 100.0 + UNHEARD_W, 0.0
    )
    assert (house.watts[0], house.sure_w[0]) == (DECLARED_W, DECLARED_W)


def test_what_devices_cannot_draw_that_were_never_heard_of_stays_house_load():
    house = unheard_for(30, house_w=DECLARED_W + 50.0)
    assert (house.watts[0], house.sure_w[0]) == (
        DECLARED_W + 50.0 + UNHEARD_W,
        DECLARED_W + 50.0 + UNHEARD_W - NAMEPLATE_W,
    )


@given(
    st.floats(0.0, 200.0),
    st.floats(0.0, 200.0),
    st.floats(0.0, NAMEPLATE_W),
    st.floats(0.0, NAMEPLATE_W),
    st.integers(1, 60),
)
def test_nothing_is_freed_by_hearing_of_a_device(house_w, later_w, drawn_w, more_w, seconds):
    """Whatever the house does meanwhile, and whatever is said of the device: what counts as its own beside the house is no less than before."""
    house = unheard_for(seconds, house_w=house_w)
    before, counts_w = house.watts[0], drawn_w + more_w
    power_w = 100.0 + later_w + UNHEARD_W
    house = without_heard(house, np.array([drawn_w]))
    assert house.watts[0] + counts_w >= before - 1e-6
    assert house.watts[0] >= house.sure_w[0] - 1e-6
    house = shown(house, seconds, power_w, 100.0 + counts_w, 0.0)
    assert house.watts[0] + 100.0 + counts_w >= power_w - 1e-6, "the loop stays closed on the meter"
