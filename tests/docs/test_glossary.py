"""The glossary and the names of the code hold each other."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/GLOSSARY.md").read_text(encoding="utf-8")
WORDS, FORBIDDEN = PAGE.split("## Words that are not used")


def rows(text: str) -> list[list[str]]:
    found = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [row for row in found if row[0] not in {"word", "not"}]


def sources(folder: str) -> Iterator[Path]:
    return (path for path in (ROOT / folder).rglob("*.py") if path.stem not in {"__init__", "__main__"})


@cache
def public_classes(path: Path) -> list[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return [node.name for node in body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]


def parts(name: str) -> set[str]:
    return {part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


@cache
def classes() -> list[tuple[str, str]]:
    """Return each public class with its file; no test to be collected needs them."""
    tops = ("controller", "drivers", "simulators")
    found = ((name, path) for top in tops for path in sources(top) for name in public_classes(path))
    return [(name, str(path.relative_to(ROOT))) for name, path in found]


def test_a_word_stands_once():
    words = [word for row in rows(WORDS) for word in row[0].split(", ")]
    assert sorted({word for word in words if words.count(word) > 1}) == []


@pytest.mark.parametrize("row", rows(WORDS), ids=lambda row: row[0])
def test_what_the_glossary_names_is_in_the_code(row):
    _, meaning, code = row
    assert meaning
    assert set(re.findall("`(.+?)`", code)) <= {name for name, _ in classes()}


@pytest.mark.parametrize("row", rows(FORBIDDEN), ids=lambda row: row[0])
def test_what_is_not_used_is_not_used(row):
    words, _, where = row
    folders = re.findall("`(.+?)`", where)
    named = {
        (str(path.relative_to(ROOT)), name)
        for folder in folders
        for path in sources(folder)
        for name in (path.stem, *public_classes(path))
    }
    assert folders
    assert {found for found in named if parts(found[1]) & set(words.split(", "))} == set()


def test_a_public_class_name_stands_once():
    places = defaultdict(list)
    for name, path in classes():
        places[name].append(path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}
