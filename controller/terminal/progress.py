"""Says that something takes long, and how long it has taken so far."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

#: What is done sooner is not spoken of.
QUIET_S: Final = 2.0
_AGAIN_S: Final = 1.0
_AGAIN_IN_LINES_S: Final = 15.0


@contextmanager
def progress(words: str, out: TextIO | None = None, *, quiet_s: float = QUIET_S) -> Iterator[None]:
    """Say on standard error what is under way once it has taken so long, and then how long.

    On a terminal in one line that is gone at the end, else in a line now and then.
    """
    out = out or sys.stderr
    ended, begun_s = threading.Event(), time.monotonic()

    def tell() -> None:
        pause_s = quiet_s
        while not ended.wait(pause_s):
            past = f"{words} … {time.monotonic() - begun_s:.0f} s"
            out.write(f"\r{past}\x1b[K" if out.isatty() else f"{past}\n")
            out.flush()
            pause_s = _AGAIN_S if out.isatty() else _AGAIN_IN_LINES_S

    teller = threading.Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()
        if out.isatty():
            out.write("\r\x1b[K")
            out.flush()
