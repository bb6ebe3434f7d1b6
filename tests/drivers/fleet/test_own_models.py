"""Models of a site's own, beside the bundled ones."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from drivers.errors import ConfigError
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.own_models import catalogue_beside

EXAMPLE = files("configs").joinpath("models/example.yaml").read_text()
OWN = "s19k-pro-hall-a"


def test_they_extend_the_bundled_ones(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(EXAMPLE)
    models = catalogue_beside(tmp_path / "site.yaml", {"models": "own.yaml"})
    assert models.keys() == {*load_catalogue(), OWN}
    assert (models[OWN].down_s, models[OWN].max_w, models[OWN].off_w) == (6.0, 2192, 25)
    assert catalogue_beside(tmp_path / "site.yaml", {}) == load_catalogue()


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
