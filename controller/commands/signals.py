"""How a verb that waits for the network ends on Ctrl-C and SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

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
        return asyncio.run(main())
    except asyncio.CancelledError as cancelled:  # of SIGTERM; of Ctrl-C, asyncio makes KeyboardInterrupt itself
        raise KeyboardInterrupt from cancelled
