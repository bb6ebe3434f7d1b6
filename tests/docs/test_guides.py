"""The guides are short and whole: no sentence is long, no page is left out of the index, and what they name exists."""

from __future__ import annotations

import re

import pytest
import yaml

from controller.core.reasons import Code
from tests.docs.guides import GUIDES, ROOT, sentences, words

#: Many who read them have English as their third language.
MOST_WORDS = 30
CODES = {code.value for code in Code}


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_sentence_is_long(page):
    found = {each: words(each) for each in sentences(page.read_text(encoding="utf-8"))}
    assert found
    assert {each: count for each, count in found.items() if count > MOST_WORDS} == {}


def test_sentences_are_found_in_prose_lists_and_tables():
    text = "# A b\n\nOne `x y` [two](t).\nThree\nfour? Five.\n\n- six\n  seven\n1. eight\n\n| a b | c |\n|---|---|\n\n```sh\nno\n```\n"
    assert [each for each in sentences(text) if words(each)] == [
        "A b", "One CODE two.", "Three four?", "Five.", "six seven", "eight", "a b", "c",
    ]  # fmt: skip


def test_the_index_has_every_page_and_every_page_has_a_reader():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([\w./-]+)\)", index))
    wanted = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    wanted |= {f"{folder}/README.md" for folder in ("contract", "decisions")}
    assert wanted <= linked


def test_whoever_begins_at_the_readme_comes_to_every_page():
    reached, ways = set(), [ROOT / "README.md"]
    while ways:
        page = ways.pop()
        if page.suffix == ".md" and page not in reached:
            reached.add(page)
            linked = re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8"))
            ways += [(page.parent / target).resolve() for target in linked]
    assert {*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")} <= reached


def test_the_safety_case_names_campaigns_that_there_are_and_leaves_out_none_that_is_of_safety():
    page = (ROOT / "docs/safety-case.md").read_text(encoding="utf-8")
    source = (ROOT / "tests/verify/__main__.py").read_text(encoding="utf-8")
    campaigns = set(re.findall(r'^    "(\w+)": \w+,$', source, flags=re.MULTILINE))
    named = {
        word
        for words in re.findall(r"campaigns? ((?:`\w+`(?:, | and )?)+)", page)
        for word in re.findall(r"`(\w+)`", words)
    }
    assert len(campaigns) > 10
    assert named <= campaigns
    # What the others try is looks, speed, value or what is not ours.
    assert campaigns - named == {"states", "readers", "dlms", "polling", "protocols", "caps"}


def test_every_promise_of_the_safety_case_names_a_test_or_a_campaign():
    page = (ROOT / "docs/safety-case.md").read_text(encoding="utf-8")
    rows = [
        line
        for line in page.splitlines()
        if line.startswith("| ") and not line.startswith(("| promise", "| what fails"))
    ]
    assert len(rows) > 25
    assert [row for row in rows if not re.search(r"`test_\w+` in `tests/|campaigns? `", row)] == []


def test_what_is_seen_in_troubleshooting_is_what_surplusd_says():
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    seen = {word for row in rows for word in re.findall(r"`([^`]+)`", row[0])}
    rules = yaml.safe_load((ROOT / "deploy/prometheus/surplusd-rules.yml").read_text(encoding="utf-8"))
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    sources = "".join(
        path.read_text(encoding="utf-8") for top in ("controller", "drivers") for path in (ROOT / top).rglob("*.py")
    )
    assert len(seen & CODES) > 10
    assert {words for words in seen - CODES - alerts if words not in sources} == set()
