"""`make test`: all tests in parallel, then alone those that measure time; the words are options of pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

import pytest

#: Workers that mostly wait, besides one for each core: the lanes of sites (`tests.lanes`).
_WAITING: Final = 2
_PYTEST: Final = (sys.executable, "-m", "pytest")


def main(words: Sequence[str]) -> int:
    """Run both parts; return 0 where both passed."""
    # Hundreds of processes are started: where none may keep what it has compiled, that is most of their work.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # Compiled once here, the kernels are loaded by every worker, daemon and command that the tests start.
    subprocess.run([sys.executable, "-m", "controller.cli", "warmup"], check=True)
    workers = len(os.sched_getaffinity(0)) + _WAITING
    parallel = ("-n", str(workers), "--no-loadscope-reorder", "-m", "not slow and not alone")
    alone = ("-m", "alone and not slow")
    ended = {subprocess.run([*_PYTEST, *options, *words], check=False).returncode for options in (parallel, alone)}
    # What is named may have tests for one part only.
    failed = ended - {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    return 1 if failed or pytest.ExitCode.OK not in ended else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
