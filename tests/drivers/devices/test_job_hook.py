from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from drivers.devices.job_hook import JobCommands, JobHook, JobVerb
from drivers.fleet.agent.device import CommandOutcome
from tests.waiting import DEADLINE_S, until

TRUE, FALSE, SLEEP = ("/bin/true",), ("/bin/false",), ("/bin/sleep", "600")


def hook_of(drain: tuple[str, ...], resume: tuple[str, ...] = TRUE, *, timeout_s: float = DEADLINE_S) -> JobHook:
    return JobHook(JobCommands(drain=drain, resume=resume, timeout_s=timeout_s), device="node")


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


@pytest.mark.parametrize(
    ("program", "outcome", "drained"),
    [
        (TRUE, CommandOutcome.ACCEPTED, True),
        (FALSE, CommandOutcome.REFUSED, None),
        (("/nowhere/at/all",), CommandOutcome.REFUSED, None),
    ],
)
def test_its_exit_status_is_what_has_become_of_it(
    program: tuple[str, ...], outcome: CommandOutcome, drained: bool | None
) -> None:
    async def scene() -> None:
        hook = hook_of(program)
        assert hook.drained is False
        assert await hook.go(JobVerb.DRAIN, within_s=DEADLINE_S) is outcome
        assert hook.drained is drained

    asyncio.run(scene())


def test_what_is_under_way_is_not_begun_again_and_its_end_is_told_to_who_asks_next(tmp_path: Path) -> None:
    fifo, runs = tmp_path / "fifo", tmp_path / "runs"
    os.mkfifo(fifo)
    drain = ("/bin/sh", "-c", f"echo run >> {runs}; read line < {fifo}")

    async def scene() -> None:
        hook = hook_of(drain)
        assert await hook.go(JobVerb.DRAIN, within_s=0.0) is CommandOutcome.UNKNOWN
        assert hook.under_way is JobVerb.DRAIN
        assert await hook.go(JobVerb.DRAIN, within_s=0.0) is CommandOutcome.UNKNOWN
        await asyncio.to_thread(fifo.write_text, "go\n")
        assert await hook.go(JobVerb.DRAIN, within_s=DEADLINE_S) is CommandOutcome.ACCEPTED
        assert (hook.under_way, hook.drained) == (None, True)
        assert runs.read_text() == "run\n"

    asyncio.run(scene())


def test_it_is_killed_with_all_that_it_has_started_when_its_time_is_over(tmp_path: Path) -> None:
    child = tmp_path / "child"
    drain = ("/bin/sh", "-c", f"(trap '' TERM; exec sleep 600) & echo $! > {child}; wait")

    async def scene() -> None:
        hook = hook_of(drain, timeout_s=0.3)
        assert await hook.go(JobVerb.DRAIN, within_s=DEADLINE_S) is CommandOutcome.UNKNOWN
        assert hook.drained is None

    asyncio.run(scene())
    until(lambda: not is_alive(int(child.read_text())), "what it has started is killed")


def test_jobs_that_are_to_come_again_end_what_takes_them_away() -> None:
    async def scene() -> None:
        hook = hook_of(SLEEP)
        assert await hook.go(JobVerb.DRAIN, within_s=0.05) is CommandOutcome.UNKNOWN
        assert await hook.go(JobVerb.RESUME, within_s=DEADLINE_S) is CommandOutcome.ACCEPTED
        assert hook.drained is False

    asyncio.run(scene())


def test_without_a_program_of_its_own_a_stop_is_a_drain() -> None:
    async def scene() -> None:
        hook = hook_of(FALSE)
        assert await hook.go(JobVerb.STOP, within_s=DEADLINE_S) is CommandOutcome.REFUSED

    asyncio.run(scene())
