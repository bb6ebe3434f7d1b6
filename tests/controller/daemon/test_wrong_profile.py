"""A wrong profile for a meter, through registers, decoder, mailbox and core: never NORMAL, with a reason a person understands."""

import re
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.modes import Mode
from drivers.meters.profiles import Profile, bundled_profiles
from simulators.substation.encoder import read_data
from tests.controller.core.world import said, site, with_rules
from tests.controller.daemon.wired import Wired, profile_of
from tests.examples import examples

SITE = site(with_rules(), miners=20, stepped=6, gpus=1)
NAMES = [name for name in bundled_profiles() if not name.startswith("sunspec")]
WITH_FREQUENCY = ["schneider_pm5xxx", "carlo_gavazzi_em24", "janitza_umg96rm", "eastron_sdm630", "siemens_pac3200_4200"]
WORDS = (
    "no 50 Hz grid frequency|of its rating|show less than the devices|volts and amperes|sum of its phases|"
    "gives no value: .*is its profile the right one|is silent|has never been read|nothing but zeros|"
    "counts .* the energy|does not follow the steps"
)


def started(seconds=14.0, **wiring) -> Wired:
    world = Wired(SITE, surplus_w=60e3, **wiring)
    world.run(seconds)
    return world


def modes(world) -> set[Mode]:
    return {decision.mode for *_, decision in world.history}


def changed(profile: Profile, names=None, **parts) -> Profile:
    """Return the profile with other parts in the registers of `names`, of all if None; callables get what stands there."""
    registers = {
        name: replace(row, **{key: part(row) if callable(part) else part for key, part in parts.items()})
        if names is None or name in names
        else row
        for name, row in profile.registers.items()
    }
    return replace(profile, registers=registers)


def shifted(by):
    return lambda profile: changed(profile, addresses=lambda row: tuple(max(0, each + by) for each in row.addresses))


def scaled(by, names=("active_power_w",)):
    return lambda profile: changed(profile, names, factor=lambda row: row.factor * Fraction(by))


def swapped(profile):
    return changed(profile, word_order=lambda row: "little" if row.word_order == "big" else "big")


WRONG = {
    "the wrong word order": swapped,
    "the wrong byte order": lambda profile: changed(profile, byte_order="little"),
    "addresses from 1": shifted(1),
    "addresses from -1": shifted(-1),
    "addresses off by a value": shifted(2),
    "1000 times too much": scaled(1000),
    "1000 times too little": scaled("1/1000"),
    "everything in kilo": scaled(1000, None),
    "everything in milli": scaled("1/1000", None),
    "the wrong sign": scaled(-1),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_right_profile_is_believed(name):
    world = started(40.0, shown=read_data(name), read=profile_of(name))
    assert modes(world) == {Mode.INIT, Mode.NORMAL}
    assert world.state.trust.steps.passed.all()
    assert {source.reasons for source in world.state.trust.sources.values()} == {()}


@pytest.mark.parametrize("why", WRONG)
@pytest.mark.parametrize("name", WITH_FREQUENCY)
def test_a_wrong_profile_stays_in_init_with_a_reason(name, why):
    world = started(9.0, shown=read_data(name), read=WRONG[why](profile_of(name)))
    assert modes(world) == {Mode.INIT}
    assert re.search(WORDS, said(world.state)), said(world.state)
    world.run(60.0)
    assert Mode.NORMAL not in modes(world)
    assert world.violations() == []


@pytest.mark.parametrize(
    ("shown", "read"),
    [
        ("schneider_pm5xxx", "janitza_umg96rm"),
        ("schneider_pm8000", "schneider_pm5xxx"),
        ("abb_b23_b24", "abb_m4m_m1m"),
        ("carlo_gavazzi_em24", "carlo_gavazzi_em340_em530_em24e1"),
        ("chint_dtsu666", "eastron_sdm630"),
        ("eastron_sdm630", "acrel_adw300"),
        ("socomec_diris_a14_countis_e", "socomec_diris_b30"),
        ("satec_pm180", "sel_751a"),
    ],
)
def test_the_profile_of_another_meter_stays_in_init(shown, read):
    world = started(30.0, shown=read_data(shown), read=profile_of(read))
    assert Mode.NORMAL not in modes(world)
    assert re.search(WORDS, said(world.state)), said(world.state)


@given(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from([1, -1]))
@settings(max_examples=examples(12), deadline=None)
def test_whatever_profile_is_taken_the_site_stays_inside_its_envelope(shown, read, sign):
    world = started(45.0, shown=read_data(shown), read=profile_of(read), sign=sign)
    world.surplus_w = 25e3
    world.run(30.0)
    assert world.violations() == []
    shows = world.state.trust.sources["main"]
    right = world.state.mode.mode is Mode.NORMAL
    assert not right or shows.value_w == pytest.approx(world.site_w, rel=0.3, abs=1e3)


def test_one_phase_taken_for_the_total_is_found_out_by_the_first_step():
    world = started(60.0, shown=read_data("eastron_sdm630"), read=profile_of("eastron_sdm120"))
    assert world.state.mode.mode is not Mode.NORMAL
    assert "does not follow the steps of the fleet" in said(world.state)
    assert world.violations() == []


def test_a_meter_whose_power_alone_is_wrong_is_held_against_its_amperes():
    for scale in (0.001, 5.0):
        world = started(20.0, power_scale=scale)
        assert modes(world) <= {Mode.INIT, Mode.FAILSAFE}, scale
        assert "volts and amperes" in said(world.state)


def test_a_meter_that_freezes_holds_the_site_and_then_loses_it():
    world = started(60.0)
    before = world.truth()
    world.truth = lambda: before
    until = world.until(lambda decision: decision.mode is Mode.HOLD, 60.0)
    assert 29.0 <= until <= 34.0
    assert "meter main has stood still for longer than it ever does: it is taken for frozen" in said(world.state)
    assert world.until(lambda decision: decision.mode is Mode.FAILSAFE, 20.0) <= 11.0
    del world.truth
    world.until(lambda decision: decision.mode is Mode.NORMAL, 20.0)
