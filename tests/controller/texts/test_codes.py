"""Codes, texts, the operators' table and the metrics hold each other, in both directions."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import Final

import pytest

from controller.core.reasons import ANSWERS, REFUSALS, STATES, Code, Reason
from controller.texts.english import TEXTS, predicate, text, texts

ROOT: Final = Path(__file__).resolve().parents[3]
PAGE: Final = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
HEAD: Final = "| code | text | what it means | what to do |"

NAMES: Final = {"subject", "meter", "other", "node", "agent", "order", "devices", "topic"}
WORDS: Final = dict.fromkeys(NAMES, "NAME") | {"field": "FIELD", "limits": "LIMIT"}
#: By how a template shows a number; any other number is N, any other text three dots.
NUMBERS: Final = {"power": "N kW", "drawing": "up to N kW", "device": "N devices", "more": " and N more", ".0%": "N%"}


class Blank(str):
    """Stands in a template for whatever is filled in."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return NUMBERS.get(spec, "N") if spec else str(self)


class Blanks(dict):
    def __missing__(self, name: str) -> Blank:
        return Blank(WORDS.get(name, "…"))


def rows() -> list[list[str]]:
    """Return the cells of every row of every table of codes."""
    found = []
    for table in re.findall(rf"{re.escape(HEAD)}\n\|[-|]+\|\n((?:\|.+\n)+)", PAGE):
        found += [line.strip("| ").split(" | ") for line in table.splitlines()]
    return found


def of_section(title: str) -> set[str]:
    """Return the codes of one section."""
    section = PAGE.split(f"\n### {title}\n")[1].split("\n#")[0]
    return set(re.findall(r"^\| `(\w+)` \| ", section, flags=re.MULTILINE)) & {code.value for code in Code}


def test_every_code_has_one_text_and_one_row_and_nothing_else_has():
    assert set(TEXTS) == set(Code)
    assert sorted(row[0] for row in rows()) == sorted(f"`{code}`" for code in Code)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0].strip("`"))
def test_a_row_has_the_text_of_the_catalogue_a_meaning_and_what_to_do(row):
    code, shown, *told = row
    assert shown == TEXTS[Code(code.strip("`"))].format_map(Blanks())
    assert len(told) == 2, "a bar within a cell ends it"
    assert all(told)


def test_a_code_holds_or_refuses_or_answers():
    assert sorted([*STATES, *REFUSALS, *ANSWERS]) == sorted(Code)
    refused = (
        "Orders that are refused",
        "Resets that are refused",
        "Locks that are refused",
        "Words for the clock that are refused",
        "Words for meters that are refused",
        "Messages that are refused",
    )
    assert set().union(*map(of_section, refused)) == REFUSALS
    assert of_section("What stands in the answer") == ANSWERS


def test_the_words_of_http_that_refusals_are_counted_by_are_listed():
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "controller/api").glob("*.py"))
    words = set(re.findall(r"RequestRefused\([^)]*?\"(\w+)\"|\brefused\(\"(\w+)\"\)", source))
    named = {word for pair in words for word in pair if word}
    assert len(named) > 4
    assert named <= set(re.findall(r"`(\w+)`", PAGE.split("## 5. Reasons")[1].split("###")[0]))


def test_a_template_asks_for_nothing_by_its_place():
    for code, template in TEXTS.items():
        assert all(name is None or name.isidentifier() for _, name, _, _ in Formatter().parse(template)), code


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (Reason(Code.METER_OVER_RATING, "main", {"share": 1.2}), "meter main shows more than 120% of its rating: is its profile the right one?"),
        (Reason(Code.ORDER_UNDER_FLOOR, "pcc", {"floor_w": 40e3}), "pcc draws 40.0 kW with everything off"),
        (Reason(Code.TIMES_OVERRULED, "pcc", {"limits": "order:o1", "count": 1}), "order:o1 before the minimum and settle times of 1 device"),
        (Reason(Code.TIMES_OVERRULED, "pcc", {"limits": "surplus", "count": 2}), "surplus before the minimum and settle times of 2 devices"),
        (Reason(Code.PROTECTION_OVERRULED, "pcc", {"limits": "surplus", "devices": "a, b", "more": 0}), "surplus before the protected a, b"),
        (Reason(Code.PROTECTION_OVERRULED, "pcc", {"limits": "surplus", "devices": "a, b, c", "more": 4}), "surplus before the protected a, b, c and 4 more"),
        (
            Reason(Code.CLOCK_APART, "pcc", {"apart_s": -3.5, "by": "grid", "since_s": 600.0}),
            "the wall clock is -3.5 s off what has gone by in the 600 s since grid vouched for it",
        ),
        (Reason(Code.SOURCE_LOST, "main", {"error": "{subject}"}), "meter main is not read: {subject}"),
    ],
    ids=lambda value: value.code.value if isinstance(value, Reason) else "",
)  # fmt: skip
def test_a_text_shows_its_figures_as_people_write_them(reason, words):
    assert text(reason) == words


def test_several_reasons_stand_in_one_line_and_a_meter_need_not_be_named_twice():
    silent = Reason(Code.METER_SILENT, "main")
    assert texts([silent, Reason(Code.LINK_DOWN, "pcc")]) == "meter main is silent; no link to the broker"
    assert texts([]) == ""
    assert predicate(silent) == "is silent"
    assert predicate(Reason(Code.METER_SILENT, "check")) == "is silent"
    assert predicate(Reason(Code.LINK_DOWN, "pcc")) == "no link to the broker"


def test_what_draws_nothing_is_not_said_to_draw_up_to_nothing():
    figures = {"count": 2, "most_w": 0.0}
    shown = text(Reason(Code.LOCK_UNPROVEN, "hall", figures))
    assert shown.endswith("not proven to be off: they draw nothing now, as far as is known")
    assert text(Reason(Code.LOCK_UNPROVEN, "hall", figures | {"most_w": 7e3})).endswith("off: up to 7.0 kW")
