"""YAML read strictly by tables of rules: every fault of a file is collected with its line, what was found, what is allowed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import yaml

from drivers.errors import ConfigError

_T = TypeVar("_T")

#: The default of a key that must be there.
NEEDED: Final = object()


@dataclass(frozen=True, slots=True)
class Rule:
    """What the value of a key may be; `default` stands where the key is missing.

    `nested`: the value stays a YAML node, whose parts are read by rules of their own.
    """

    accepts: Callable[[Any], bool]
    allowed: str
    default: Any = NEEDED
    nested: bool = False


def one_of(*values: object) -> Callable[[Any], bool]:
    """Accept these values, each with its own type: True is not 1."""
    return lambda value: any(type(value) is type(each) and value == each for each in values)


def integer(low: int, high: int) -> Callable[[Any], bool]:
    """Accept whole numbers from `low` to `high`."""
    return lambda value: type(value) is int and low <= value <= high


def list_of(accepts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Accept lists, not empty, of what is accepted."""
    return lambda value: isinstance(value, list) and bool(value) and all(map(accepts, value))


def text(value: object) -> bool:
    """Accept text that is not blank."""
    return isinstance(value, str) and bool(value.strip())


def number(value: object) -> bool:
    """Accept finite numbers."""
    return type(value) in {int, float} and math.isfinite(value)  # type: ignore[arg-type]


def number_range(value: object) -> bool:
    """Accept [low, high]."""
    return isinstance(value, list) and len(value) == 2 and all(map(number, value)) and value[0] <= value[1]


class StrictLoader(yaml.SafeLoader):
    """YAML as it looks: plain values only, each key once, and only what reads as a number is one.

    YAML 1.1 takes 0100 for 64, 1:30 for 90 and 1e-3 for a text; here the first two are texts and the last is a number. Anchors
    and tags are refused: no profile needs them, and a few lines of them stand for gigabytes.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # SafeLoader's stay with it; this one's are below

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse what is not a plain value."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if event.anchor or getattr(event, "tag", None):
            raise yaml.composer.ComposerError(
                None, None, "found an anchor, an alias or a tag, allowed are plain values", event.start_mark
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that is there twice."""
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key twice", node.start_mark)
        return mapping


_DIGITS: Final = "[0-9]{1,20}"
_EXPONENT: Final = "[eE][-+]?[0-9]{1,3}"
for _tag, _pattern, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,19})|0x[0-9A-Fa-f]{1,16}", list("-+0123456789")),
    (
        "float",
        rf"[-+]?(?:(?:{_DIGITS}\.[0-9]{{0,20}}|\.{_DIGITS})(?:{_EXPONENT})?|{_DIGITS}{_EXPONENT}|\.inf)|\.nan",
        list("-+0123456789."),
    ),
):
    StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 200 else f"{shown[:200]}…"


class StrictFile:
    """The file being read, and the faults found in it so far."""

    def __init__(self, content: str, name: str) -> None:
        self.loader = StrictLoader(content)
        self.name = name
        self.faults: list[tuple[int, str]] = []

    def fault(self, node: yaml.Node, key: str, found: object, allowed: str) -> None:
        """Note a fault at the line of `node`."""
        line = node.start_mark.line + 1
        self.faults.append((line, f"{self.name}:{line}: {key}: found {found}, allowed is {allowed}"))

    @staticmethod
    def parts(node: yaml.Node) -> dict[str, yaml.Node]:
        """Return the values of a mapping by key, whatever the keys are; none where it is no mapping."""
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        return {key.value: value for key, value in pairs if isinstance(key, yaml.ScalarNode)}

    def items(self, node: yaml.Node, allowed: Collection[str], key: str) -> dict[str, yaml.Node]:
        """Return the values of a mapping by key; a fault for every key that is unknown or there twice."""
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, key, "no mapping", f"a mapping of {', '.join(allowed)}")
            return {}
        known: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            name = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            if name not in allowed:
                self.fault(key_node, key, f"the unknown key {_shown(name)}", ", ".join(allowed))
            elif name in known:
                self.fault(key_node, key, f"the key {name!r} twice", "each key once")
            else:
                known[name] = value
        return known

    def fields(self, node: yaml.Node, rules: Mapping[str, Rule], key: str) -> dict[str, Any] | None:
        """Return the value of every rule's key, or None (and faults) where one breaks its rule or is missing."""
        faults_before = len(self.faults)
        nodes = self.items(node, rules, key)
        if len(self.faults) > faults_before and not nodes:
            return None
        for name in (name for name, rule in rules.items() if rule.default is NEEDED and name not in nodes):
            self.fault(node, key, f"no key {name!r}", rules[name].allowed)
        fields = {name: rule.default for name, rule in rules.items()}
        for name, value_node in nodes.items():
            fields[name] = value_node if rules[name].nested else self._constructed(value_node, f"{key}.{name}")
            if not rules[name].accepts(fields[name]):
                found = self._constructed(value_node, f"{key}.{name}")
                self.fault(value_node, f"{key}.{name}", _shown(found), rules[name].allowed)
        return fields if len(self.faults) == faults_before else None

    def _constructed(self, node: yaml.Node, key: str) -> object:
        try:
            return self.loader.construct_object(node, deep=True)
        except yaml.constructor.ConstructorError as error:
            self.fault(node, key, error.problem, "plain values, each key once")
            return None


def parse_strictly(content: str, name: str, read: Callable[[StrictFile, yaml.Node], _T | None]) -> _T:
    """Return what `read` makes of a file; `name` is how errors call it.

    Raises ConfigError that lists every fault of the file at once as ``file:line``, what was found, what is allowed.
    """
    try:
        file = StrictFile(content, name)
        root = file.loader.get_single_node()
        made = read(file, root) if root else None
    except yaml.MarkedYAMLError as error:
        place = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{name}{place}: not YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = content.count("\n", 0, error.position) + 1
        raise ConfigError(f"{name}:{line}: not YAML: the character #x{error.character:04x}") from error
    except RecursionError as error:
        raise ConfigError(f"{name}: not a profile: nested too deeply") from error
    if file.faults or made is None:
        raise ConfigError("\n".join(fault for _, fault in sorted(file.faults)) or f"{name}:1: the file is empty")
    return made
