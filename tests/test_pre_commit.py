"""The hooks at a commit are the checks of the Makefile, run by the environment's own tools."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
#: Which files are meant, and whether they are changed, is the caller's affair.
LEFT_OUT = {".", "--check", "--force-exclude"}


def recipe(target: str) -> list[list[str]]:
    (lines,) = re.findall(rf"^{target}:.*\n((?:\t.+\n)+)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    return [words(line.strip().replace("$(BIN)", ".venv/bin")) for line in lines.splitlines()]


def words(command: str) -> list[str]:
    return [word for word in command.split() if word not in LEFT_OUT]


def test_the_hooks_run_what_make_check_and_make_generate_run():
    assert [words(hook["entry"]) for hook in HOOKS] == [*recipe("check"), *recipe("generate")]


def test_every_hook_runs_a_tool_of_the_environment():
    for hook in HOOKS:
        assert hook["language"] == "system"
        program = Path(hook["entry"].split()[0])
        assert program.parent == Path(".venv/bin")
        assert (Path(sys.executable).parent / program.name).exists()
