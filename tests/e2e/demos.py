"""Demos that run to their verdicts beside the other tests: they wait far more than they work."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from controller.demo.outcome import DemoOutcome
from tests.brokers import free_port
from tests.e2e.yard import until

LIANDER: Final = Path(__file__).parents[3] / "shared" / "data" / "liander_substations_15min"
#: A run that is long enough for the order and for what follows it.
WHOLE: Final = ("--for=75s", "--seed=7")
#: A run of the small site that is at its envelope after a few seconds.
SHORT: Final = ("--for=15s", "--seed=7", "--scale=60 %")
RECORDED: Final = f"--surplus-csv={LIANDER / 'WWF.csv'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """One run: what it prints, the result that it writes, and its exit status."""

    printed: Path
    result: Path
    status: Path

    def command(self, words: tuple[str, ...]) -> str:
        """Return it as a line for the shell."""
        run = shlex.join([sys.executable, "-m", *words, f"--json={self.result}"])
        return f"{run} > {shlex.quote(str(self.printed))} 2>&1; echo $? > {shlex.quote(str(self.status))}"

    def ended(self) -> int:
        """Wait for its end; return its exit status."""
        until(lambda: self.status.exists() and self.status.read_text(), "the demo's end", 240.0, self.text)
        return int(self.status.read_text())

    def outcome(self) -> DemoOutcome:
        """Return its result; every key that is written is known, every known key is written."""
        assert self.result.exists(), self.text()
        raw: Any = msgspec.json.decode(self.result.read_bytes())
        outcome = msgspec.json.decode(self.result.read_bytes(), type=DemoOutcome)
        assert msgspec.json.decode(msgspec.json.encode(outcome)) == raw
        return outcome

    def text(self) -> str:
        return self.printed.read_text() if self.printed.exists() else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demos:
    """The demos by name; `port` is where the daemon of the whole one serves HTTP."""

    port: int
    by_name: Mapping[str, Demo]

    def __getitem__(self, name: str) -> Demo:
        return self.by_name[name]


@contextmanager
def running_demos(folder: Path) -> Iterator[Demos]:
    """Run the whole demo, and beside it all the others, one after the other."""
    port = free_port()
    spoiled = ("tests.e2e.spoiled_demo",)
    chains: list[dict[str, tuple[str, ...]]] = [
        {"whole": ("controller.cli", "demo", *WHOLE, f"--port={port}")},
        {name: (*spoiled, name, *SHORT) for name in ("none", "main:times1000", "both:by1000", "both:flipped")},
    ]
    if LIANDER.exists():
        chains[1]["recorded"] = ("controller.cli", "demo", *WHOLE, RECORDED, "--column=-total_substation")
    demos = {
        name: Demo(printed=folder / f"{name}.out", result=folder / f"{name}.json", status=folder / f"{name}.status")
        for chain in chains
        for name in chain
    }
    shells = [
        subprocess.Popen(["sh", "-c", "\n".join(demos[name].command(chain[name]) for name in chain)], process_group=0)
        for chain in chains
    ]
    try:
        yield Demos(port=port, by_name=demos)
    finally:
        for shell in shells:
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGTERM)
            shell.wait(20)
