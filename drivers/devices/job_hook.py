"""Commands of the site's own that take the jobs off a machine and give them back, for example through Slurm or Kubernetes.

Each is a program with its arguments. It may be run more than once for the same end, exits with 0 when that is reached, and is over
within its time, or is killed with all that it has started. That it has exited with 0 proves nothing of the draw.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from dataclasses import dataclass
from enum import Enum
from typing import Final

from drivers.fleet.agent.device import CommandOutcome

_log = logging.getLogger(__name__)

#: What is told to end has so long for it.
_END_S: Final = 1.0


class JobVerb(Enum):
    """What is to become of the jobs."""

    DRAIN = "drain"  # none is left, in good order
    STOP = "stop"  # none is left, whatever that costs their work
    RESUME = "resume"  # they may come


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCommands:
    """Programs with their arguments; `stop` empty where there is none but `drain`. `timeout_s`: for each."""

    drain: tuple[str, ...]
    resume: tuple[str, ...]
    stop: tuple[str, ...] = ()
    timeout_s: float = 60.0


class JobHook:
    """The commands of one machine, one at a time. `device`: its name, for the log.

    `drained`: whether they have taken its jobs away; None: nobody knows what has become of that. What somebody else has drained
    is not this one's to give back, so that it is False at first.
    """

    def __init__(self, commands: JobCommands, *, device: str) -> None:
        self._programs = {
            JobVerb.DRAIN: commands.drain,
            JobVerb.STOP: commands.stop or commands.drain,
            JobVerb.RESUME: commands.resume,
        }
        self._timeout_s, self._device = commands.timeout_s, device
        self.drained: bool | None = False
        self._verb: JobVerb | None = None
        self._running: asyncio.Task[CommandOutcome] | None = None

    @property
    def under_way(self) -> JobVerb | None:
        """What is being done now."""
        return None if self._running is None or self._running.done() else self._verb

    async def go(self, verb: JobVerb, *, within_s: float) -> CommandOutcome:
        """Have it done, and return what has become of it; UNKNOWN where it is still under way after `within_s`.

        What is under way for another end is killed first; for the same end it is waited for, and not begun again.
        """
        if self._running is not None and self._verb is not verb:
            await self.close()
        if self._running is None:
            self._verb = verb
            self._running = asyncio.create_task(self._run(verb))
        await asyncio.wait({self._running}, timeout=within_s)
        if not self._running.done():
            return CommandOutcome.UNKNOWN
        outcome, self._running = self._running.result(), None
        return outcome

    async def close(self) -> None:
        """Kill what is under way."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _run(self, verb: JobVerb) -> CommandOutcome:
        self.drained = None
        try:
            process = await asyncio.create_subprocess_exec(
                *self._programs[verb], stdin=DEVNULL, stdout=DEVNULL, start_new_session=True
            )
        except OSError as error:
            return self._failed(verb, CommandOutcome.REFUSED, error.strerror or str(error))
        try:
            async with asyncio.timeout(self._timeout_s):
                code = await process.wait()
        except TimeoutError:
            return self._failed(verb, CommandOutcome.UNKNOWN, f"killed after {self._timeout_s:g} s")
        finally:
            await _end(process)
        if code != 0:
            return self._failed(verb, CommandOutcome.REFUSED, f"exit status {code}")
        self.drained = verb is not JobVerb.RESUME
        return CommandOutcome.ACCEPTED

    def _failed(self, verb: JobVerb, outcome: CommandOutcome, why: str) -> CommandOutcome:
        program = self._programs[verb][0]
        _log.warning(
            "%s of the jobs of %s failed: %s: %s",
            verb.value, self._device, program, why,
            extra={"event": "job_command_failed", "device": self._device},
        )  # fmt: skip
        return outcome


async def _end(process: Process) -> None:
    """End a process, if it has not ended, and all that it has started."""
    if process.returncode is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):  # the second one, too: what it has started may not heed the first
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await process.wait()
