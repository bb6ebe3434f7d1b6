"""The pages for those who work on the code name what exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path for pattern in ("*.md", "docs/*.md", "docs/decisions/*.md", ".github/**/*.md") for path in ROOT.glob(pattern)
)
FOLDERS = "controller|drivers|simulators|configs|deploy|docs|tests"
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
#: A path from the root, wherever it stands; `NAME` in it stands for any name.
PATH = re.compile(rf"(?<![\w./-])(?:{FOLDERS})/[\w./*@-]*[\w*]")


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_of_the_tree_exists(page):
    for named in PATH.findall(page.read_text(encoding="utf-8")):
        assert any(ROOT.glob(re.sub(r"\bNAME\b", "*", named))), named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_name_stands_in_the_file_that_a_page_gives_for_it(page):
    for name, path in re.findall(r"`(\w+)` in\s+`([\w/]+\.py)`", page.read_text(encoding="utf-8")):
        defined = rf"(?:def|class) {name}\b|^ *{name}\b.*(?:=|: )"
        assert re.search(defined, (ROOT / path).read_text(encoding="utf-8"), flags=re.MULTILINE), f"{name} in {path}"


def test_the_layers_of_the_architecture_are_those_of_the_import_contracts():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    wanted = [
        [set(re.findall(r"[\w.]+", layer)) for layer in contract["layers"]]
        for contract in contracts
        if contract["type"] == "layers"
    ]
    (section,) = re.findall(
        r"## What may import what\n(.*?)\n## ", (ROOT / "docs/ARCHITECTURE.md").read_text(), flags=re.DOTALL
    )
    shown = [
        [set(line.split()) for line in block.splitlines()]
        for block in re.findall(r"```\n(.*?)```", section, flags=re.DOTALL)
    ]
    assert shown == wanted
