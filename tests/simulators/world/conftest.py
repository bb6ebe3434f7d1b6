"""The demo site as the world reads it, and small sites for tables."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from simulators.world.site import WorldSite, read_site


@pytest.fixture(scope="session")
def site() -> WorldSite:
    return read_site(Path(str(files("configs").joinpath("demo.yaml"))))
