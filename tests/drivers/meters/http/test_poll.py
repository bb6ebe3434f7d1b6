"""Meters behind HTTP, on real sockets: beside what every road is tried on, TLS, connections, and what is never shown."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.errors import ConfigError
from drivers.meters.http.address import Url
from drivers.meters.http.meter import HttpLogin, HttpMeter, HttpTls
from drivers.meters.http.poll import HttpAsking, poll_forever, refusal
from drivers.meters.payloads.profiles import load_payload
from drivers.meters.payloads.reading import PayloadMeter
from drivers.readings import Sample
from drivers.transports.http import HttpAnswer
from simulators.devices import timeless
from simulators.substation.gateway import Gateway, GatewayFaults
from simulators.substation.http_gateway import serve_http
from simulators.substation.messages import read_message_data
from tests.certificates import issue
from tests.controller.commands.substation import SOUND
from tests.drivers.meters.watching import Seen, in_loop


@contextlib.asynccontextmanager
async def polling(
    gateway: Gateway, scheme: str = "http", tls: HttpTls | None = None, own: ssl.SSLContext | None = None
) -> AsyncIterator[Seen]:
    server = await serve_http(gateway, tls=own)
    port = server.sockets[0].getsockname()[1]
    meter = HttpMeter(
        payload=PayloadMeter(id="m", profile=load_payload("shelly_em_gen2")),
        url=Url.parse(f"{scheme}://127.0.0.1:{port}"),
        poll_s=0.05,
        timeout_s=5.0,
        tls=tls,
    )
    seen = Seen()
    task = asyncio.create_task(poll_forever(meter, seen))
    try:
        yield seen
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        server.close()


def shelly() -> Gateway:
    return Gateway(data=read_message_data("shelly_em_gen2"), values=SOUND, faults=GatewayFaults())


@in_loop
async def test_a_meter_that_comes_back_is_read_again() -> None:
    gateway = shelly()
    async with polling(gateway) as seen:
        await seen.sample()
        gateway.faults.status = 503
        await seen.loss("status 503")
        gateway.faults.status = 200
        back = await seen.sample(after=len(seen))
    assert back.values["active_power_w"] == pytest.approx(812_500.0)


@in_loop
async def test_a_reading_is_as_old_as_the_question_and_never_younger() -> None:
    gateway = shelly()
    gateway.faults.delay_s = 0.1
    async with polling(gateway) as seen:
        sample = await seen.sample()
    assert sample.arrived_at_s - sample.taken_at_s >= 0.1


@pytest.mark.parametrize("by", ["ca", "sha256"])
@in_loop
async def test_https_trusts_the_one_that_is_meant(by: str, tmp_path: Path) -> None:
    certificate, _ = issue(tmp_path, "server", issue(tmp_path, "ca", None))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    digits = hashlib.sha256(ssl.PEM_cert_to_DER_cert((tmp_path / "server.pem").read_text())).hexdigest()
    right = HttpTls(ca=tmp_path / "ca.pem") if by == "ca" else HttpTls(sha256=digits)
    async with polling(shelly(), "https", right, context) as seen:
        assert isinstance(await seen.sample(), Sample)
    issue(tmp_path, "other", None)
    wrong = HttpTls(ca=tmp_path / "other.pem") if by == "ca" else HttpTls(sha256="0" * 64)
    async with polling(shelly(), "https", wrong, context) as seen:
        await seen.loss("certificate")
    assert certificate


def test_a_file_that_is_no_certificate_is_said_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.pem"):
        HttpTls(ca=tmp_path / "nothing.pem").pinned()


def test_a_password_in_the_address_is_escaped_and_shown_nowhere() -> None:
    meter = HttpMeter(
        payload=PayloadMeter(id="m", profile=load_payload("tasmota")),
        url=Url.parse("http://10.0.0.5"),
        login=HttpLogin(username="admin", password="a&b=c d", form="query"),
    )
    assert meter.path == "/cm?cmnd=Status%208&user=admin&password=a%26b%3Dc%20d"
    assert "a&b" not in repr(meter)
    assert "a%26" not in repr(meter)
    assert "s3cret" not in repr(HttpLogin(token="s3cret"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("http://10.0.0.5", ("http", "10.0.0.5", 80, "")),
        ("https://ha.local:8123/api/states/sensor.p", ("https", "ha.local", 8123, "/api/states/sensor.p")),
        ("http://[fe80::1]:81/x?y=1", ("http", "fe80::1", 81, "/x?y=1")),
    ],
)
def test_an_address_is_taken_apart_and_put_together_again(text: str, told: tuple[object, ...]) -> None:
    url = Url.parse(text)
    assert (url.scheme, url.host, url.port, url.path) == told
    assert str(url) == text


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.5",
        "ftp://h/",
        "http://",
        "http://h:0",
        "http://h:65536",
        "http://u:p@h/",
        "http://h/#x",
        "http://h/a b",
        "http://h/\r\nX: y",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no address such as"):
        Url.parse(text)


def test_a_password_in_an_address_is_not_repeated_by_what_refuses_it() -> None:
    with pytest.raises(ValueError, match="without user and password") as raised:
        Url.parse("http://admin:hunter2@10.0.0.5/status")
    assert "hunter2" not in str(raised.value)


def test_where_a_meter_sends_on_to_is_told_without_what_is_asked_there() -> None:
    meter = HttpMeter(payload=PayloadMeter(id="m", profile=load_payload("evcc")), url=Url.parse("http://10.0.0.5"))
    told = refusal(HttpAnswer(302, b"", {"location": "http://10.0.0.5/login?user=admin&password=hunter2"}), meter)
    assert "http://10.0.0.5/login" in told
    assert "hunter2" not in told


@pytest.mark.parametrize(("age", "kept_s"), [("30", 30.0), (None, 0.0), ("-1", 0.0), ("soon", 0.0), ("9" * 400, 1e9)])
@in_loop
async def test_an_answer_that_was_kept_on_the_way_is_as_old_as_it_says(age: str | None, kept_s: float) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        assert b"Cache-Control: no-cache\r\n" in asked
        body = b'{"grid": {"power": 700}}'
        head = "" if age is None else f"Age: {age}\r\n"
        writer.write(f"HTTP/1.1 200 OK\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = Url.parse(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    asking = HttpAsking(
        HttpMeter(payload=PayloadMeter(id="m", profile=load_payload("evcc")), url=url, timeout_s=5.0), lambda: 50.0
    )
    seen = await asking.once()
    asking.close()
    server.close()
    assert isinstance(seen, Sample)
    assert seen.taken_at_s == 50.0 - kept_s


def test_a_login_that_is_refused_is_not_tried_again_for_a_minute_lest_it_be_locked() -> None:
    asked_s: list[float] = []

    async def play() -> None:
        loop = asyncio.get_running_loop()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                asked_s.append(loop.time())
                writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            url = Url.parse(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            meter = HttpMeter(payload=PayloadMeter(id="m", profile=load_payload("evcc")), url=url)
            task = asyncio.create_task(poll_forever(meter, Seen(), loop.time))
            await asyncio.sleep(130.0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    timeless.run(play())
    assert len(asked_s) == 3
    assert all(later - before >= 60.0 for before, later in itertools.pairwise(asked_s))
