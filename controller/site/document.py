"""A YAML file as plain values, with the place of every key and value.

Stricter than YAML 1.1: a key may stand only once, only ``true`` and ``false`` are booleans (``off`` is a word), there
are no dates, no sexagesimal numbers, no infinities, no tags, no empty values. Anchors and aliases are allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from controller.site.problems import Loc, Problem
from controller.site.unknown import UNKNOWN
from drivers.errors import ConfigError
from drivers.strict_yaml import SCALARS, TAG, WordLoader

_MAX_DEPTH = 32
#: libyaml composes by recursion: what is nested far deeper ends the process.
_DEEPEST: Final = 200
_MAX_VALUES = 1_000_000


@dataclass(slots=True)
class Document:
    """`data`: the file as dicts, lists, text, numbers and booleans, with UNKNOWN where one of the `problems` stands."""

    path: Path
    root: yaml.Node
    data: Any
    problems: list[Problem]

    def place(self, loc: Loc, *, at_key: bool = False) -> tuple[int, int]:
        """Return line and column (from 1) of the value at `loc`, or of the key or item around it where it is missing."""
        node, mark = self.root, self.root.start_mark
        for step in loc:
            key, child = _child(node, step)
            if child is None:
                return _place(mark)
            mark = (key or child).start_mark
            node = child
        return _place(mark if at_key else node.start_mark)

    def raw(self, loc: Loc) -> object:
        """Return the value at `loc` as it stands in the file; UNKNOWN where there is none."""
        value: Any = self.data
        for step in loc:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return UNKNOWN
        return value


@dataclass(slots=True)
class _Builder:
    """Makes plain values of nodes."""

    path: Path
    problems: list[Problem] = field(default_factory=list)
    values: int = 0

    def build(self, node: yaml.Node, loc: Loc) -> Any:
        self.values += 1
        if self.values > _MAX_VALUES:
            raise ConfigError(f"{self.path}: found more than {_MAX_VALUES:,} values; allowed are fewer")
        if len(loc) > _MAX_DEPTH:
            return self._bad(
                loc, f"values nested deeper than {_MAX_DEPTH}", "a flatter file, without recursive aliases"
            )
        kind = node.tag.removeprefix(TAG)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self._mapping(node, loc)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self.build(child, (*loc, index)) for index, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and kind in SCALARS:
            return self._scalar(node, kind, loc)
        if kind == "null":
            return self._bad(loc, "nothing", "a value (or leave the key out)")
        return self._bad(loc, f"the tag {node.tag}", "values without tags")

    def _scalar(self, node: yaml.ScalarNode, kind: str, loc: Loc) -> Any:
        try:
            return SCALARS[kind](node.value)
        except ValueError:  # an explicit tag, such as !!int x
            return self._bad(loc, f"{node.value!r} with the tag {node.tag}", "values without tags")

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key, child in node.value:
            place = _place(key.start_mark)
            if not isinstance(key, yaml.ScalarNode):
                self._bad(loc, "a key that is not text", "text as keys", place)
            elif key.value in built:
                self._bad((*loc, key.value), f"the key {key.value!r} for the second time", "every key once", place)
            else:
                built[key.value] = self.build(child, (*loc, key.value))
        return built

    def _bad(self, loc: Loc, found: str, allowed: str, place: tuple[int, int] | None = None) -> Any:
        self.problems.append(Problem(loc=loc, found=found, allowed=allowed, place=place))
        return UNKNOWN


def _place(mark: yaml.Mark) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    """Return the key and the value of a step in a mapping, none and the item of a step in a sequence."""
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == step:
                return key, child
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None, None


def read_document(path: Path) -> Document:
    """Return the file with its places. Raises ConfigError where it cannot be read or is not YAML."""
    return document_of(path, text_of(path))


def text_of(path: Path) -> str:
    """Return what is in a YAML file. Raises ConfigError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: found no readable text ({error}); allowed is a YAML file in UTF-8") from error


def document_of(path: Path, text: str) -> Document:
    """Return a file at `path` that holds `text`, with its places. Raises ConfigError where it is not YAML."""
    try:
        _refuse_depth(path, text)
        root = yaml.compose(text, Loader=WordLoader)
    except yaml.YAMLError as error:
        raise ConfigError(_syntax(path, error)) from error
    if root is None:
        raise ConfigError(f"{path}:1:1: found an empty file; allowed is a file with keys")
    builder = _Builder(path)
    return Document(path=path, root=root, data=builder.build(root, ()), problems=builder.problems)


def _refuse_depth(path: Path, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=WordLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST and event.start_mark is not None:
            line, column = event.start_mark.line + 1, event.start_mark.column + 1
            raise ConfigError(
                f"{path}:{line}:{column}: found values nested deeper than {_DEEPEST}; allowed is {_MAX_DEPTH} at most"
            )


def _syntax(path: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line, column = _place(mark) if mark else (1, 1)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return f"{path}:{line}:{column}: found a mistake in the YAML ({problem}); allowed is YAML 1.1"
