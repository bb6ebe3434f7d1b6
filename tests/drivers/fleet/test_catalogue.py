import doctest
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ConfigError
from drivers.fleet import catalogue
from drivers.fleet.catalogue import DeviceKind, load_catalogue, parse_catalogue

GOOD = files("drivers.fleet").joinpath("models.yaml").read_text()


def test_the_docstrings_are_true() -> None:
    assert doctest.testmod(catalogue).failed == 0


def test_the_demo_models_are_what_their_sources_say() -> None:
    models = load_catalogue()
    s19k = models["antminer-s19k-pro"]
    assert [(m.watts, m.hashrate_ths) for m in s19k.modes[1:]] == [
        (784, 39.2),
        (1080, 54.7),
        (1414, 70.2),
        (1657, 80.5),
        (1916, 90.8),
        (2192, 101.1),
        (2485, 111.5),
        (2794, 121.8),
    ]
    assert [m.watts for m in models["antminer-s19-xp"].modes] == [25, 1700, 2200, 2700, 3010]
    m60s = models["whatsminer-m60s"]
    assert (m60s.off_w, m60s.max_w, m60s.up_s, m60s.min_up_s, m60s.min_down_s) == (13, 3441, 120, 600, 120)
    gpu = models["hgx-h100"]
    assert (gpu.kind, gpu.steady, gpu.off_w, gpu.max_w) == (DeviceKind.GPU, False, 150, 10200)


@pytest.mark.parametrize("model", load_catalogue().values(), ids=lambda m: m.id)
def test_every_bundled_model_is_plausible(model: catalogue.Model) -> None:
    assert model.modes[0].name == "off"
    assert 0 < model.off_w < model.max_w
    assert 0 < model.tolerance <= 0.1
    assert 0 < model.estimate_error <= 0.2
    hashrates = [mode.hashrate_ths for mode in model.modes]
    assert hashrates == sorted(hashrates)
    if model.kind is DeviceKind.ASIC:
        assert all(8 < m.watts / m.hashrate_ths < 35 for m in model.modes[1:]), "J/TH"


@given(model=st.sampled_from(list(load_catalogue().values())), watts=st.floats(0, 20_000))
def test_at_most_is_the_largest_setpoint_below(model: catalogue.Model, watts: float) -> None:
    fitted = model.at_most(watts)
    assert fitted <= max(watts, model.off_w)
    assert model.at_most(fitted) == fitted
    between = [m.watts for m in model.modes[1:] if fitted < m.watts <= watts]
    assert not between


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("version: 1", "version: 2", "version: found 2, allowed is 1"),
        ("    steady: true", "    steady: perhaps", "antminer-s21: steady: found 'perhaps', allowed is true or false"),
        (
            "    vendor: Bitmain",
            "    vendor: Bitmain\n    colour: red",
            "antminer-s21: colour: found an unknown key, allowed is one of change_wear, ",
        ),
        (
            "    tolerance: 5 %",
            "    tolerance: 0.05",
            r"tolerance: found 0\.05, allowed is a share in % from 0 to 50 %",
        ),
        ("    tolerance: 5 %", "    tolerance: '5'", "antminer-s21: tolerance: found '5'"),
        (
            "    down: 2 s",
            "    down: -2 s",
            "antminer-s21: down: found '-2 s', allowed is a time with ms, s, min or h from 0 to 24 h",
        ),
        ("watts: 1400", "watts: 3600", "ascending"),
        ("watts: 1400", "watts: 1400.5", "whole watts"),
        ("    down: 2 s", "    down: 25 h", "down: found '25 h', allowed is a time"),
        ("    tolerance: 5 %", "    tolerance: 60 %", "tolerance: found '60 %', allowed is a share"),
        ("name: target-max", "name: target-min", "allowed is a name of its own for each mode"),
        (
            "      times: Braiins OS",
            "      times: [Braiins OS]  #",
            "sources: times: found a list of 1, allowed is a text",
        ),
        ("    vendor: Bitmain", "    vendor: ''", "antminer-s21: vendor: found '', allowed is a text"),
        ("watts: 3500", "watts: 35000000", "whole watts"),
        ("watts: 1400", "watts: .nan", "watts: found '.nan', allowed is a number"),
        ("watts: 1400", "watts: -1", "modes: 1: watts: found -1, allowed is a number from 0 to 10000000"),
        ("watts: 25, hashrate_ths: 0}", "watts: 25, hashrate_ths: 1}", "allowed is off"),
        ("kind: asic", "kind: toaster", "kind: found 'toaster', allowed is one of asic, gpu, relay"),
        ("  antminer-s21:", "  Antminer_S21:", "found the id 'Antminer_S21', allowed is 1 to 63 of a-z"),
        ("    settle: 0 s\n", "", "antminer-s21: settle: found nothing, allowed is a time"),
    ],
)
def test_a_broken_catalogue_says_what_is_wrong(old: str, new: str, reason: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError, match=reason):
        parse_catalogue(GOOD.replace(old, new, 1).encode(), "models.yaml")


def test_broken_yaml_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"models\.yaml"):
        parse_catalogue(b"models: [", "models.yaml")


def test_all_mistakes_are_named_at_once() -> None:
    text = GOOD.replace("steady: true", "steady: perhaps").replace("    down: 2 s", "    down: 2")
    with pytest.raises(ConfigError) as caught:
        parse_catalogue(text.encode(), "models.yaml")
    lines = str(caught.value).splitlines()
    assert len([line for line in lines if "steady" in line]) == GOOD.count("steady: true")
    assert "models.yaml: antminer-s21: down: found 2, allowed is a time with ms, s, min or h from 0 to 24 h" in lines


@given(
    raw=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["modes", "kind", "a"]), inner),
        max_leaves=12,
    )
)
def test_nonsense_is_named_and_nothing_of_it_is_a_model(raw: object) -> None:
    for given_raw in (raw, {"version": 1, "models": raw}, {"version": 1, "models": {"a": raw}}):
        models, mistakes = catalogue.models_of(given_raw)
        assert not models
        assert mistakes or given_raw == {"version": 1, "models": {}}
        assert all(str(mistake) for mistake in mistakes)
