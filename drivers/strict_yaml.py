"""YAML as this project reads it: stricter than YAML 1.1, so that a file means one thing to whoever reads it.

Only ``true`` and ``false`` are booleans (``off`` is a word), numbers are decimal, there are no dates, no infinities, no tags and no
empty values, and a key stands once.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from drivers.errors import ConfigError

TAG: Final = "tag:yaml.org,2002:"
#: By kind what a scalar without quotes has to look like, and the letters that it may begin with.
_PLAIN: Final = (
    ("bool", r"(?:true|false)$", "tf"),
    ("int", r"[-+]?[0-9]{1,18}$", "-+0123456789"),
    ("float", r"[-+]?[0-9]{1,18}(?:\.[0-9]*(?:[eE][-+]?[0-9]{1,2})?|[eE][-+]?[0-9]{1,2})$", "-+0123456789"),
    ("null", r"(?:~|null|)$", ["~", "n", ""]),
)
#: What makes a value of each kind; what is none of these is refused.
SCALARS: Final[dict[str, Any]] = {
    "str": str,
    "bool": lambda text: text == "true",
    "int": int,
    "float": float,
}


class WordLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml is ten times faster
    """Composes nodes by these rules, and makes plain values of them."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (as PyYAML declares it)
    yaml_constructors: dict[Any, Any] = {}  # noqa: RUF012 (as above; without those of sets, dates and the like)


for _kind, _pattern, _first in _PLAIN:
    WordLoader.add_implicit_resolver(TAG + _kind, re.compile(_pattern), list(_first))


def plain_values(text: str | bytes, name: str) -> Any:
    """Return a file as dicts, lists, text, numbers and booleans; raises ConfigError that says name, line and column."""
    try:
        return yaml.load(text, WordLoader)  # noqa: S506  a SafeLoader with other words
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f":{mark.line + 1}:{mark.column + 1}"
        raise ConfigError(f"{name}{place}: {getattr(error, 'problem', None) or error}") from error
    except (UnicodeError, RecursionError) as error:
        raise ConfigError(f"{name}: {error}") from error


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, child in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "found a key that is not text", key.start_mark)
        if key.value in values:
            words = f"found the key {key.value!r} for the second time; allowed is every key once"
            raise yaml.constructor.ConstructorError(None, None, words, key.start_mark)
        values[key.value] = loader.construct_object(child, deep=True)
    return values


def _sequence(loader: Any, node: yaml.SequenceNode) -> list[Any]:
    return [loader.construct_object(child, deep=True) for child in node.value]


def _scalar(_loader: Any, node: yaml.ScalarNode) -> Any:
    try:
        return SCALARS[node.tag.removeprefix(TAG)](node.value)
    except (KeyError, ValueError):
        found = f"the tag {node.tag}" if node.value else "nothing"
        words = f"found {found}; allowed is a value without tags (or leave the key out)"
        raise yaml.constructor.ConstructorError(None, None, words, node.start_mark) from None


WordLoader.add_constructor(f"{TAG}map", _mapping)
WordLoader.add_constructor(f"{TAG}seq", _sequence)
for _kind in (*SCALARS, "null"):
    WordLoader.add_constructor(TAG + _kind, _scalar)
WordLoader.add_constructor(None, _scalar)  # every other tag
