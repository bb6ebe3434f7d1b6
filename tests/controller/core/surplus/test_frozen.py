"""A surplus reading that stands still under fresh stamps while the site's own power moves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.modes import Mode
from controller.core.site import SurplusModel
from controller.core.surplus.estimate import SurplusState, estimate_surplus
from controller.core.surplus.frozen import FrozenSurplus, SurplusReading, watch
from controller.texts.english import text
from tests.controller.core.test_invariants import play, worlds
from tests.controller.core.world import World, order, said, site, with_rules
from tests.examples import examples

#: With the contract of 200 kW a step of the source counts as 2 kW at least and 10 kW at most.
EXPORT = with_rules(surplus_model=SurplusModel.EXPORT)
HEADROOM = with_rules(surplus_model=SurplusModel.HEADROOM, surplus_rating_w=500e3)
DIRECT = with_rules()
BOTH = pytest.mark.parametrize("rules", [EXPORT, HEADROOM], ids=["export", "headroom"])

LASTING = 15 + 2 * 2


def doubt_after(rules, cycles):
    """Return the doubt after cycles of (x in kW, P in kW), one second apart."""
    record, powers = FrozenSurplus(), ()
    for k, (x, power) in enumerate(cycles):
        powers = (*powers, (float(k), power * 1e3))[-11:]
        record = watch(record, rules, SurplusReading(value_w=x * 1e3, taken_s=float(k)), powers)
    return record.doubt


FINE = [(40.3, 60), (39.8, 60), (40, 60)]
COARSE = [(30, 61), (50, 59), (40, 60)]
MOVING = [(41, 60), (41, 75), *[(41, 90)] * (LASTING + 5)]
REST = [(40, 60)] * 5


@pytest.mark.parametrize(
    ("why", "frozen", "cycles"),
    [
        ("the site went up and x stands", True, [*FINE, *REST, *[(40, 80)] * (LASTING + 2)]),
        ("the site went down and x stands", True, [*FINE, *REST, *[(40, 40)] * (LASTING + 2)]),
        ("frozen from the start, by more than two of the coarsest steps", True, [*REST, *[(40, 90)] * (LASTING + 2)]),
        ("it may still be refreshed", False, [*FINE, *REST, *[(40, 80)] * LASTING]),
        ("x answers at last", False, [*FINE, *REST, *[(40, 80)] * LASTING, *[(20, 80)] * 60]),
        ("the site is back before x is refreshed", False, [*FINE, *REST, *[(40, 80)] * LASTING, *[(40, 61)] * 60]),
        ("the site at rest: x may stand for ever", False, [*FINE, *[(40, 60)] * 900]),
        ("the site's noise is no move", False, [*FINE, *REST, *[(40, 62), (40, 58)] * 60]),
        ("a quarter of an hour of constant surplus, the site moves, x too", False, [*FINE, *[(40, 60)] * 900, *[(10, 90)] * 900]),
        ("coarse: less than two of its steps", False, [*COARSE, *REST, *[(40, 80)] * 60]),
        ("coarse: more than two of its steps", True, [*COARSE, *REST, *[(40, 90)] * (LASTING + 2)]),
        ("coarseness not yet known: less than two of the coarsest", False, [*REST, *[(40, 80)] * 60]),
        ("refreshed every ten seconds", False, [(40 - 2 * k, 60 + 2 * k + j / 5) for k in range(20) for j in range(10)]),
        ("frozen while the site moved: which of its powers x belongs to is open", False, [*FINE, *REST, *MOVING]),
        ("and the next move tells", True, [*FINE, *REST, *MOVING, *[(41, 70)] * (LASTING + 2)]),
        ("only another value releases it", True, [*FINE, *REST, *[(40, 80)] * 40, *[(40, 60)] * 40]),
        ("another value releases it", False, [*FINE, *REST, *[(40, 80)] * 40, (39.9, 80)]),
    ],
)  # fmt: skip
@BOTH
def test_x_must_move_against_the_site(rules, why, frozen, cycles):
    assert bool(doubt_after(rules, cycles)) == frozen, why
    assert doubt_after(DIRECT, cycles) is None, "a direct surplus owes no answer"


def test_nothing_is_said_while_the_site_has_no_meter():
    readings = [SurplusReading(value_w=value, taken_s=at_s) for at_s, value in ((50.0, 40e3), (90.0, 41e3))]
    record = watch(FrozenSurplus(), EXPORT, readings[0], ((0.0, 60e3),))
    assert watch(record, EXPORT, readings[1], ((0.0, 60e3),)).doubt is None


def test_the_doubt_is_worded_for_people():
    assert text(doubt_after(EXPORT, [*FINE, *REST, *[(40, 80)] * 60])) == (
        "the surplus reading stands still at 40 kW while the site went from 60 to 80 kW: is its source frozen?"
    )


def courses(rules, cycles):
    """Return the states after cycles of (x of the export model, P), in kW, one second apart."""
    state, seen = SurplusState(), []
    for k, (x, power) in enumerate(cycles):
        value_w = x * 1e3 if rules is EXPORT else rules.surplus_rating_w - x * 1e3
        reading = SurplusReading(value_w=value_w, taken_s=float(k))
        state = estimate_surplus(state, rules, reading, (float(k), power * 1e3), float(k))
        seen.append(state)
    return seen


@pytest.mark.parametrize(
    ("why", "cycles", "expected"),
    [
        ("no rise by the site's own rise", [*REST, *[(40, 60 + k) for k in range(40)]], 100e3),
        ("nor after a pause longer than what is kept", [*REST * 6, *[(40, 90)] * 15], 100e3),
        ("a fall of the site still counts", [*REST, *[(40, 50)] * 15], 90e3),
        ("and back, but no further", [*REST, *[(40, 50)] * 9, *[(40, 75)] * 9], 100e3),
        ("with the answer, all of it", [*REST, *[(40, 70)] * 5, *[(40, 80)] * 5, *[(30, 80)] * 5], 110e3),
    ],
)
@BOTH
def test_s_does_not_rise_by_a_rise_that_x_has_not_answered(rules, why, cycles, expected):
    assert courses(rules, cycles)[-1].estimate_w == expected, why


@BOTH
def test_a_frozen_reading_ages_from_its_last_change_and_is_young_again_when_it_moves(rules):
    seen = courses(rules, [*FINE, *REST, *[(40, 80)] * 80, *[(20, 80)] * 10])
    assert seen[20].heard_s == 20.0
    assert {state.heard_s for state in seen[40:88]} == {2.0}
    assert seen[2 + 60].estimate_w == 100e3
    assert seen[2 + 61].estimate_w == 0.0
    assert seen[88].heard_s == 88.0
    assert seen[-1].estimate_w == 100e3


def frozen_world(rules, **changes):
    return World(site(rules, miners=20, stepped=6, gpus=1), surplus_w=60e3, tick_s=1.0, **changes)


@BOTH
def test_a_frozen_source_is_hold_then_only_the_firm_power_then_normal_again(rules):
    world = frozen_world(rules)
    world.run(60)
    world.frozen = True
    world.run(5)
    world.orders = (order(30e3, world),)
    world.until(lambda decision: decision.mode is Mode.HOLD, 30)
    assert "is its source frozen?" in said(world.history[-1][-1])
    world.orders = ()
    world.run(20)
    assert world.site_w <= 31e3, "nothing rises"
    assert world.run(60).envelope_w[0] == rules.firm_w
    assert world.site_w <= rules.firm_w * 1.01
    world.frozen = False
    world.until(lambda decision: decision.mode is Mode.NORMAL, 10)
    world.run(60)
    assert world.site_w > 60e3


@BOTH
@pytest.mark.parametrize("grain_w", [0.0, 1e3, 10e3])
def test_frozen_from_the_very_start(rules, grain_w):
    world = frozen_world(rules, frozen=True, grain_w=grain_w)
    world.run(300)
    assert max(entry[1] for entry in world.history) <= (rules.firm_w + 60e3) * 1.01 + grain_w / 2
    assert "is its source frozen?" in said(world.history[-1][-1])
    assert world.site_w <= rules.firm_w * 1.01


@st.composite
def freezes(draw):
    """Return (world, plan, seconds until it freezes, plan after that), the surplus never falling after the freeze."""
    world, plan = draw(worlds(faults=False, models=(SurplusModel.EXPORT, SurplusModel.HEADROOM)))
    later = draw(
        st.lists(
            st.tuples(st.integers(5, 60), st.floats(0.0, 60e3), st.none() | st.floats(0.0, 150e3), st.floats(0.6, 1.0)),
            min_size=1,
            max_size=3,
        )
    )
    return world, plan, draw(st.integers(4, 30)), later


def freeze(world, plan, until_s, later):
    """Play the plan, freeze the source, play what comes later; return the surplus at the freeze."""
    play(world, plan)
    world.run(until_s)
    world.frozen, surplus_w = True, world.surplus_w
    for k, (seconds, more_w, limit_w, gpu_use) in enumerate(later):
        world.surplus_w = surplus_w + more_w
        world.gpu_use = gpu_use
        world.orders = () if limit_w is None else (order(limit_w, world, id=f"later{k}", begun=True),)
        world.run(seconds)
    return surplus_w


@given(freezes())
@settings(max_examples=examples(6, times=40), deadline=None)
def test_i1_holds_when_the_source_freezes_at_any_moment(case):
    world, *rest = case
    surplus_w = freeze(world, *rest)
    world.surplus_w = surplus_w
    world.run(60)
    assert world.violations() == []


@BOTH
def test_i1_holds_when_the_source_freezes_just_before_the_site_may_rise(rules):
    """Else each watt that the site rises by would be one more that the grid seems to spare."""
    world = frozen_world(rules)
    world.orders = (order(30e3, world),)
    world.run(40)
    world.frozen, world.orders = True, ()
    world.run(40)
    assert world.violations() == []
    assert world.site_w > 60e3, "it does rise"


@given(freezes(), st.sampled_from([1e3, 10e3]))
@settings(max_examples=examples(8), deadline=None)
def test_a_coarse_source_that_freezes_lets_the_surplus_rise_by_no_more_than_its_step(case, grain_w):
    world, plan, until_s, later = case
    world.grain_w = grain_w
    surplus_w = freeze(world, plan, max(until_s, 15), later)
    frozen = [decision.surplus_w for *_, decision in world.history[-int(sum(leg[0] for leg in later) / world.tick_s) :]]
    assert max(frozen) <= surplus_w * 1.01 + grain_w


@given(worlds(faults=False), st.sampled_from([0.0, 1e3, 10e3]), st.sampled_from([0.0, 5.0, 10.0]))
@settings(max_examples=examples(12), deadline=None)
def test_no_living_source_is_taken_for_frozen(case, grain_w, refresh_s):
    """But for a coarse one whose surplus moves with the site, by as much: what flows back is the same before and after.

    So the surplus of a coarse one stands still from the very start, before the plan begins, too.
    """
    world, plan = case
    world.grain_w, world.refresh_s = grain_w, refresh_s
    if grain_w:
        world.surplus_w = plan[0][1]
    play(world, [(seconds, world.surplus_w if grain_w else watts, *more) for seconds, watts, *more in plan])
    assert not any("stands still" in said(decision) for *_, decision in world.history)


@BOTH
def test_the_site_must_have_been_elsewhere_for_longer_than_the_slowest_source_takes(rules):
    at_first, elsewhere = [(50, 10)] * 30, [(50, 90)]
    assert doubt_after(rules, at_first + elsewhere * (LASTING + 1)) is None
    assert doubt_after(rules, at_first + elsewhere * (LASTING + 2)) is not None
