"""The source files that the tests of structure read, and what they import of one another."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
ROOTS = ("controller", "drivers", "simulators")


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Yield the path, relative to the repository, and the syntax tree of every source file."""
    for root in ROOTS:
        for path in sorted((REPOSITORY / root).rglob("*.py")):
            yield str(path.relative_to(REPOSITORY)), ast.parse(path.read_text())
