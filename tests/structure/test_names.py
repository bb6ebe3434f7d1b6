"""What no test runs can at least begin: every name that a file imports from the project is there, and every campaign says what it does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.structure.sources import REPOSITORY
from tests.verify.__main__ import CAMPAIGNS

FOLDERS = ("controller", "drivers", "simulators", "tests", "docs", "deploy")


def files() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (path for path in (REPOSITORY / folder).rglob("*.py") if "node_modules" not in path.parts)


def file_of(module: str) -> Path | None:
    """Return the file of a module of ours, None for another's."""
    path = REPOSITORY.joinpath(*module.split("."))
    return next((found for found in (path.with_suffix(".py"), path / "__init__.py") if found.exists()), None)


@cache
def bound(path: Path) -> frozenset[str]:
    """Return the names that stand at the top of a module, under conditions too."""
    return frozenset(names(ast.parse(path.read_text()).body))


def names(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        yield from (one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))
        for held in (getattr(node, part, []) for part in ("body", "orelse", "finalbody")):
            yield from names(held)
        for handler in getattr(node, "handlers", []):
            yield from names(handler.body)


def test_every_imported_name_of_ours_is_there() -> None:
    missing = []
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or node.module is None or not (there := file_of(node.module)):
                continue
            missing += [
                f"{path.relative_to(REPOSITORY)}: {node.module}.{alias.name}"
                for alias in node.names
                if alias.name not in bound(there)
                and file_of(f"{node.module}.{alias.name}") is None
                and not (there.parent / alias.name).is_dir()
            ]
    assert missing == []


def test_every_campaign_says_what_it_does() -> None:
    assert all(campaign.__doc__ for campaign in CAMPAIGNS.values())
