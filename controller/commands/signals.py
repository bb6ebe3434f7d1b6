"""How a verb that waits for the network, or has to put something back, ends on a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from drivers import names
from drivers.ending import until_cancelled

_T = TypeVar("_T")


def run_until_signal(work: Coroutine[Any, Any, _T]) -> _T:
    """Run `work` in an event loop and return what it returns; raises KeyboardInterrupt when Ctrl-C or SIGTERM came before."""

    async def main() -> _T:
        this = asyncio.current_task()
        assert this is not None  # noqa: S101  for the type alone
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
        return await until_cancelled(work)

    try:
        return names.run(main())
    except asyncio.CancelledError as cancelled:  # of SIGTERM; of Ctrl-C, asyncio makes KeyboardInterrupt itself
        raise KeyboardInterrupt from cancelled


def run_to_its_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Run `work` in an event loop and return what it returns.

    Ctrl-C, SIGTERM and SIGHUP cancel it once, and what it then puts back is waited for. Raises KeyboardInterrupt where one
    came before.
    """

    async def main() -> _T:
        this, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert this is not None  # noqa: S101  for the type alone
        told: list[bool] = []

        def once() -> None:
            if not told:
                told.append(this.cancel())

        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, once)
        return await work

    try:
        return names.run(main())
    except asyncio.CancelledError as cancelled:
        raise KeyboardInterrupt from cancelled
