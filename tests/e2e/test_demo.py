"""The running demo, seen by a real Prometheus."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.deploy.prometheus import assert_every_panel_returns_series
from tests.e2e.demos import Demos

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards" / "surplusd.json"


def test_every_panel_of_the_dashboard_gets_series_from_the_running_demo(demos: Demos) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    assert_every_panel_returns_series(f"127.0.0.1:{demos.port}", DASHBOARD, seconds=60.0)
