"""What is made from code is up to date, and `make generate` is the one way to make it."""

from __future__ import annotations

import runpy
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(str(ROOT / "docs/generate.py"))
GENERATED, MARK, write = SCRIPT["GENERATED"], SCRIPT["MARK"], SCRIPT["write"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Every generated file as committed, in a folder of its own."""
    for one in GENERATED:
        (tmp_path / one.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / one.path).write_bytes((ROOT / one.path).read_bytes())
    return tmp_path


@pytest.mark.parametrize("one", GENERATED, ids=lambda one: one.path)
def test_a_generated_file_is_what_its_source_gives_now(one):
    assert (ROOT / one.path).read_text(encoding="utf-8") == one.wanted(ROOT), "run: make generate"


def test_every_page_with_the_mark_is_in_the_list():
    marked = {path for path in ROOT.glob("docs/**/*.md") if MARK in path.read_text(encoding="utf-8")}
    assert marked == {ROOT / one.path for one in GENERATED if one.page}


def test_what_is_out_of_date_is_written_and_named_and_the_rest_is_left_alone(copy):
    schema, page = copy / "configs/site.schema.json", copy / "docs/meters.md"
    schema.write_text("{}", encoding="utf-8")
    page.write_text(f"by hand\n{MARK}old\n", encoding="utf-8")
    assert write(copy) == ["configs/site.schema.json", "docs/meters.md"]
    assert schema.read_bytes() == (ROOT / "configs/site.schema.json").read_bytes()
    made = (ROOT / "docs/meters.md").read_text(encoding="utf-8").partition(MARK)[2]
    assert page.read_text(encoding="utf-8") == f"by hand\n{MARK}{made}"
    assert write(copy) == []


def test_a_page_without_its_mark_is_never_overwritten(copy):
    page = copy / "docs/configuration.md"
    page.write_text("by hand\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"docs/configuration\.md has lost the line"):
        write(copy)
    assert page.read_text(encoding="utf-8") == "by hand\n"


def test_make_generate_runs_the_list():
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", "generate"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "python docs/generate.py" in done.stdout
