"""A site with models of its own, as the rest of surplusd has them from its file."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from controller.core.modes import Mode
from controller.site.compile import compile_site
from controller.site.load import load
from controller.site.model import SiteFile
from controller.site.own_models import catalogue_of
from drivers.fleet.catalogue import load_catalogue
from tests.controller.core.world import World
from tests.drivers.fleet.test_own_models import EXAMPLE, OWN

#: The models of the example, as they stand under their key.
MODELS = EXAMPLE.partition("\nmodels:\n")[2]
GROUP = "{id: s21, model: antminer-s21, count: 2, agent: a-two, node: row, failsafe: 2 kW}"
OF_OWN = f"{{id: s21, model: {OWN}, count: 2, agent: a-two, node: row, failsafe: 2 kW}}"


def with_models(small: str) -> str:
    return small.replace("orders:\n", "models: own.yaml\norders:\n").replace(GROUP, OF_OWN)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(EXAMPLE)
    return path


def test_a_site_with_a_model_of_its_own_runs(small: str, load_text: Callable[[str], SiteFile], own: Path) -> None:
    assert own.exists()
    site = compile_site(load_text(with_models(small)))
    rows = np.array([id_.startswith("s21-") for id_ in site.devices.ids])
    assert site.devices.max_w[rows].tolist() == [2192.0, 2192.0]
    assert site.devices.failsafe_w[rows].tolist() == [1657.0, 1657.0]
    assert site.devices.down_s[rows].tolist() == [6.0, 6.0]
    world = World(site, surplus_w=60e3)
    decision = world.run(120)
    assert decision.mode is Mode.NORMAL
    assert set(decision.setpoint_w[rows].tolist()) == {2192.0}
    assert world.violations() == []


def test_the_catalogue_is_made_of_both(small: str, load_text: Callable[[str], SiteFile], own: Path) -> None:
    assert own.exists()
    assert catalogue_of(load_text(with_models(small)).models).keys() == {*load_catalogue(), OWN}
    assert catalogue_of(None) == load_catalogue()


def test_what_is_wrong_in_the_file_is_said_with_its_own_places_and_all_at_once(
    small: str, complaints: Callable[[str], list[str]], own: Path
) -> None:
    own.write_text(EXAMPLE.replace("down: 6 s", "down: 6").replace("steady: true", "steady: true\n    colour: red"))
    said = complaints(with_models(small))
    line = 1 + next(k for k, text in enumerate(with_models(small).splitlines()) if text.startswith("models:"))
    assert said[0] == f"{line}:9: models: found 'own.yaml'; allowed is a file of models without mistakes"
    at = [text.strip() for text in own.read_text().splitlines()]
    down, colour = 1 + at.index("down: 6"), 1 + at.index("colour: red")
    assert said[1] == (
        f"{own}:{down}:11: models.{OWN}.down: found 6; allowed is a time with ms, s, min or h from 0 to 24 h"
    )
    assert said[2].startswith(
        f"{own}:{colour}:13: models.{OWN}.colour: found an unknown key; allowed is one of change_wear,"
    )
    assert len(said) == 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (f"  {OWN}:", "  antminer-s21:", "models.antminer-s21: found the id of a bundled model; allowed is an id of its own"),
        ("    down: 6 s", "    down: 6 s\n    down: 7 s", "found the key 'down' for the second time; allowed is every key once"),
        ("    down: 6 s", "    down: [", "found a mistake in the YAML"),
        ("version: 1", "version: 2", "version: found 2; allowed is 1"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(
    small: str, complaints: Callable[[str], list[str]], own: Path, old: str, new: str, said: str
) -> None:
    assert old in EXAMPLE
    own.write_text(EXAMPLE.replace(old, new))
    lines = complaints(with_models(small))
    assert any(line.startswith(str(own)) and said in line for line in lines), lines
    assert not any("fleet.groups" in line for line in lines), "of a model that could not be read nothing is said"


@pytest.mark.parametrize(
    ("old", "new"), [("    down: 6 s", "    down:"), ("steady: true", "steady: !x true"), ("      modes: profiles", "      modes:\n      more: profiles")]
)  # fmt: skip
def test_what_cannot_be_read_as_a_value_is_one_mistake(
    small: str, complaints: Callable[[str], list[str]], own: Path, old: str, new: str
) -> None:
    assert old in EXAMPLE
    own.write_text(EXAMPLE.replace(old, new))
    _, *lines = complaints(with_models(small))
    assert len(lines) == 1, lines
    assert "; allowed is " in lines[0]
    assert "object" not in lines[0]


def inline(small: str, models: str = MODELS) -> str:
    return small.replace("orders:\n", f"models:\n{models}orders:\n").replace(GROUP, OF_OWN)


def test_models_may_stand_in_the_site_file_itself_and_are_the_same(
    small: str, load_text: Callable[[str], SiteFile], own: Path
) -> None:
    assert own.exists()
    inside, beside = load_text(inline(small)), load_text(with_models(small))
    assert catalogue_of(inside.models) == catalogue_of(beside.models)
    assert compile_site(inside).devices.max_w.tolist() == compile_site(beside).devices.max_w.tolist()


def test_what_is_wrong_in_the_site_file_itself_is_said_with_its_places_and_all_at_once(
    small: str, complaints: Callable[[str], list[str]]
) -> None:
    wrong = MODELS.replace("down: 6 s", "down: 6").replace("steady: true", "steady: true\n    colour: red\n    up: 9 s")
    said = complaints(inline(small, wrong))
    text = inline(small, wrong).splitlines()
    for words, line in (
        (f"models.{OWN}.down: found 6; allowed is a time", "    down: 6"),
        (f"models.{OWN}.colour: found an unknown key", "    colour: red"),
        (f"models.{OWN}.up: found the key 'up' for the second time", "    up: 9 s"),
    ):
        (one,) = (each for each in said if words in each)
        assert one.startswith(f"{text.index(line) + 1}:"), one
    assert not [line for line in said if "allowed is one of the models" in line], "it is there, and is wrong"
    assert len(said) == 3, said


def test_a_file_that_is_not_there_and_a_model_that_is_not_in_it_are_named(
    small: str, complaints: Callable[[str], list[str]], own: Path
) -> None:
    text = with_models(small)
    assert any(
        f"found '{OWN}x'; allowed is one of the models {OWN} (did you mean that?)" in line
        for line in complaints(text.replace(f"model: {OWN}", f"model: {OWN}x"))
    )
    own.unlink()
    assert any("own.yaml: found no readable text" in line for line in complaints(text))
    assert any(
        "models: found 3; allowed is models by id, or the path of a YAML file" in line
        for line in complaints(text.replace("own.yaml", "3"))
    )


def test_the_example_is_sound(tmp_path: Path) -> None:
    example = Path(str(files("configs").joinpath("models/example.yaml")))
    text = Path(str(files("configs").joinpath("demo.yaml"))).read_text()
    path = tmp_path / "site.yaml"
    path.write_text(f"{text}\nmodels: {example}\n")
    assert OWN in catalogue_of(load(path).models)
