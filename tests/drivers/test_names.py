from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from drivers.names import run
from tests.waiting import DEADLINE_S


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names that were asked for; nobody answers for those that begin with ``slow``."""
    names: list[str] = []
    over = threading.Event()

    def look_up(host: str, port: int, *_rest: int) -> list[tuple[object, ...]]:
        names.append(host)
        if host.startswith("slow"):
            over.wait(DEADLINE_S)
        if host.startswith("no"):
            raise socket.gaierror("Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield names
    over.set()


def test_names_that_nobody_answers_for_hold_up_no_other_no_thread_and_no_end(asked: list[str]) -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        hanging = [asyncio.create_task(loop.getaddrinfo(f"slow{number}", 80)) for number in range(40)]
        async with asyncio.timeout(DEADLINE_S / 2):
            assert (await loop.getaddrinfo("meter", 80))[0][4] == ("127.0.0.1", 80)
            await asyncio.to_thread(lambda: None)
        assert not any(each.done() for each in hanging)

    run(scene())
    assert len(asked) == 41


def test_a_name_is_asked_for_once_at_a_time_whoever_gives_up(asked: list[str]) -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(20):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await loop.getaddrinfo("slow", 80)

    run(scene())
    assert asked == ["slow"]


def test_a_name_that_is_none_is_said_and_asked_for_again(asked: list[str]) -> None:
    async def scene() -> None:
        for _ in range(2):
            with pytest.raises(OSError, match="not known"):
                await asyncio.open_connection("nobody", 80)

    run(scene())
    assert asked == ["nobody", "nobody"]
