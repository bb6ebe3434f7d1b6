from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from drivers.devices.work_thread import WorkThread
from drivers.errors import DriverLoss
from tests.waiting import DEADLINE_S


def test_calls_run_in_one_thread_and_what_they_raise_is_raised_where_they_are_waited_for() -> None:
    async def scene() -> None:
        thread = WorkThread("it")
        seen = await asyncio.gather(
            *(thread.run(lambda _: threading.get_ident(), within_s=DEADLINE_S) for _ in range(3))
        )
        assert len(set(seen)) == 1
        assert threading.get_ident() not in seen
        with pytest.raises(ZeroDivisionError):
            await thread.run(lambda _: 1 / 0, within_s=DEADLINE_S)

    asyncio.run(scene())


def test_a_call_that_hangs_is_given_up_and_what_waits_behind_it_never_begins() -> None:
    goes_on, began = threading.Event(), []

    def hang(is_wanted: Callable[[], bool]) -> None:
        goes_on.wait(DEADLINE_S)
        began.append(f"still wanted: {is_wanted()}")

    async def scene() -> None:
        thread = WorkThread("it")
        with pytest.raises(DriverLoss, match="it does not answer within"):
            await thread.run(hang, within_s=0.05)
        with pytest.raises(DriverLoss):
            await thread.run(lambda _: began.append("a raise that nobody waits for"), within_s=0.05)
        goes_on.set()
        await thread.run(lambda _: None, within_s=DEADLINE_S)
        assert began == ["still wanted: False"]

    asyncio.run(scene())
