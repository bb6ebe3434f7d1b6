from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.errors import DriverLoss
from drivers.transports import http
from drivers.transports.digest import DigestAuth
from drivers.transports.ends import NotSent, Unanswered
from drivers.transports.http import HttpLine
from drivers.transports.tls import PinnedTls
from tests.certificates import issue
from tests.drivers.transports.peer import with_peer
from tests.ports import free_port

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}'
CHALLENGE = (
    b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm="antMiner Configuration", nonce="%b", qop="auth"\r\n'
    b"Content-Length: 0\r\n\r\n"
)


@contextmanager
def line(
    port: int, *, timeout_s: float = 5.0, digest: DigestAuth | None = None, tls: PinnedTls | None = None
) -> Iterator[HttpLine]:
    device = HttpLine("127.0.0.1", port, timeout_s=timeout_s, digest=digest, tls=tls)
    yield device
    device.close()


def test_two_reads_go_over_one_connection() -> None:
    async def scene(port: int, asked: list[bytes]) -> None:
        with line(port) as device:
            for _ in range(2):
                answer = await device.get("/api/v1/summary")
                assert (answer.status, answer.json()) == (200, {"a": 1})
            assert len(asked) == 2
            assert asked[0].startswith(b"GET /api/v1/summary HTTP/1.1\r\nHost: 127.0.0.1:")

    with_peer([OK, OK], scene)


def test_a_write_goes_over_a_connection_of_its_own_and_carries_its_body() -> None:
    async def scene(port: int, asked: list[bytes]) -> None:
        with line(port) as device:
            await device.get("/a")
            answer = await device.request("POST", "/b", headers={"Authorization": "token"}, body=b"{}\r\n\r\n")
            assert answer.status == 200
            assert b"Content-Length: 6\r\n" in asked[1]

    with_peer([OK, OK], scene)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: 1\r\n\r\n", b""),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil it closes", b"until it closes"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
def test_a_body_is_whole_however_its_length_is_told(answer: bytes, body: bytes) -> None:
    async def scene(port: int, _asked: list[bytes]) -> None:
        with line(port) as device:
            assert (await device.get("/")).body == body

    with_peer([answer], scene, closes=True)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b'HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n{"a":1}',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"SSH-2.0-dropbear\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * http.MOST_HEAD + b"\r\n\r\n",
    ],
)
def test_half_an_answer_or_none_leaves_open_whether_the_request_was_heard(answer: bytes) -> None:
    async def scene(port: int, _asked: list[bytes]) -> None:
        with line(port) as device, pytest.raises(Unanswered):
            await device.request("POST", "/")

    with_peer([answer], scene, closes=True)


def test_a_body_without_a_length_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_BODY", 1000)

    async def scene(port: int, _asked: list[bytes]) -> None:
        with line(port) as device, pytest.raises(Unanswered, match="1000"):
            await device.get("/")

    with_peer([b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001], scene, closes=True)


def test_a_device_that_hangs_is_given_up_after_its_time() -> None:
    async def scene(port: int, _asked: list[bytes]) -> None:
        with line(port) as device, pytest.raises(Unanswered, match=r"within 5 s"):
            await device.get("/")

    with_peer([None], scene)


def test_what_has_found_nobody_has_certainly_not_been_sent() -> None:
    with line(free_port()) as device, pytest.raises(NotSent):
        asyncio.run(device.request("POST", "/"))


def test_a_device_that_has_closed_the_kept_connection_is_asked_over_another() -> None:
    async def scene(port: int, asked: list[bytes]) -> None:
        with line(port) as device:
            await device.get("/")
            await asyncio.sleep(1.0)
            assert (await device.get("/")).status == 200
            assert len(asked) == 2

    with_peer([OK, OK], scene, closes=True)


def test_a_challenge_is_answered_and_then_kept() -> None:
    async def scene(port: int, asked: list[bytes]) -> None:
        with line(port, digest=DigestAuth("root", "secret")) as device:
            assert (await device.get("/cgi-bin/a.cgi")).status == 200
            assert (await device.get("/cgi-bin/a.cgi")).status == 200
            assert b"Authorization" not in asked[0]
            assert b"nc=00000001" in asked[1]
            assert b"nc=00000002" in asked[2]
            assert not any(b"secret" in one for one in asked)

    with_peer([CHALLENGE % b"one", OK, OK], scene)


def test_a_new_nonce_is_answered_once_and_a_wrong_password_is_no() -> None:
    async def scene(port: int, asked: list[bytes]) -> None:
        with line(port, digest=DigestAuth("root", "secret")) as device:
            assert (await device.get("/")).status == 200
            assert (await device.get("/")).status == 401
            assert len(asked) == 4

    with_peer([CHALLENGE % b"one", OK, CHALLENGE % b"two", CHALLENGE % b"three"], scene)


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff\xfe", b"[" * 9000, b'{"a":1}{'])
def test_a_page_is_no_json(body: bytes) -> None:
    async def scene(port: int, _asked: list[bytes]) -> None:
        with line(port) as device, pytest.raises(DriverLoss, match="not JSON"):
            (await device.get("/")).json()

    with_peer([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)], scene)


def test_a_kept_connection_that_is_closed_without_an_answer_is_no_answer_to_what_changes_and_another_try_of_what_reads() -> (
    None
):
    async def scene(port: int, asked: list[bytes]) -> None:
        with line(port) as device:
            await device.get("/")
            assert (await device.get("/")).status == 200
            with pytest.raises(Unanswered):
                await device.request("GET", "/cm?cmnd=Power%20ON", changes=True)
        assert [first[:16] for first in asked] == [b"GET / HTTP/1.1\r\n"] * 3 + [b"GET /cm?cmnd=Pow"]

    with_peer([OK, b"", OK, b"", OK], scene, closes_after={1, 3})


def test_a_device_with_tls_is_asked_over_it_and_one_that_is_not_trusted_is_told_nothing(tmp_path: Path) -> None:
    authority = issue(tmp_path, "ca", None)
    issue(tmp_path, "device", authority)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(tmp_path / "device.pem", tmp_path / "device.key")
    trusting, wary = PinnedTls.by_ca(tmp_path / "ca.pem"), PinnedTls(ssl.create_default_context())

    async def scene(port: int, asked: list[bytes]) -> None:
        with line(port, tls=wary) as device, pytest.raises(NotSent):
            await device.request("POST", "/secret")
        assert asked == []
        with line(port, tls=trusting) as device:
            assert (await device.get("/")).status == 200

    with_peer([OK], scene, tls=theirs)


def test_what_came_without_a_question_is_never_taken_for_an_answer() -> None:
    """A server that says each answer twice would otherwise be one question further behind with every second one."""
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number for number in range(4)]

    async def scene(port: int, _asked: list[bytes]) -> None:
        with line(port) as device:
            assert [(await device.get("/")).body for _ in answers] == [b"0", b"1", b"2", b"3"]

    with_peer([2 * answer for answer in answers], scene)


def test_an_address_of_ipv6_stands_in_brackets_where_the_host_is_named() -> None:
    assert b"Host: [fe80::1]:80\r\n" in HttpLine("fe80::1", 80, timeout_s=1.0)._wire("GET", "/", {}, b"")
