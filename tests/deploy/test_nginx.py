"""The proxy of docs/proxy.md: a real nginx with the shipped file, before the real interface."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.certificates import issue
from tests.controller.api.conftest import server_at
from tests.controller.api.server import Running
from tests.docs.guides import blocks
from tests.docs.machine import PageMachine
from tests.ports import free_port
from tests.waiting import DEADLINE_S, until

ROOT = Path(__file__).resolve().parents[2]
#: What Debian's own file has around those of conf.d, without a user, so that whoever runs the tests may start it.
_MAIN = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/conf.d/*.conf;
}}
"""


@dataclass(frozen=True)
class Proxied:
    """A proxy at `url` before what runs; `ca`: who has signed its certificate."""

    url: str
    ca: Path
    running: Running

    def client(self, name: str | None = None, **more: object) -> httpx.Client:
        headers = {"Authorization": f"Bearer {name}-secret"} if name else {}
        verify = ssl.create_default_context(cafile=self.ca)
        return httpx.Client(base_url=self.url, headers=headers, timeout=DEADLINE_S, verify=verify, **more)


@contextlib.contextmanager
def nginx(program: str, folder: Path, text: str, port: int) -> Iterator[None]:
    """Run nginx with a file of conf.d until it is left."""
    (folder / "conf.d").mkdir()
    (folder / "conf.d/surplusd.conf").write_text(text)
    (folder / "nginx.conf").write_text(_MAIN.format(folder=folder))
    words = [program, "-e", f"{folder}/error.log", "-p", str(folder), "-c", f"{folder}/nginx.conf"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def listens() -> bool:
        assert process.poll() is None, process.stderr.read().decode()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    try:
        until(listens, "nginx listens")
        yield
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)


def shipped(name: str, port: int, daemon: str, folder: Path) -> str:
    """Return a shipped file with the ports and paths of this test; that each is there to be replaced is asked, too."""
    text = (ROOT / "deploy" / name).read_text()
    for pattern, now in {
        r"listen (443|8080)( ssl http2)?;": rf"listen 127.0.0.1:{port}\2;",
        r"listen \[::\]:443 ssl http2;\n": "",
        r"/etc/nginx/surplusd": f"{folder}/surplusd",
        r"http://127\.0\.0\.1:8420;": f"{daemon};",
    }.items():
        text = re.sub(pattern, now, text)
    assert f":{port}" in text
    assert daemon in text
    return text


@pytest.fixture
def proxied(installed: Callable[[str], str], tmp_path: Path) -> Iterator[Proxied]:
    program, port = installed("nginx"), free_port()
    ca = issue(tmp_path, "ca", None)
    issue(tmp_path, "surplusd", ca)
    with server_at(tmp_path / "journal.db", proxies=frozenset({"127.0.0.1"})) as running:
        text = shipped("nginx/surplusd.conf", port, running.url, tmp_path)
        with nginx(program, tmp_path, text, port):
            yield Proxied(f"https://127.0.0.1:{port}", tmp_path / "ca.pem", running)


def test_an_order_comes_in_and_is_its_issuers(proxied: Proxied) -> None:
    with proxied.client("authority") as http:
        answer = http.post("/api/v1/orders", json={"id": "o-1", "limit_w": 40000})
    assert (answer.status_code, answer.json()["issuer"]) == (200, "authority")


def test_the_page_signs_in_by_a_cookie_for_tls_alone_and_may_change_something(proxied: Proxied) -> None:
    with proxied.client() as http:
        assert http.get("/").status_code == 200
        signed = http.post("/page/session", json={"token": "operator-secret"})
        assert "Secure" in signed.headers["set-cookie"]
        stop = {"reason": "the proxy is tried"}
        assert http.post("/api/v1/stop", json=stop, headers={"Origin": proxied.url}).status_code == 200
        assert http.post("/api/v1/stop", json=stop, headers={"Origin": "https://elsewhere.example"}).status_code == 401


def test_an_event_is_told_at_once(proxied: Proxied) -> None:
    """With a proxy that keeps bytes until it has many, nothing would come."""
    with proxied.client("viewer") as http, http.stream("GET", "/api/v1/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: state"
        with proxied.client("authority") as sender:
            sender.post("/api/v1/orders", json={"id": "o-1", "limit_w": 40000})
        assert next(line for line in lines if line.startswith("event: ") and line != "event: state") == "event: order"


def test_who_guesses_is_told_apart_from_all_others_behind_the_proxy(proxied: Proxied) -> None:
    """By the address that nginx has seen, whatever the guesser claims."""
    guesser = httpx.HTTPTransport(local_address="127.0.0.2", verify=ssl.create_default_context(cafile=proxied.ca))
    with proxied.client(transport=guesser) as http:
        claims = [{"Authorization": f"Bearer guess-{n}", "X-Forwarded-For": f"10.0.0.{n}"} for n in range(40)]
        codes = [http.get("/api/v1/status", headers=claim).status_code for claim in claims]
    assert codes[0] == 401
    assert codes[-1] == 429
    with proxied.client() as http:
        assert http.get("/api/v1/status").status_code == 401


def test_the_metrics_stay_inside_and_without_tls_nothing_is_answered(proxied: Proxied) -> None:
    with proxied.client("viewer") as http:
        assert [http.get(path).status_code for path in ("/metrics", "/healthz")] == [404, 200]
    plain = httpx.get(proxied.url.replace("https", "http") + "/api/v1/status", timeout=DEADLINE_S)
    assert (plain.status_code, "plain HTTP request was sent to HTTPS port" in plain.text) == (400, True)


def test_every_command_of_the_page_is_typed(proxied: Proxied, tmp_path: Path) -> None:
    machine = PageMachine(tmp_path / "machine")
    for name in ("controller.pem", "controller.key"):
        (machine.root / "secure/site" / name).write_bytes((tmp_path / f"surplusd.{name[-3:]}").read_bytes())
    (machine.root / "viewer.token").write_text("viewer-secret")
    (machine.root / "ca.pem").symlink_to(proxied.ca)
    tunnel, install, ask = blocks(ROOT / "docs/proxy.md")
    machine.type(tunnel)
    machine.type(install)
    assert oct((machine.root / "etc/nginx/surplusd.key").stat().st_mode & 0o777) == "0o600"
    said = machine.type(
        ask.replace("https://controller.site.example", proxied.url),
        TOKEN="viewer-secret",
        SSL_CERT_FILE=str(proxied.ca),
        HOME=os.environ.get("HOME", "/"),
    )
    assert said.startswith("{")
    assert "NORMAL" in said


def test_the_page_of_the_first_look_in_containers(installed: Callable[[str], str], tmp_path: Path) -> None:
    port = free_port()
    with server_at(tmp_path / "journal.db") as running:
        text = shipped("container/page.conf", port, running.url, tmp_path)
        with nginx(installed("nginx"), tmp_path, text, port), httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
            assert http.post("/page/session", json={"token": "operator-secret"}).status_code == 204
            headers = {"Origin": f"http://127.0.0.1:{port}"}
            assert http.post("/api/v1/stop", json={"reason": "tried"}, headers=headers).status_code == 200
