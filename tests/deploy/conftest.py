"""What the tests of `deploy/` share: where it lies, installed programs, and waiting with a deadline."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@pytest.fixture(scope="session")
def deploy() -> Path:
    return DEPLOY


@pytest.fixture(scope="session")
def installed() -> Callable[[str], str]:
    """Return the path of a program, or skip the test that needs it; sbin is not on every PATH."""

    def find(program: str) -> str:
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
        return path or pytest.skip(f"{program} is not installed")

    return find
