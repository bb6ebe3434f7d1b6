from __future__ import annotations

import asyncio
import socket
import threading
from typing import Self

import pytest

from drivers.errors import DriverLoss, Refused
from simulators import messages
from simulators import worldlink as link
from tests.waiting import DEADLINE_S


class Peer:
    """A server that answers every line with the next of `answers`; an answer of None hangs up."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.lines: list[bytes] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(DEADLINE_S)
        self._server.close()

    def _serve(self) -> None:
        while self._answers:
            connection, _ = self._server.accept()
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    self.lines.append(line)
                    answer = self._answers.pop(0)
                    if answer is None:
                        break
                    connection.sendall(answer)
                    if not self._answers:
                        return


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (b'{"type":"failed","reason":"no"}\n', Refused, "no"),
        (b"nonsense\n", DriverLoss, "nonsense"),
        (b'{"type":"curve","t_s":[1e999],"surplus_w":[],"firm_w":0}\n', DriverLoss, "nonsense"),
        (b'{"type":"curve","t_s":[],"surplus_w":[],"firm_w":0}\n', DriverLoss, "CurveSamples, not Ok"),
        (None, DriverLoss, "closed"),
    ],
)
def test_what_a_client_makes_of_an_answer(answer: bytes | None, error: type[Exception], text: str) -> None:
    with Peer(answer) as peer:
        client = link.WorldClient("127.0.0.1", peer.port)
        with pytest.raises(error, match=text):
            client.ready()
        client.close()


def test_a_client_connects_again_after_a_loss() -> None:
    with Peer(None, b'{"type":"ok"}\n') as peer:
        client = link.WorldClient("127.0.0.1", peer.port)
        with pytest.raises(DriverLoss):
            client.reboot("a")
        client.reboot("b")
        client.close()
        assert [b'"a"' in line or b'"b"' in line for line in peer.lines] == [True, True]


def test_a_silent_world_costs_one_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        client = link.WorldClient("127.0.0.1", port, timeout_s=0.1)
        with pytest.raises(DriverLoss, match="does not answer"):
            client.truth()

        async def ask() -> None:
            other = link.AsyncWorldClient("127.0.0.1", port, timeout_s=0.1)
            with pytest.raises(DriverLoss, match="does not answer"):
                await other.truth()

        asyncio.run(ask())


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"{}",
        b'{"type":"explode"}',
        b'{"type":"note_order"}',
        b'{"type":"note_order","id":"o","node":"pcc","limit_w":NaN}',
        b'{"type":"note_order","id":"o","node":"pcc","limit_w":"1"}',
        b'{"type":"note_order","id":"o","node":"pcc","limit_w":1,"more":1}',
    ],
)
def test_a_bad_line_fails_with_a_reason_and_the_next_one_is_served(line: bytes) -> None:
    asked: list[link.AnyRequest] = []

    def answer(request: link.AnyRequest) -> link.AnyReply:
        asked.append(request)
        return link.Ok()

    async def play() -> list[bytes]:
        async with await link.serve("127.0.0.1", 0, answer) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(line + b'\n{"type":"ready"}\n')
            replies = [await asyncio.wait_for(reader.readline(), DEADLINE_S) for _ in range(2)]
            writer.close()
            await writer.wait_closed()
            return replies

    replies = asyncio.run(play())
    assert b'"failed"' in replies[0]
    assert replies[1] == b'{"type":"ok"}\n'
    assert asked == [link.Ready()]


def test_requests_that_arrive_in_pieces_are_answered_in_order() -> None:
    def answer(request: link.AnyRequest) -> link.AnyReply:
        assert isinstance(request, messages.RebootDevice)
        return link.Failed(reason=request.device)

    async def play() -> list[bytes]:
        async with await link.serve("127.0.0.1", 0, answer) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            for piece in (b'{"type":"reb', b'oot_device","device":"a"}\n{"type":"reboot_device","device":"b"', b"}\n"):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.02)
            replies = [await asyncio.wait_for(reader.readline(), DEADLINE_S) for _ in range(2)]
            writer.close()
            await writer.wait_closed()
            return replies

    first, second = asyncio.run(play())
    assert b'"a"' in first
    assert b'"b"' in second


def test_a_cancelled_question_does_not_answer_the_next_one() -> None:
    """The first connection never answers; after the cancellation the second question comes on another one."""

    def serve(server: socket.socket) -> None:
        first, _ = server.accept()
        second, _ = server.accept()
        with first, second, second.makefile("rb") as lines:
            lines.readline()
            second.sendall(TRUTH)

    async def play(port: int) -> link.Truth:
        client = link.AsyncWorldClient("127.0.0.1", port, timeout_s=5.0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.truth(), 0.1)
        try:
            return await client.truth()
        finally:
            await client.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        assert asyncio.run(play(server.getsockname()[1])).ready
        thread.join(DEADLINE_S)


TRUTH = (
    b'{"type":"truth","t_s":1,"ready":true,"site_w":0,"node_w":{},"surplus_w":0,"export_w":0,"feeder_load_w":0,'
    b'"frequency_hz":50,"devices_by_state":{},"envelope_w":0,"binding":""}\n'
)
