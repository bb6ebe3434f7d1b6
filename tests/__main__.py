"""`make test`: all tests in parallel, then alone those that measure time; the words are options of pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.lanes import LANES

#: Kernels to which `warmup` comes last, and that need none of those to which it comes first.
_AHEAD: Final = ("leaves", "bound", "changes", "grant", "tree")
_PYTEST: Final = (sys.executable, "-m", "pytest")
#: Set while the kernels are known to be compiled: no worker has to see to it again.
COMPILED: Final = "TESTS_KERNELS_COMPILED"


def main(words: Sequence[str]) -> int:
    """Run both parts; return 0 where both passed."""
    # Hundreds of processes are started: where none may keep what it has compiled, that is most of their work.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    _compile(words)
    os.environ[COMPILED] = "1"
    # Those of the lanes mostly wait.
    workers = len(os.sched_getaffinity(0)) + len(LANES)
    parallel = ("-n", str(workers), "--no-loadscope-reorder", "-m", "not slow and not alone")
    # To collect all tests for the few that are alone would take as long as these.
    alone = ("-m", "alone and not slow", *(() if words else _with_marker()))
    ended = {subprocess.run([*_PYTEST, *options, *words], check=False).returncode for options in (parallel, alone)}
    # What is named may have tests for one part only.
    failed = ended - {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    return 1 if failed or pytest.ExitCode.OK not in ended else 0


def _compile(words: Sequence[str]) -> None:
    """Compile the kernels in two processes, and beside them the tests with all that they import.

    Every worker, daemon and command that the tests start then loads both.
    """
    collect, without_kernels = (*_PYTEST, "--collect-only", "-qq", *words), os.environ | {"NUMBA_DISABLE_JIT": "1"}
    ahead = (sys.executable, "-c", f"import {', '.join(f'controller.core.kernels.{name}' for name in _AHEAD)}")
    # What is wrong with a test is said where it is run, and what is wrong with a kernel by `warmup`.
    quiet = partial(subprocess.Popen, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with quiet(ahead), quiet(collect, env=without_kernels):
        if subprocess.run((sys.executable, "-m", "controller.cli", "warmup"), check=False).returncode:
            raise SystemExit("the kernels do not compile")


def _with_marker() -> list[str]:
    return [str(path) for path in sorted(Path("tests").rglob("test_*.py")) if "mark.alone" in path.read_text()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
