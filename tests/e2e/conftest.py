"""The yard: one small site of processes for the tests of a module; and the demos, which run beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import MOSQUITTO, amqtt_broker, mosquitto_broker
from tests.e2e.demos import Demos, running_demos
from tests.e2e.yard import Yard, yard_over

_HERE = Path(__file__).parent
#: The demos start first and are asked last; a demo that wants series needs a while until its order.
_ORDER = ("test_wheel.py", "test_demo.py", "test_leases.py", "test_site.py", "test_start.py", "test_verdict.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of this folder into the order in which they wait least."""
    mine = [item for item in items if item.path.parent == _HERE and item.path.name in _ORDER]
    in_order = iter(sorted(mine, key=lambda item: _ORDER.index(item.path.name)))
    items[:] = [next(in_order) if item in mine else item for item in items]


@pytest.fixture(scope="session", autouse=True)
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compile the kernels once, not once for every state folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", os.environ.get("NUMBA_CACHE_DIR", str(tmp_path_factory.mktemp("kernels"))))
        yield


@pytest.fixture(scope="module")
def yard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """The site over the embedded broker, or, for a module that asks for it, over a real mosquitto if there is one."""
    folder = tmp_path_factory.mktemp("yard")
    real = getattr(request, "param", "amqtt") == "real" and MOSQUITTO is not None
    with mosquitto_broker(folder) if real else amqtt_broker() as broker, yard_over(broker, folder) as yard:
        yield yard


@pytest.fixture(scope="session")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demos]:
    """The demos, from the first test that asks for them; the others wait for their ends."""
    with running_demos(tmp_path_factory.mktemp("demos")) as demos:
        yield demos


@pytest.fixture(scope="session", autouse=True)
def early(request: pytest.FixtureRequest, kernels: None) -> None:
    """Start the demos before the first test, if any test asks for them at all."""
    if any("demos" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("demos")
