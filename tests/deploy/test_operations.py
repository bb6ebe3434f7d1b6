"""What docs/operations.md tells the operator is what the daemon says and takes."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from controller.daemon.journal import chain
from controller.daemon.journal.journal import RecordKind
from drivers.fleet.keys import load_private, load_public
from tests.controller.daemon.journal.journals import journal_at

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "operations.md").read_text()


def test_every_file_that_is_installed_is_in_the_package(page):
    """Blocks of commands that begin in a folder of the package; what they install has to be in it."""
    blocks = re.findall(r"^cd /usr/share/surplusd/(\w+)\n(.+?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    assert {folder for folder, _ in blocks} == {"mosquitto", "prometheus", "grafana"}
    named = [
        ROOT / "deploy" / folder / word
        for folder, block in blocks
        for line in block.splitlines()
        if line.startswith("install ") and "/secure/" not in line
        for word in line.split()[1:-1]
        if re.fullmatch(r"[\w/.-]+\.(ya?ml|json|conf|acl)", word)
    ]
    assert len(named) >= 8
    assert [path for path in named if not path.is_file()] == []


def test_keys_made_as_written_are_keys_of_the_contract(page, installed, tmp_path):
    installed("openssl")
    (command,) = re.findall(r"^openssl genpkey .+$", page, flags=re.MULTILINE)
    subprocess.run(["sh", "-euc", f"umask 077; {command}"], cwd=tmp_path, check=True)
    private, public = load_private(tmp_path / "controller.key"), load_public(tmp_path / "controller.pub")
    public.verify(private.sign(b"text"), b"text")


def test_a_journal_is_copied_whole_while_it_is_written(tmp_path):
    """By SQLite's online backup, which is what `sqlite3 .backup` does."""
    journal = journal_at(tmp_path / "journal.db")
    try:
        for _ in range(10):
            journal.append(RecordKind.MODE, {"mode": "hold"})
        with (
            closing(sqlite3.connect(tmp_path / "journal.db")) as source,
            closing(sqlite3.connect(tmp_path / "copy.db")) as copy,
        ):
            source.backup(copy)
    finally:
        journal.close()
    assert chain.verify(tmp_path / "copy.db") == 10
