"""The terminal that is drawn on."""

from __future__ import annotations

import io

import pytest

from controller.terminal.panel import Fact, Panel
from controller.terminal.screen import screen, takes_colour, width_of


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_are_for_a_terminal_whose_user_wants_them(monkeypatch, name, value):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert takes_colour(Terminal())
    assert not takes_colour(io.StringIO())
    monkeypatch.setenv(name, value)
    assert not takes_colour(Terminal())


def test_what_does_not_fit_is_left_out_and_the_terminal_is_given_back_after_a_fault(monkeypatch):
    monkeypatch.setenv("LINES", "10")
    monkeypatch.setenv("COLUMNS", "60")
    out = Terminal()
    panel = Panel(title="site north", facts=[Fact(name=f"f{n}", words="x" * 50) for n in range(40)])

    def fails() -> None:
        with screen(out) as terminal:
            terminal.show(panel)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    shown = out.getvalue()
    assert "f7" in shown
    assert "f8" not in shown, "the last line stays free, so that nothing is scrolled"
    assert shown.endswith("\x1b[?1049l")
    assert width_of(out) == 60
