"""The page of the demo site in a prepared state, from a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from controller.daemon.service import Service
from tests.controller.api.page.prepared import ORDER, STATES, world_of
from tests.controller.api.server import make_service, serving
from tests.waiting import DEADLINE_S


@contextmanager
def page_in(state: str, folder: Path) -> Iterator[tuple[str, Service]]:
    prepared = STATES[state]()
    service, journal = make_service(folder / f"{state}.db", world_of(prepared))
    with serving(service) as port:
        url = f"http://127.0.0.1:{port}"
        if prepared.ordered:
            headers = {"Authorization": "Bearer authority-secret"}
            answer = httpx.post(f"{url}/api/v1/orders", json=ORDER, headers=headers, timeout=DEADLINE_S, verify=False)
            assert answer.status_code == 200, answer.text
        yield url, service
    journal.close()
