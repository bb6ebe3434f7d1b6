"""`make test`: all tests in parallel, then alone those that measure time; the words are options of pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

import pytest

#: Workers for each core: many tests wait far more than they work.
_PER_CORE: Final = 2
_PYTEST: Final = (sys.executable, "-m", "pytest")


def main(words: Sequence[str]) -> int:
    """Run both parts; return 0 where both passed."""
    # Compiled once here, the kernels are loaded by every worker, daemon and command that the tests start.
    subprocess.run([sys.executable, "-m", "controller.cli", "warmup"], check=True)
    workers = _PER_CORE * len(os.sched_getaffinity(0))
    parallel = ("-n", str(workers), "--dist", "loadgroup", "--no-loadscope-reorder", "-m", "not slow and not alone")
    alone = ("-m", "alone and not slow")
    ended = {subprocess.run([*_PYTEST, *options, *words], check=False).returncode for options in (parallel, alone)}
    # A file may have tests for one part only.
    return max(ended - {pytest.ExitCode.NO_TESTS_COLLECTED} or ended)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
