"""The key `models`: a file of models of the site's own, which is read with the file that names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from controller.site.document import document_of, text_of
from controller.site.paths import FROM, path_text
from controller.site.problems import Problem
from controller.site.problems import path_text as way_text
from controller.site.unknown import UNKNOWN
from controller.site.value_type import NotAllowedError, ValueType
from drivers.errors import ConfigError
from drivers.fleet.catalogue import Model
from drivers.fleet.own_models import catalogue_with, own_models_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnModels:
    """The models of one file by id, and the `text` that they were read from."""

    text: str
    by_id: Mapping[str, Model]


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


def _words(problem: Problem) -> str:
    return f"{way_text(problem.loc)}: found {problem.found}; allowed is {problem.allowed}"


def catalogue_of(own: OwnModels | None) -> Mapping[str, Model]:
    """Return every model that a file may name: the bundled ones, and those of the site's own."""
    return catalogue_with({} if own is None or own is UNKNOWN else own.by_id)


class ModelsLeaf(ValueType):
    """The path of a file of models, or what was read from it at an earlier time."""

    __slots__ = ()

    def read(self, value: object, folder: Path) -> OwnModels:
        """Return the models; what is wrong in their file is said with its own lines."""
        if isinstance(value, OwnModels):
            return value
        path = folder / path_text(value)
        try:
            return read_models(path, text_of(path))
        except ConfigError as error:
            raise NotAllowedError(f"a file of models without mistakes\n{error}") from error


ModelsFile = Annotated[
    OwnModels,
    ModelsLeaf(parse=str, allowed=f"the path of a YAML file {FROM}", json={"type": "string", "minLength": 1}),
]
