"""The command line is light: what a verb needs is imported when the verb runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import DEADLINE_S

ROOT = Path(__file__).parents[3]
SLOW = ("numpy", "numba", "pydantic", "cryptography", "yaml", "asyncua", "pymodbus", "fastapi", "simulators")


def imported_by(code: str) -> set[str]:
    code = f"import sys\n{code}\nprint(*[name for name in {SLOW!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE_S, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_to_ask_a_daemon_by_a_site_file_imports_no_columns() -> None:
    """Of the site file it needs an address and a token; the columns of the control take a tenth of a second to import."""
    site = ROOT / "configs/demo.yaml"
    code = f"import controller.cli\nassert controller.cli.main(['order', 'list', '--site', {str(site)!r}]) == 1"
    assert {"numpy", "numba", "asyncua", "fastapi"}.isdisjoint(imported_by(code))


def test_to_know_the_verbs_imports_nothing_slow() -> None:
    assert imported_by("import controller.cli") == set()


@pytest.mark.parametrize(
    "argv",
    [["--help"], ["check", "--help"], ["meter", "--help"], ["meter", "probe", "--help"], ["certificates", "--help"]],
)
def test_to_ask_for_help_imports_nothing_slow(argv: list[str]) -> None:
    code = (
        f"import controller.cli\ntry: controller.cli.main({argv!r})\nexcept SystemExit as ended: assert ended.code == 0"
    )
    assert imported_by(code) == set()
