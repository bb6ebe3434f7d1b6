"""The models of a site's own, beside the bundled ones: in the site file itself, or in a file of the format of ``models.yaml`` that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from drivers.errors import ConfigError
from drivers.fleet.catalogue import Model, ModelMistake, load_catalogue, models_of, parse_catalogue
from drivers.fleet.wire import CONTACTOR

#: The key of a site file, and of an agent's file, that holds them or names their file.
KEY: Final = "models"


def own_models_of(raw: object) -> tuple[Mapping[str, Model], Sequence[ModelMistake]]:
    """Return the models of a file of a site's own that was decoded to plain values, and all that is wrong with it.

    An id that means something already is refused: what a bundled model can do would else depend on who reads which file.
    """
    models, mistakes = models_of(raw)
    return models, (*mistakes, *_taken_ids(models))


def inline_models_of(models: object) -> tuple[Mapping[str, Model], Sequence[ModelMistake]]:
    """Return the models that stand under the key in the file that uses them, and all that is wrong with them."""
    return own_models_of({"version": 1, KEY: models})


def catalogue_with(own: Mapping[str, Model]) -> Mapping[str, Model]:
    """Return the bundled models and those of a site's own, by id."""
    return MappingProxyType({**load_catalogue(), **own})


def catalogue_beside(path: Path, raw: Mapping[str, Any]) -> Mapping[str, Model]:
    """Return the catalogue of a site file at `path` with the values `raw`; raises ConfigError, with a line for each mistake."""
    given = raw.get(KEY, {})
    if isinstance(given, dict):
        models, mistakes = inline_models_of(given)
        if mistakes:
            raise ConfigError("\n".join(f"{path}: {mistake}" for mistake in mistakes))
        return catalogue_with(models)
    file = path.parent / given
    try:
        models = parse_catalogue(file.read_bytes(), str(file))
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    if taken := _taken_ids(models):
        raise ConfigError("\n".join(f"{file}: {mistake}" for mistake in taken))
    return catalogue_with(models)


def _taken_ids(models: Mapping[str, Model]) -> tuple[ModelMistake, ...]:
    taken = {**dict.fromkeys(load_catalogue(), "a bundled model"), CONTACTOR: "a contactor"}
    return tuple(
        ModelMistake(loc=(KEY, id_), found=f"the id of {taken[id_]}", allowed="an id of its own")
        for id_ in models
        if id_ in taken
    )
