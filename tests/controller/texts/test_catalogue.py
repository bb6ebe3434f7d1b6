"""Every language has every text, with the same parameters, the same names of settings and commands, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from controller.core.reasons import STATES, Code, Reason
from controller.texts.catalogue import CATALOGUE, all_told, remedy, told
from controller.texts.english import text, texts
from controller.texts.phrases import Language
from controller.texts.remedies import REMEDIES
from controller.texts.words import WORDS, words_of

PAGE = (Path(__file__).resolve().parents[3] / "docs/operations.md").read_text(encoding="utf-8")
STATIC = Path(__file__).resolve().parents[3] / "controller/api/page/static"
OTHERS = [language for language in Language if language is not Language.ENGLISH]
ROWS = dict(re.findall(r"^\| `(\w+)` \| .+ \| (.+?) \|$", PAGE, flags=re.MULTILINE))
ARABIC = re.compile(r"[\u0600-\u06ff]")
#: Cells of the table that point at the row above.
SAME = "the same"


def parameters(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def typed(words: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", words))


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_every_code_with_the_same_parameters(language):
    assert set(CATALOGUE[language]) == set(Code)
    english = CATALOGUE[Language.ENGLISH]
    assert {code: parameters(words) for code, words in CATALOGUE[language].items()} == {
        code: parameters(words) for code, words in english.items()
    }


@pytest.mark.parametrize("language", OTHERS)
def test_no_text_was_left_in_english(language):
    english = CATALOGUE[Language.ENGLISH]
    same = {code for code, words in CATALOGUE[language].items() if words == english[code]}
    assert same == {Code.MESSAGE_INVALID, Code.VALUE_NOTED} - (
        {Code.VALUE_NOTED} if language is Language.URDU else set()
    )
    for code, words in CATALOGUE[Language.URDU].items():
        assert code is Code.MESSAGE_INVALID or ARABIC.search(words), code


def test_every_reason_that_holds_has_a_remedy_that_names_what_the_operators_table_names():
    assert set(REMEDIES) == set(STATES)
    for code, (english, urdu, indonesian) in REMEDIES.items():
        assert typed(english) == typed(urdu) == typed(indonesian), code
        assert ROWS[code] == SAME or all(each in ROWS[code] for each in typed(english)), code
        assert ARABIC.search(urdu), code
        assert english != indonesian, code


def test_a_reason_that_only_happens_has_no_remedy():
    assert remedy(Code.ORDER_UNKNOWN, Language.ENGLISH) == ""


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "pcc has drawn more than it may for 32 s, 1.234 MW too much now"),
        ("id", "pcc menarik lebih dari izinnya selama 32 s, sekarang kelebihan 1,234 MW"),
        ("ur", "\u2068pcc\u2069 \u206632\u2069 سیکنڈ سے اجازت سے زیادہ لے رہا ہے، اِس وقت \u20661.234 MW\u2069 زیادہ"),
    ],
)
def test_a_figure_is_written_as_the_language_writes_it(language, words):
    reason = Reason(Code.OVER_ENVELOPE, "pcc", {"since_s": 32.0, "over_w": 1.234e6})
    assert told(reason, Language(language)) == words


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_counted_and_what_is_more_is_said_in_the_language(language):
    locked = Reason(Code.LOCK_UNPROVEN, "hall", {"count": 2, "most_w": 0.0})
    more = Reason(Code.DEVICES_MISSING, "hall-a", {"devices": "m-1", "more": 3})
    for reason in (locked, more):
        assert not re.search(r"\b(devices?|and|more|nothing|up to)\b", told(reason, language))


def test_what_a_person_has_typed_keeps_its_direction_in_quotes_too():
    reason = Reason(Code.AGENT_UNKNOWN, "pcc", {"agent": "hall-x"})
    assert "\u2068'hall-x'\u2069" in told(reason, Language.URDU)
    assert "'hall-x'" in told(reason, Language.ENGLISH)


def test_english_is_what_the_log_says():
    reasons = (Reason(Code.LINK_DOWN, "pcc"), Reason(Code.METER_SILENT, "main"))
    assert all_told(reasons, Language.ENGLISH) == texts(reasons)
    assert told(reasons[0], Language.ENGLISH) == text(reasons[0])


def test_every_word_of_the_page_is_there_in_every_language_and_is_used():
    source = "".join(path.read_text(encoding="utf-8") for path in STATIC.iterdir() if path.suffix in {".js", ".html"})
    # Words of records are put in by the server, and kinds of things by the second half of their keys.
    kinds = ("record", *re.findall(r"\b(\w+)_\$\{", source))
    for key, (english, urdu, indonesian) in WORDS.items():
        assert parameters(english) == parameters(urdu) == parameters(indonesian), key
        assert all((english, urdu, indonesian)), key
        is_told = re.search(rf"\b{key.removesuffix('_about')}\b", source) or key.startswith(
            tuple(f"{kind}_" for kind in kinds)
        )
        assert is_told or key == "missing", key
    asked = set(re.findall(r"words\.(\w+)", source)) | set(re.findall(r"\{\{(\w+)\}\}", source))
    assert asked - {"lang", "dir", "site", "words"} <= set(WORDS)
    assert set(words_of(Language.URDU)) == set(WORDS)
