"""Demos that run to their verdicts, each a process of its own: they wait far more than they work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from controller.demo.outcome import DemoOutcome

#: A run that is long enough for the order and for what follows it. What its hardware speaks is held against this one by
#: `make verify ARGS=protocols`, with nothing beside it.
WHOLE: Final = ("controller.cli", "demo", "--for=75s", "--seed=7", "--fleet=simulated")
#: From the end of the judged time, the start of every part before it, and their ends after it, on a busy machine.
_SPARE_S: Final = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """One run: its process, what it prints, and the result that it writes."""

    process: subprocess.Popen[bytes]
    printed: Path
    result: Path

    def ended(self) -> int:
        """Wait for its end; return its exit status."""
        return self.process.wait(_SPARE_S)

    def outcome(self) -> DemoOutcome:
        """Return its result; every key that is written is known, every known key is written."""
        assert self.result.exists(), self.text()
        raw: Any = msgspec.json.decode(self.result.read_bytes())
        outcome = msgspec.json.decode(self.result.read_bytes(), type=DemoOutcome)
        assert msgspec.json.decode(msgspec.json.encode(outcome)) == raw
        return outcome

    def text(self) -> str:
        """Return what it has printed, for the message of a failure."""
        return self.printed.read_text()


@contextmanager
def running(folder: Path, *words: str) -> Iterator[Demo]:
    """Run the demo of these words beside the block; it ends with the block."""
    printed, result = folder / "printed", folder / "result.json"
    command = [sys.executable, "-m", *words, f"--json={result}"]
    with (
        printed.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process,
    ):
        try:
            yield Demo(process=process, printed=printed, result=result)
        finally:
            if process.poll() is None:
                process.terminate()
