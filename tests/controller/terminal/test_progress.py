"""What takes long says so, and nothing else does."""

from __future__ import annotations

import io

from controller.terminal.progress import progress
from tests.controller.terminal.test_screen import Terminal
from tests.waiting import until


def test_what_is_done_soon_says_nothing():
    out = io.StringIO()
    with progress("compiling", out):
        pass
    assert out.getvalue() == ""


def test_what_takes_long_is_told_and_on_a_terminal_wiped_away_at_the_end():
    out, terminal = io.StringIO(), Terminal()
    with progress("compiling", out, quiet_s=0.0), progress("compiling", terminal, quiet_s=0.0):
        until(lambda: out.getvalue() and "compiling" in terminal.getvalue())
    assert out.getvalue() == "compiling … 0 s\n"
    assert terminal.getvalue().endswith("\r\x1b[K")
