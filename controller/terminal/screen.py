"""A terminal that is drawn anew in place; without one, nothing of this is used."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from controller.terminal.panel import Panel, drawn

#: The other screen of a terminal and back, cursor to the top left, erase to the end of the line, erase all that follows.
_ENTER, _LEAVE, _TOP, _REST, _BELOW = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H", "\x1b[K", "\x1b[J"
_WIDEST: Final = 120


def takes_colour(out: TextIO) -> bool:
    """Return whether somebody sees colours there: it is a terminal, and nobody has asked for none (https://no-color.org)."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width_of(out: TextIO) -> int:
    """Return how many characters a line may have there."""
    return min(_WIDEST, shutil.get_terminal_size().columns) if out.isatty() else _WIDEST


def show(panel: Panel, out: TextIO | None = None, *, below: int = 0) -> None:
    """Draw a panel below what stands there, and so many empty lines below it."""
    out = out or sys.stdout
    lines = drawn(panel, width_of(out), colour=takes_colour(out))
    out.write("".join(f"{line}\n" for line in (*lines, *[""] * below)))
    out.flush()


class Screen:
    """What is drawn on; the newest panel stands alone, and what does not fit is left out at the end."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, panel: Panel) -> None:
        """Draw a panel in the place of the one before."""
        size = shutil.get_terminal_size()
        lines = list(drawn(panel, min(_WIDEST, size.columns), colour=takes_colour(self._out)))
        self._out.write(_TOP + "\n".join(f"{line}{_REST}" for line in lines[: size.lines - 1]) + f"\n{_BELOW}")
        self._out.flush()


@contextmanager
def screen(out: TextIO | None = None) -> Iterator[Screen]:
    """Give the terminal, and leave it as it was found, whatever happens meanwhile."""
    out = out or sys.stdout
    out.write(_ENTER)
    try:
        yield Screen(out)
    finally:
        out.write(_LEAVE)
        out.flush()
