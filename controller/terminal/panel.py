"""A site in a terminal: facts by name, how the power went, and what is to be told. Pure: from a panel to lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import Final

from controller.terminal.escaped import escaped

SPARK_WIDTH: Final = 60
_BARS: Final = "▁▂▃▄▅▆▇█"
_RESET: Final = "\x1b[0m"


class Style(Enum):
    """How a value is drawn, as ECMA-48 has it; what it says is said by its words as well."""

    PLAIN = ""
    STRONG = "\x1b[1m"
    GOOD = "\x1b[1;32m"
    WARN = "\x1b[1;33m"
    BAD = "\x1b[1;31m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A value by its name."""

    name: str
    words: str
    look: Style = Style.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that is told, and what can be done about it; empty where there is nothing to be done."""

    words: str
    remedy: str = ""
    look: Style = Style.WARN


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A site as it is drawn. `course`: by name, watts of the last looks, the newest last.

    `above`: so many facts stand above the notes; None: all of them, and the course.
    """

    title: str
    facts: Sequence[Fact]
    course: Sequence[tuple[str, Sequence[float]]] = ()
    notes: Sequence[Note] = ()
    above: int | None = None


def drawn(panel: Panel, width: int, *, colour: bool) -> Iterator[str]:
    """Yield the lines of a panel, none longer than `width` characters; `colour`: with what a terminal takes for colours."""
    yield _painted(escaped(panel.title)[:width], Style.STRONG, colour)
    names = [fact.name for fact in panel.facts] + [name for name, _ in panel.course]
    indent = max(map(len, names), default=0) + 2
    facts = [list(_fact(fact, indent, width, colour=colour)) for fact in panel.facts]
    course = list(_course(panel, indent, width))
    notes = [line for note in panel.notes for line in _note(note, width, colour=colour)]
    if panel.above is None:
        yield from chain(*facts, course, notes)
    else:
        yield from chain(*facts[: panel.above], notes, *facts[panel.above :], course)


def sparkline(values: Sequence[float], highest: float, width: int = SPARK_WIDTH) -> str:
    """Return the last `width` values as bars between zero and `highest`.

    >>> sparkline([0.0, 50.0, 100.0], 100.0)
    '▁▅█'
    """
    top, whole = len(_BARS) - 1, highest or 1.0
    return "".join(_BARS[round(top * min(max(value / whole, 0.0), 1.0))] for value in values[-width:])


def _fact(fact: Fact, indent: int, width: int, *, colour: bool) -> Iterator[str]:
    head, *rest = textwrap.wrap(escaped(fact.words), max(20, width - indent)) or [""]
    yield f"{fact.name:<{indent}}{_painted(head, fact.look, colour)}"
    yield from (" " * indent + _painted(line, fact.look, colour) for line in rest)


def _course(panel: Panel, indent: int, width: int) -> Iterator[str]:
    highest = max((max(values, default=0.0) for _, values in panel.course), default=0.0)
    for name, values in panel.course:
        yield f"{name:<{indent}}{sparkline(values, highest, min(SPARK_WIDTH, width - indent))}"


def _note(note: Note, width: int, *, colour: bool) -> Iterator[str]:
    yield from (_painted(line, note.look, colour) for line in _folded("! ", note.words, width))
    yield from _folded("  > ", note.remedy, width)


def _folded(mark: str, words: str, width: int) -> list[str]:
    return textwrap.wrap(escaped(words), width, initial_indent=mark, subsequent_indent=" " * len(mark))


def _painted(words: str, look: Style, colour: bool) -> str:
    return f"{look.value}{words}{_RESET}" if colour and look is not Style.PLAIN and words else words
