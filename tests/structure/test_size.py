"""Files and functions stay as small as one head can hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.structure.sources import REPOSITORY, paths, sources

MOST_LINES = 400
#: Of a function, from its `def` to its end, with its docstring and without its decorators.
MOST_LINES_OF_A_FUNCTION = 40
#: Loops on purpose: a call costs them more than it costs a reader.
KERNELS = "controller/core/kernels/"


def functions() -> Iterator[tuple[str, int]]:
    for path, tree in sources():
        if not path.startswith(KERNELS):
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{path}:{node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_no_function_is_longer_than_a_screen() -> None:
    assert {name: lines for name, lines in functions() if lines > MOST_LINES_OF_A_FUNCTION} == {}


def test_no_file_is_longer_than_a_few_screens() -> None:
    lengths = {path: len((REPOSITORY / path).read_text().splitlines()) for path in paths()}
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES} == {}
