"""Running servers for the tests of the HTTP interface."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.daemon.events.changes import Changes
from tests.controller.api.server import Running, World, make_service, serving


@contextmanager
def server_at(path: Path, **world_of: object) -> Iterator[Running]:
    world = World(**world_of)
    service, journal = make_service(path, world)
    changes = Changes(
        service.feed,
        service.site,
        holding=world.holding,
        locks=lambda: service.desks.locks.held,
        head=service.head,
    )
    with serving(service) as port:
        yield Running(f"http://127.0.0.1:{port}", world, service.book, journal, service.tokens, service.feed, changes)
    journal.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A server of the test's own."""
    with server_at(tmp_path / "journal.db") as running:
        yield running


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for all tests that change nothing."""
    with server_at(tmp_path_factory.mktemp("untouched") / "journal.db") as running:
        yield running
