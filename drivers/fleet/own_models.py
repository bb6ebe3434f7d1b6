"""The models of a site's own, beside the bundled ones: a file in the format of ``models.yaml`` that a site file names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from drivers.errors import ConfigError
from drivers.fleet.catalogue import Model, ModelMistake, load_catalogue, models_of, parse_catalogue
from drivers.fleet.wire import CONTACTOR

#: The key of a site file, and of an agent's file, that names it.
KEY: Final = "models"
_NO_MODELS: Final[Mapping[str, Model]] = MappingProxyType({})


def own_models_of(raw: object) -> tuple[Mapping[str, Model], Sequence[ModelMistake]]:
    """Return the models of a file of a site's own that was decoded to plain values, and all that is wrong with it.

    An id that means something already is refused: what a bundled model can do would else depend on who reads which file.
    """
    models, mistakes = models_of(raw)
    return models, (*mistakes, *_taken_ids(models))


def catalogue_with(own: Mapping[str, Model]) -> Mapping[str, Model]:
    """Return the bundled models and those of a site's own, by id."""
    return MappingProxyType({**load_catalogue(), **own})


def catalogue_beside(path: Path, raw: Mapping[str, Any]) -> Mapping[str, Model]:
    """Return the catalogue of a site file at `path` with the values `raw`; raises ConfigError, with a line for each mistake."""
    if KEY not in raw:
        return catalogue_with(_NO_MODELS)
    file = path.parent / raw[KEY]
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
