"""No two folders of source code need each other, nor do two modules."""

from __future__ import annotations

import ast
import graphlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePath

from tests.structure.sources import paths, sources


def module_of(path: str) -> str:
    return ".".join(PurePath(path).with_suffix("").parts).removesuffix(".__init__")


FOLDERS = {module_of(path) for path in paths() if path.endswith("__init__.py")}
MODULES = {module_of(path) for path in paths()}


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield our own modules that a file imports, wherever it does so and if only for types."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from names & MODULES
            if names - MODULES:
                yield node.module


def folder_of(module: str) -> str:
    return module if module in FOLDERS else module.rpartition(".")[0]


def inside(folder: str, other: str) -> bool:
    return f"{other}.".startswith(f"{folder}.")


def circle(arrows: dict[str, set[str]]) -> list[str]:
    try:
        graphlib.TopologicalSorter(arrows).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_no_two_folders_need_each_other() -> None:
    """An arrow between a folder and one that it holds is none: a family knows its members, and they what it shares."""
    arrows: dict[str, set[str]] = defaultdict(set)
    for path, tree in sources():
        here = folder_of(module_of(path))
        there = {folder_of(module) for module in imported(tree)}
        arrows[here] |= {folder for folder in there if not inside(here, folder) and not inside(folder, here)}
    assert circle(arrows) == []


def test_no_two_modules_need_each_other() -> None:
    arrows = {module_of(path): set(imported(tree)) - {module_of(path)} for path, tree in sources()}
    assert circle(arrows) == []
