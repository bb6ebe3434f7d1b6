"""Which tests a mutant of a file must be found by."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

_TESTS: Final = Path("tests/controller/core")
#: Whatever is mutated, these show what a whole step makes of it.
_OF_STEP: Final = tuple(_TESTS / f"test_{name}.py" for name in ("step_stages", "step", "invariants"))
#: These show what the kernels make of a whole tree.
_OF_TREES: Final = tuple(_TESTS / f"allocation/test_{name}.py" for name in ("values", "minimum_times", "allocator"))


def tests_of(path: str) -> list[str]:
    """Return the tests of a source file, its own first, else those of its folder; then those of a step.

    A whole step takes too long without the JIT. So a kernel has all tests of kernels that need it, and those of whole trees.
    """
    inside = Path(path).relative_to("controller/core")
    own, folder = _TESTS / inside.with_name(f"test_{inside.name}"), _TESTS / inside.parent
    if inside.parts[0] != "kernels":
        first = [own] if own.exists() else sorted(folder.glob("test_*.py")) if folder != _TESTS else []
        return list(dict.fromkeys(map(str, [*first, *_OF_STEP])))
    # What is said of compiled code says nothing here.
    others = [test for test in sorted(folder.glob("test_[!c]*.py")) if path in _needed_by(str(test))]
    return list(dict.fromkeys(map(str, [*([own] if own.exists() else []), *others, *_OF_TREES])))


@cache
def _needed_by(path: str) -> frozenset[str]:
    """Return the files of kernels and of the allocator that a file imports, those that these import, and the file itself."""
    imports = re.compile(r"^from (controller\.core\.(?:kernels|allocation)\.\w+) import", re.MULTILINE)
    names = imports.findall(Path(path).read_text("utf-8"))
    return frozenset({path}).union(*(_needed_by(f"{name.replace('.', '/')}.py") for name in names))
