"""The yard: one small site of processes for the tests of a module; and the demos, which run beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.brokers import amqtt_broker, mosquitto_broker
from tests.e2e.demos import Demos, running_demos
from tests.e2e.yard import Yard, yard_over


@pytest.fixture(scope="session", autouse=True)
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compile the kernels once, not once for every state folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", os.environ.get("NUMBA_CACHE_DIR", str(tmp_path_factory.mktemp("kernels"))))
        yield


@pytest.fixture(scope="module")
def yard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """The site over the embedded broker, or over the one that the module parametrizes it with."""
    folder = tmp_path_factory.mktemp("yard")
    real = getattr(request, "param", "amqtt") == "mosquitto"
    with mosquitto_broker(folder) if real else amqtt_broker() as broker, yard_over(broker, folder) as yard:
        yield yard


@pytest.fixture(scope="session")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demos]:
    """The demos, from the first test that asks for them; the others wait for their ends."""
    with running_demos(tmp_path_factory.mktemp("demos")) as demos:
        yield demos
