"""What is said while the agents of a site do not do as they are told; `make verify ARGS=scenes` plays the longer scenes."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from tests.brokers import mosquitto_broker
from tests.deploy.prometheus import firing, prometheus
from tests.e2e.scenes import Scene, agents_hang
from tests.e2e.yard import PLENTY, yard_over

RULES = Path(__file__).parents[2] / "deploy/prometheus/surplusd-rules.yml"


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_agents_that_hang_under_an_order_are_told_of_and_the_site_comes_back_by_itself(tmp_path: Path) -> None:
    with mosquitto_broker(tmp_path) as broker, yard_over(broker, tmp_path, PLENTY, "--agents-apart") as yard:
        yard.calm(drawing=True)
        with prometheus(yard.setup.url.removeprefix("http://"), RULES) as api:
            agents_hang(Scene(yard), partial(firing, api))
