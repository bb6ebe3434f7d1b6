"""A strict YAML file as the types of one kind of file, with a line for each mistake: ``FILE:LINE:COLUMN: key: found X; allowed is Y``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from controller.site.document import Document
from controller.site.part import Part
from controller.site.problems import Loc, Problem, one_of, path_text, shown
from controller.site.schema import allowed_at, needed_at, schema_at, schema_of
from controller.site.unknown import UNKNOWN
from drivers.nearest import nearest

_File = TypeVar("_File", bound=Part)
#: How pydantic ends the way to a key that is itself wrong.
_OF_KEY = ("[key]",)


@dataclass(frozen=True, slots=True)
class FileKind(Generic[_File]):
    """One kind of file: the type of all of it, and what its schema is called."""

    type: type[_File]
    title: str

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema of such files; ``$comment`` says in words what a value may be."""
        return schema_of(self.type, self.title)

    def read(self, document: Document) -> _File:
        """Return the file as types, with UNKNOWN, here and in `document`, for each value that is not what it must be."""
        folder = document.path.absolute().parent
        while True:
            try:
                return self.type.model_validate(document.data, context=folder)
            except ValidationError as error:
                details = error.errors(include_url=False)
            whole = self.schema
            slips = _slips(document, whole, details)
            document.problems += [
                _problem(whole, one) for one in details if one["input"] is not UNKNOWN and one["loc"] not in slips
            ]
            for detail in details:
                _forget(document, detail)
            for loc in slips:
                _put(document, loc, UNKNOWN)

    def lines(self, document: Document, problems: Iterable[Problem]) -> list[str]:
        """Return a line for each mistake, in the order of the file."""
        placed = {
            (problem.place or document.place(problem.loc, at_key=problem.at_key), problem) for problem in problems
        }
        in_order = sorted(placed, key=lambda one: (one[0], path_text(one[1].loc)))
        return [f"{document.path}:{line}:{column}: {self._words(document, one)}" for (line, column), one in in_order]

    def _words(self, document: Document, problem: Problem) -> str:
        found = problem.found or self._found(document, problem.loc)
        return f"{path_text(problem.loc)}: found {found}; allowed is {problem.allowed}"

    def _found(self, document: Document, loc: Loc) -> str:
        raw = document.raw(loc)
        return f"{shown(schema_at(self.schema, loc).get('default'))} by default" if raw is UNKNOWN else shown(raw)


def _slips(document: Document, whole: Mapping[str, Any], details: Iterable[ErrorDetails]) -> set[Loc]:
    """Return where the keys should be that unknown ones are slips of: not missing, but there with an unknown value."""
    unknown = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    meant = [(*loc[:-1], near) for loc in unknown if (near := nearest(_keys(whole, loc[:-1]), loc[-1]))]
    return {loc for loc in meant if document.raw(loc) is UNKNOWN}


def _keys(whole: Mapping[str, Any], loc: Loc) -> list[str]:
    return list(schema_at(whole, loc).get("properties", ()))


def _problem(whole: Mapping[str, Any], detail: ErrorDetails) -> Problem:
    loc, found = detail["loc"], shown(detail["input"])
    if loc[-1:] == _OF_KEY:
        return Problem(loc=loc[:-1], found=f"the name {found}", allowed=detail["msg"], at_key=True)
    if detail["type"] == "extra_forbidden":
        keys = one_of(_keys(whole, loc[:-1]), loc[-1])
        return Problem(loc=loc, found="an unknown key", allowed=f"one of {keys}", at_key=True)
    if detail["type"] == "missing":
        return Problem(loc=loc, found="nothing", allowed=needed_at(whole, loc))
    return Problem(
        loc=loc, found=found, allowed=detail["msg"] if detail["type"] == "value_type" else allowed_at(whole, loc)
    )


def _forget(document: Document, detail: ErrorDetails) -> None:
    """Take away an unknown key; put UNKNOWN where a value is wrong, or around it where that does not help."""
    loc = detail["loc"]
    if loc[-1:] == _OF_KEY:
        _take(document, loc[:-1])
    elif detail["type"] == "extra_forbidden":
        _take(document, loc)
    elif detail["input"] is UNKNOWN:
        _put(document, loc[:-1], UNKNOWN)
    else:
        _put(document, loc, UNKNOWN)


def _take(document: Document, loc: Loc) -> None:
    holder: Any = document.raw(loc[:-1])
    del holder[loc[-1]]


def _put(document: Document, loc: Loc, value: object) -> None:
    if not loc:
        document.data = value
        return
    holder: Any = document.raw(loc[:-1])
    if holder is not UNKNOWN:
        holder[loc[-1]] = value
