"""The source files that the tests of structure read, and what they import of one another."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
ROOTS = ("controller", "drivers", "simulators")


def paths() -> Iterator[str]:
    """Yield the path of every source file, relative to the repository."""
    for root in ROOTS:
        yield from sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / root).rglob("*.py"))


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Yield the path and the syntax tree of every source file."""
    for path in paths():
        yield path, ast.parse((REPOSITORY / path).read_text())
