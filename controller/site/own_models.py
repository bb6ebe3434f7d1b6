"""The key `models`: models of the site's own, in the file itself or in one that it names, which is read with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from controller.site.document import document_of, text_of
from controller.site.paths import FROM, path_text
from controller.site.problems import Loc, Problem
from controller.site.problems import path_text as way_text
from controller.site.unknown import UNKNOWN
from controller.site.value_type import NotAllowedError, ValueType
from drivers.errors import ConfigError
from drivers.fleet.catalogue import Model
from drivers.fleet.models_schema import models_schema
from drivers.fleet.own_models import catalogue_with, inline_models_of, own_models_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnModels:
    """Models by id. `text`: of the file that they were read from, None where they stand in the file that uses them.

    `mistakes`: what is wrong with those that stand there, with their places in it.
    """

    text: str | None
    by_id: Mapping[str, Model]
    mistakes: tuple[Problem, ...] = ()


def read_models(path: Path, text: str) -> OwnModels:
    """Return the models of a file at `path` that held `text`.

    Raises ConfigError with a line ``FILE:LINE:COLUMN: path.to.key: found X; allowed is Y`` for each mistake.
    """
    document = document_of(path, text)
    models, mistakes = own_models_of(document.data)
    unread = [problem.loc for problem in document.problems]
    problems = [
        *document.problems,
        *(
            Problem(loc=mistake.loc, found=mistake.found, allowed=mistake.allowed)
            for mistake in mistakes
            if not any(loc[: len(mistake.loc)] == mistake.loc for loc in unread)
        ),
    ]
    if problems:
        placed = sorted((problem.place or document.place(problem.loc), _words(problem)) for problem in problems)
        raise ConfigError("\n".join(f"{path}:{line}:{column}: {words}" for (line, column), words in placed))
    return OwnModels(text=text, by_id=models)


def _inline(models: Mapping[str, object]) -> OwnModels:
    by_id, mistakes = inline_models_of(models)
    problems = tuple(
        Problem(loc=mistake.loc, found=mistake.found, allowed=mistake.allowed)
        for mistake in mistakes
        if not _is_unknown(models, mistake.loc[1:])
    )
    return OwnModels(text=None, by_id=by_id, mistakes=problems)


def _is_unknown(value: Any, loc: Loc) -> bool:
    """Return whether what stands there was not read at all, which is said already."""
    for step in loc:
        if value is UNKNOWN:
            return True
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return value is UNKNOWN


def _words(problem: Problem) -> str:
    return f"{way_text(problem.loc)}: found {problem.found}; allowed is {problem.allowed}"


def catalogue_of(own: OwnModels | None) -> Mapping[str, Model]:
    """Return every model that a file may name: the bundled ones, and those of the site's own."""
    return catalogue_with({} if own is None or own is UNKNOWN else own.by_id)


def mistakes_of(own: OwnModels | None) -> Sequence[Problem]:
    """Return what is wrong with models that stand in the file itself."""
    return () if own is None or own is UNKNOWN else own.mistakes


def are_all_read(own: OwnModels | None) -> bool:
    """Return whether a model that is not among them is nowhere."""
    return own is not UNKNOWN and not mistakes_of(own)


class ModelsLeaf(ValueType):
    """Models, the path of a file of them, or what was read from it at an earlier time."""

    __slots__ = ()

    def read(self, value: object, folder: Path) -> OwnModels:
        """Return the models; what is wrong in their file is said with its own lines."""
        if isinstance(value, OwnModels):
            return value
        if isinstance(value, dict):
            return _inline(value)
        path = folder / path_text(value)
        try:
            return read_models(path, text_of(path))
        except ConfigError as error:
            raise NotAllowedError(f"a file of models without mistakes\n{error}") from error


ModelsFile = Annotated[
    OwnModels,
    ModelsLeaf(
        parse=str,
        allowed=f"models by id, or the path of a YAML file {FROM}",
        json={"anyOf": [{"type": "string", "minLength": 1}, models_schema()]},
    ),
]
