"""The sources of a site as a table, with what looks wrong under each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controller.commands.meter.findings import absent, doubts, labels, look
from controller.commands.meter.layout import LINES, age, note, table, together
from controller.commands.meter.source import Source
from controller.core.reasons import Code
from controller.texts.english import predicate

#: What `look`, the age and the quality tell with the figures of this sample.
_WITH_FIGURES: Final = frozenset(
    {Code.METER_OFF_GRID, Code.METER_OVER_RATING, Code.METER_OVER_AMPERES, Code.METER_UNDER_AMPERES}
    | {Code.METER_PHASES_APART, Code.METER_NEVER_READ, Code.SURPLUS_NEVER_READ, Code.METER_SILENT}
    | {Code.SAMPLE_INVALID, Code.SAMPLE_DOUBTED, Code.SAMPLE_NOT_FINITE, Code.SAMPLE_ALL_ZERO}
)
_HEAD = ("METER", "QUANTITY", "VALUE", "AGE", "QUALITY")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable:
    """The lines to print, and the names of the sources that could not be read or look wrong."""

    lines: Sequence[str]
    bad: Sequence[str]


def report(seen: Mapping[str, Source], now_s: float) -> SourceTable:
    """Return the table of all sources; ``!`` marks what looks wrong, ``?`` what must be verified.

    ``-`` is what is not there, ``i`` what a person should know about a value.
    """
    cells = {name: list(rows(source, now_s)) for name, source in seen.items()}
    wrong = {name: findings(source, now_s) for name, source in seen.items()}
    laid_out = iter(table([_HEAD, *(row for block in cells.values() for row in block)]))
    lines = [next(laid_out)]
    for name, source in seen.items():
        lines += [next(laid_out) for _ in cells[name]]
        lines += [f"  ({source.where})"]
        lines += [line for text in wrong[name] for line in note("!", text)]
        lines += [
            line
            for reason in source.reasons
            if reason.code is Code.VALUE_NOTED
            for line in note("i", predicate(reason))
        ]
        if missing := absent(source.plain, source.invalid):
            lines += note("-", f"not in this meter: {', '.join(labels(missing))}")
        lines += [line for text in doubts(source.profile) for line in note("?", text)]
    return SourceTable(lines=lines, bad=[name for name, texts in wrong.items() if texts])


def rows(source: Source, now_s: float) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield a row for each kind of quantity; a source without values has one that says so."""
    name = source.name
    for label, quantities in LINES.items():
        there = [source.values[each] for each in quantities if each in source.values]
        if not there:
            continue
        known = [each for each in quantities if each in source.values or each in source.invalid]
        values = [source.values[each][0] if each in source.values else float("nan") for each in known]
        oldest_s = min(taken_s for _, taken_s in there)
        called = source.gives if source.gives and label == "surplus" else label
        yield name, called, together(quantities[0], values), age(now_s - oldest_s), source.verdict
        name = ""
    if name:
        yield name, "-", "-", "-", "lost" if source.lost else "no value"


def findings(source: Source, now_s: float) -> list[str]:
    """Return what looks wrong at one source; never nothing where the daemon doubts it.

    A doubt of `_WITH_FIGURES` is named by its word only where no figure speaks against the source.
    """
    if source.lost:
        return [f"not read: {source.lost}"]
    texts = look(source.plain, source.invalid, source.rating_w, source.grids_hz)
    age_s = now_s - max((taken_s for _, taken_s in source.values.values()), default=now_s)
    if age_s > source.suspect_s:
        texts.append(f"{age(age_s)} old; above {age(source.suspect_s)} nothing may rise on it")
    if source.quality and not source.invalid:
        texts.append(f"its quality is {source.quality.name.lower()}: nothing may rise on it")
    doubted = [reason for reason in source.reasons if reason.code is not Code.VALUE_NOTED]
    untold = [reason for reason in doubted if reason.code not in _WITH_FIGURES or not texts]
    return [*texts, *(predicate(reason) for reason in untold)]
