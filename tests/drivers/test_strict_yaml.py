"""YAML as this project reads it: what differs from YAML 1.1, and what is refused."""

from __future__ import annotations

import pytest

from drivers.errors import ConfigError
from drivers.strict_yaml import plain_values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("yes", "yes"),
        ("true", True),
        ("012", 12),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        (".inf", ".inf"),
        ("1e3", 1000.0),
        ("-2.5", -2.5),
        ("[a, 1, {b: off}]", ["a", 1, {"b": "off"}]),
        ("{1: a}", {"1": "a"}),
        ("&x {a: 1}", {"a": 1}),
    ],
)
def test_a_word_is_a_word_and_a_number_is_decimal(text: str, value: object) -> None:
    assert plain_values(f"key: {text}\n", "file.yaml") == {"key": value}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", "file.yaml:2:1: found the key 'a' for the second time; allowed is every key once"),
        ("a:\n", "found nothing; allowed is a value"),
        ("a: ~\n", "allowed is a value without tags"),
        ("a: !!python/object:os.system x\n", "found the tag tag:yaml.org,2002:python/object:os.system"),
        ("a: !!set {b: c}\n", "file.yaml:1:4: found the tag"),
        ("? [a]\n: b\n", "file.yaml:1:3: found a key that is not text"),
        ("a: [\n", "file.yaml:2:1: "),
        ("a: !!int x\n", "found the tag"),
    ],
)
def test_what_is_refused_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        plain_values(text, "file.yaml")
    assert said in str(refused.value)
