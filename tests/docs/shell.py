"""One shell, into which the blocks of a page are typed one after the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.docs.guides import ROOT
from tests.waiting import DEADLINE_S


class Shell:
    """A shell in a folder; what it starts beside itself ends with it."""

    def __init__(self, folder: Path) -> None:
        self._errors = (folder / "errors").open("w+")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._bash = subprocess.Popen(
            ["bash", "-euo", "pipefail"], cwd=folder, env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, start_new_session=True,
        )  # fmt: skip

    def type(self, block: str) -> str:
        """Type a block; return what it has printed. AssertionError where a command of it fails."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{block}\nprintf '\\n-- typed\\n'\n")
        self._bash.stdin.flush()
        said: list[str] = []
        for line in self._bash.stdout:
            if line == "-- typed\n":
                return "".join(said)
            said.append(line)
        self._errors.seek(0)
        raise AssertionError(f"{block}\n{''.join(said)}\n{self._errors.read()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End it with all that it has started."""
        os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.communicate(timeout=DEADLINE_S)
        self._errors.close()
