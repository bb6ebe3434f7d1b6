"""Waiting for what another thread or process does. A deadline ends a test that would hang; it says nothing about speed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from drivers.clock import boottime_s

#: So long that no busy machine comes near it.
DEADLINE_S: Final = 100.0
_LOOK_S: Final = 0.01

T = TypeVar("T")


def until(
    condition: Callable[[], T],
    what: str = "what is waited for",
    deadline_s: float = DEADLINE_S,
    tell: Callable[[], object] = str,
    look_s: float = _LOOK_S,
) -> T:
    """Return the first truthy answer of what has no event to wait on; `tell` says at the deadline how things are.

    `look_s`: from one look to the next; where a look is a request to another process, less often is much cheaper.
    """
    pause, end_s = threading.Event(), boottime_s() + deadline_s
    while not (answer := condition()):
        assert boottime_s() < end_s, f"not within {deadline_s:g} s: {what}; {tell()}"
        pause.wait(look_s)
    return answer
