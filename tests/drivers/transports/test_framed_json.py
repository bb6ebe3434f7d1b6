from __future__ import annotations

import asyncio

import pytest

from drivers.transports import framed_json
from drivers.transports.ends import NotSent, Unanswered
from tests.drivers.transports.peer import with_peer
from tests.ports import free_port

YES = b'{"code":0}'


def framed(text: bytes, length: int | None = None) -> bytes:
    return (len(text) if length is None else length).to_bytes(4, "little") + text


def test_a_request_is_framed_and_its_answer_decoded() -> None:
    async def scene(port: int, asked: list[bytes]) -> None:
        assert await framed_json.ask("127.0.0.1", port, {"cmd": "get"}, 5.0) == {"code": 0}
        assert asked == [framed(b'{"cmd":"get"}')]

    with_peer([framed(YES)], scene, asks_end=b"}")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x01",
        framed(YES, 100),
        framed(b"<html>"),
        b"<!DOCTYPE html><html>",
        framed(YES[:5]),
        framed(b""),
        framed(b"[" * 9000),
    ],
)
def test_what_is_no_whole_frame_leaves_open_whether_the_request_was_heard(answer: bytes) -> None:
    async def scene(port: int, _asked: list[bytes]) -> None:
        with pytest.raises(Unanswered):
            await framed_json.ask("127.0.0.1", port, {"cmd": "get"}, 5.0)

    with_peer([answer], scene, closes=True, asks_end=b"}")


def test_a_device_that_hangs_is_given_up_after_its_time() -> None:
    async def scene(port: int, _asked: list[bytes]) -> None:
        with pytest.raises(Unanswered, match="within 5 s"):
            await framed_json.ask("127.0.0.1", port, {"cmd": "get"}, 5.0)

    with_peer([None], scene, asks_end=b"}")


def test_what_has_found_nobody_has_certainly_not_been_sent() -> None:
    with pytest.raises(NotSent):
        asyncio.run(framed_json.ask("127.0.0.1", free_port(), {"cmd": "get"}, 5.0))
