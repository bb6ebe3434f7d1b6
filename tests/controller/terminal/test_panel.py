"""A panel as lines of a terminal."""

from __future__ import annotations

import re
from dataclasses import replace

from controller.terminal.panel import Fact, Note, Panel, Style, drawn, sparkline

PANEL = Panel(
    title="site north",
    facts=[
        Fact(name="state", words="OVER THE LIMIT", look=Style.BAD),
        Fact(name="orders", words="; ".join(f"authority/o{n}: pcc" for n in range(9))),
        Fact(name="none", words=""),
    ],
    course=[("site", [0.0, 50.0, 100.0]), ("surplus", [])],
    notes=[Note(words="pcc has drawn more than it may " * 4, remedy="switch it off by hand")],
)


def test_what_somebody_has_typed_is_no_command_to_the_terminal():
    typed = "ali\x1b[2J\x9b1mNORMAL\r\n"
    panel = Panel(title=typed, facts=[Fact(name="locked", words=typed)], notes=[Note(words=typed, remedy=typed)])
    lines = list(drawn(panel, 120, colour=False))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", "".join(lines))
    assert sum("ali\\x1b[2J" in line for line in lines) == 4


def test_a_sparkline_has_its_width_and_stays_in_bounds():
    assert sparkline([0.0, 50.0, 100.0, 150.0, -5.0], 100.0) == "▁▅██▁"
    assert len(sparkline([1.0] * 500, 2.0)) == 60
    assert sparkline([0.0, 0.0], 0.0) == "▁▁"


def test_no_line_is_wider_than_the_terminal_and_nothing_is_left_out():
    lines = list(drawn(PANEL, 50, colour=False))
    assert max(map(len, lines)) <= 50
    assert lines[0] == "site north"
    assert "state    OVER THE LIMIT" in lines
    assert "site     ▁▅█" in lines
    assert "  > switch it off by hand" in lines
    together = " ".join(" ".join(lines).split())
    assert all(f"authority/o{n}" in together for n in range(9))


def test_what_is_to_be_told_may_stand_above_the_figures():
    lines = list(drawn(replace(PANEL, above=1), 120, colour=False))
    told = [line.split()[0] for line in lines]
    assert told.index("!") < told.index(">") < told.index("orders") < told.index("site", 1)
    assert told.index("state") < told.index("!")
    assert sorted(lines) == sorted(drawn(PANEL, 120, colour=False))


def test_without_colour_there_is_none_and_with_it_the_words_are_the_same():
    plain, coloured = "\n".join(drawn(PANEL, 80, colour=False)), "\n".join(drawn(PANEL, 80, colour=True))
    assert "\x1b" not in plain
    assert f"{Style.BAD.value}OVER THE LIMIT\x1b[0m" in coloured
    for look in Style:
        coloured = coloured.replace(look.value, "") if look.value else coloured
    assert coloured.replace("\x1b[0m", "") == plain
