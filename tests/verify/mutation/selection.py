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
    """Return the tests of a source file, its own first, then those of its folder that need it, and those of a step.

    A whole step takes too long without the JIT: a kernel has the tests of whole trees instead.
    """
    inside = Path(path).relative_to("controller/core")
    own, folder = _TESTS / inside.with_name(f"test_{inside.name}"), _TESTS / inside.parent
    # What is said of compiled code says nothing without the JIT; and what stands beside a step are tests of steps.
    near = [] if folder == _TESTS else sorted(set(folder.glob("test_*.py")) - {folder / "test_compiled.py"})
    found = [own] * own.exists() + [test for test in near if path in _needed_by(str(test))]
    return list(dict.fromkeys(map(str, [*found, *(_OF_TREES if inside.parts[0] == "kernels" else _OF_STEP)])))


@cache
def _needed_by(path: str) -> frozenset[str]:
    """Return the files of the core that a file imports, those that these import, and the file itself."""
    names = re.findall(r"^from (controller\.core[\w.]*) import", Path(path).read_text("utf-8"), re.MULTILINE)
    files = [Path(name.replace(".", "/")) for name in names]
    imported = [file / "__init__.py" if file.is_dir() else file.with_suffix(".py") for file in files]
    return frozenset({path}).union(*(_needed_by(str(file)) for file in imported))
