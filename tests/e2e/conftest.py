"""The yard: one small site of processes for the tests of this folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.__main__ import COMPILED
from tests.brokers import MOSQUITTO, amqtt_broker, mosquitto_broker
from tests.e2e.yard import Yard, yard_over

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the tests of this folder wait for longer, on a busy machine."""
    for item in items:
        if item.path.parent == _HERE and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session", autouse=True)
def _kernels() -> None:
    """See that the kernels are compiled, which may take longer than any daemon has for its start."""
    if not os.environ.get(COMPILED):
        subprocess.run([sys.executable, "-m", "controller.cli", "warmup"], check=True, capture_output=True)


@pytest.fixture(scope="package")
def yard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """The site over the embedded broker, or, for a module that asks for it, over a real mosquitto if there is one."""
    folder = tmp_path_factory.mktemp("yard")
    real = getattr(request, "param", "amqtt") == "real" and MOSQUITTO is not None
    with mosquitto_broker(folder) if real else amqtt_broker() as broker, yard_over(broker, folder) as yard:
        yield yard
