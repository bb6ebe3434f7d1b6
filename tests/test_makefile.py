"""`make help` is complete."""

from __future__ import annotations

import re
from pathlib import Path

MAKEFILE = (Path(__file__).resolve().parents[1] / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z][a-z-]*):", MAKEFILE, flags=re.MULTILINE)


def test_every_target_is_phony_and_none_twice():
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, flags=re.MULTILINE)
    assert sorted(phony.split()) == sorted(TARGETS)


def test_help_names_every_other_target_in_its_own_line():
    helped = re.findall(r'^\t@echo "make ([a-z-]+) +\S.*"$', MAKEFILE, flags=re.MULTILINE)
    assert sorted(helped) == sorted(set(TARGETS) - {"help"})
