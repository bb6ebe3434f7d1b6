"""A substation for the tests of the commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.controller.commands.substation import Substation


@pytest.fixture
def substation() -> Iterator[Substation]:
    made = Substation()
    yield made
    made.close()
