"""An event loop in which names of machines are looked up so that a server of names that hangs keeps nobody else waiting.

asyncio looks them up in the threads that it has for everything, which are few: some meters whose names nobody answers for
would keep all others from being looked up, a site file from being reloaded, and the process from its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")
#: What is looked up: host, port, family, type, protocol, flags, as `socket.getaddrinfo` takes them.
_Wanted = tuple[Any, ...]


class NamingLoop(asyncio.SelectorEventLoop):
    """The loop. Each name has a thread of its own while it is looked up, however many ask for it; none holds up the end."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[_Wanted, asyncio.Future[Any]] = {}

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002  as asyncio calls it
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        """Return what `socket.getaddrinfo` returns; raises OSError."""
        wanted = (host, port, family, type, proto, flags)
        if wanted not in self._asked:
            self._begin(wanted)
        return await asyncio.shield(self._asked[wanted])

    def _begin(self, wanted: _Wanted) -> None:
        answer = self._asked[wanted] = self.create_future()
        answer.add_done_callback(lambda _: self._end(wanted))
        threading.Thread(target=self._look_up, args=(wanted, answer), name="name", daemon=True).start()

    def _look_up(self, wanted: _Wanted, answer: asyncio.Future[Any]) -> None:
        told: tuple[Any, ...]
        try:
            told = answer.set_result, socket.getaddrinfo(*wanted)
        except (OSError, ValueError) as error:  # UnicodeError is one, of a name that cannot be asked for
            told = answer.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self.call_soon_threadsafe(*told)

    def _end(self, wanted: _Wanted) -> None:
        answer = self._asked.pop(wanted)
        if not answer.cancelled():
            answer.exception()  # whoever asked may have given up


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run `work` in such a loop and return what it returns, as asyncio.run does."""
    with asyncio.Runner(loop_factory=NamingLoop) as runner:
        return runner.run(work)
