"""Models of a site's own, beside the bundled ones."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from drivers.errors import ConfigError
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.models_schema import file_schema
from drivers.fleet.own_models import catalogue_beside
from drivers.strict_yaml import plain_values

EXAMPLE = files("configs").joinpath("models/example.yaml").read_text()
OWN = "s19k-pro-hall-a"


def test_they_extend_the_bundled_ones(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(EXAMPLE)
    models = catalogue_beside(tmp_path / "site.yaml", {"models": "own.yaml"})
    assert models.keys() == {*load_catalogue(), OWN}
    assert (models[OWN].down_s, models[OWN].max_w, models[OWN].off_w) == (6.0, 2192, 25)
    assert catalogue_beside(tmp_path / "site.yaml", {}) == load_catalogue()


def test_they_may_stand_in_the_file_itself(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(EXAMPLE)
    there = plain_values(EXAMPLE, "own.yaml")["models"]
    assert catalogue_beside(tmp_path / "site.yaml", {"models": there}) == catalogue_beside(
        tmp_path / "site.yaml", {"models": "own.yaml"}
    )
    with pytest.raises(ConfigError, match=rf"site\.yaml: {OWN}: down: found 6, allowed is a time"):
        catalogue_beside(tmp_path / "site.yaml", {"models": {OWN: there[OWN] | {"down": 6}}})


def test_an_off_without_quotes_is_the_word(tmp_path: Path) -> None:
    text = EXAMPLE.replace('name: "off"', "name: off", 1)
    assert text != EXAMPLE
    (tmp_path / "own.yaml").write_text(text)
    assert catalogue_beside(tmp_path / "site.yaml", {"models": "own.yaml"})[OWN].modes[0].name == "off"


def test_the_schema_for_editors_takes_the_example_and_knows_each_key() -> None:
    schema, example = file_schema(), plain_values(EXAMPLE, "own.yaml")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(example, schema)
    assert EXAMPLE.startswith("# yaml-language-server: $schema=../models.schema.json\n")
    jsonschema.validate(
        plain_values(files("drivers.fleet").joinpath("models.yaml").read_bytes(), "models.yaml"), schema
    )
    for wrong in ({"down": 6}, {"colour": "red"}, {"modes": []}, {"kind": "asics"}, {"sources": {}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(example | {"models": {OWN: example["models"][OWN] | wrong}}, schema)


@pytest.mark.parametrize(
    ("id_", "whose"), [("antminer-s21", "the id of a bundled model"), ("contactor", "the id of a contactor")]
)
def test_an_id_that_means_something_already_is_refused(tmp_path: Path, id_: str, whose: str) -> None:
    (tmp_path / "own.yaml").write_text(EXAMPLE.replace(f"  {OWN}:", f"  {id_}:"))
    with pytest.raises(ConfigError, match=rf"own\.yaml: {id_}: found {whose}, allowed is an id of its own"):
        catalogue_beside(tmp_path / "site.yaml", {"models": "own.yaml"})


@pytest.mark.parametrize("text", [None, "version: 1\nmodels: {a: {}}\n", "models: ["])
def test_a_file_that_is_no_use_is_refused_by_name(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"own\.yaml"):
        catalogue_beside(tmp_path / "site.yaml", {"models": "own.yaml"})
