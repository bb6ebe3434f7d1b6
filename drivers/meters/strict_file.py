"""YAML read strictly by tables of rules: every fault of a file is collected with its line, what was found, what is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Rule:
    """What the value of a key may be; `default` stands where the key is missing, and None means it must not be."""

    accepts: Callable[[Any], bool]
    allowed: str
    default: Any = None


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


class StrictFile:
    """The file being read, and the faults found in it so far."""

    def __init__(self, content: str, name: str) -> None:
        self.loader = yaml.SafeLoader(content)
        self.name = name
        self.faults: list[tuple[int, str]] = []

    def fault(self, node: yaml.Node, key: str, found: object, allowed: str) -> None:
        """Note a fault at the line of `node`."""
        line = node.start_mark.line + 1
        self.faults.append((line, f"{self.name}:{line}: {key}: found {found}, allowed is {allowed}"))

    def items(self, node: yaml.Node, allowed: Collection[str], key: str) -> dict[str, yaml.Node]:
        """Return the values of a mapping by key; a fault for every key that is unknown or there twice."""
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, key, "no mapping", f"a mapping of {', '.join(allowed)}")
            return {}
        known: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            name = str(key_node.value)
            if name not in allowed:
                self.fault(key_node, key, f"the unknown key {name!r}", ", ".join(allowed))
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
        for name in (name for name, rule in rules.items() if rule.default is None and name not in nodes):
            self.fault(node, key, f"no key {name!r}", rules[name].allowed)
        fields = {name: rule.default for name, rule in rules.items()}
        for name, value_node in nodes.items():
            fields[name] = self.loader.construct_object(value_node, deep=True)
            if not rules[name].accepts(fields[name]):
                self.fault(value_node, f"{key}.{name}", repr(fields[name]), rules[name].allowed)
        return fields if len(self.faults) == faults_before else None
