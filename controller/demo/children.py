"""The processes of the demo: each in a process group of its own, none outlives the launcher."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from drivers.clock import Clock, boottime_s
from drivers.errors import DriverLoss
from simulators.process import end_with_the_parent


class Child:
    """One process, its output in `log`; it may be killed by anyone and started again."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        says: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Describe it; `says`: what stands in its output once it is ready, where that is no line of its own.

        `environment`: beside the launcher's.
        """
        self.name = name
        self._environment = environment or {}
        self._says = says
        self.log = log
        self._argv = list(argv)
        self._process: subprocess.Popen[bytes] | None = None
        self._written = 0

    @property
    def pid(self) -> int | None:
        """Return the process id, None before the first start."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process; its output is appended to the log."""
        self._written = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own modules
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | self._environment,
                process_group=0,  # Ctrl-C in the terminal is for the launcher alone
                preexec_fn=end_with_the_parent,  # noqa: PLW1509  the launcher has no threads when it forks
            )

    def ended(self) -> int | None:
        """Return the exit status (negative: the signal), None while it runs; call after `start`."""
        return None if self._process is None else self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing where it has ended."""
        if self._process is not None:
            self._process.send_signal(number)

    def says_ready(self) -> bool:
        """Return whether it has printed a line that begins with ``ready``, or what it says instead, since its last start."""
        if self._says is not None:
            return self._says in self._output()
        return any(line.startswith("ready") for line in self._output().splitlines())

    def tail(self, lines: int = 8) -> str:
        """Return the last lines of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def wait_ready(self, deadline_s: float, ready: Callable[[], bool] | None = None, clock: Clock = boottime_s) -> None:
        """Wait until `ready` (default: it says so); raises DriverLoss when it ends, or is late by `clock`."""
        is_ready, pause = ready or self.says_ready, threading.Event()
        while not is_ready():
            if (status := self.ended()) is not None:
                raise DriverLoss(f"{self.name} ended with status {status}\n{self.tail()}")
            if clock() > deadline_s:
                raise DriverLoss(f"{self.name} did not become ready in time; its log ends with:\n{self.tail()}")
            pause.wait(0.05)

    def stop(self, patience_s: float = 5.0) -> None:
        """End it: SIGTERM, and SIGKILL to its whole group if it does not follow."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            self._process.send_signal(signal.SIGCONT)  # one that hangs would not take it
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _output(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._written)
            return log.read().decode(errors="replace")
