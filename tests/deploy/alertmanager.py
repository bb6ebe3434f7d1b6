"""A real Alertmanager with the shipped file, whose mail and calls end at sinks on this machine."""

from __future__ import annotations

import email
import json
import re
import socketserver
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email import policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError

import yaml

from tests.deploy.prometheus import Poll
from tests.ports import free_port
from tests.waiting import DEADLINE_S

FILE = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "alertmanager.yml"


@dataclass
class Inbox:
    """Where the Alertmanager is, and what has come from it: texts of mails, and calls by the path of their address."""

    address: str = ""
    mails: list[str] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    calls: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def called(self, path: str) -> set[str]:
        """Return the names of the alerts that were called there."""
        return {alert["labels"]["alertname"] for call in self.calls.get(path, ()) for alert in call["alerts"]}


def shipped(smtp: int, http: int) -> dict[str, Any]:
    """Return the shipped file with the addresses of this machine, and without the waits; the rest is as it is."""
    text = re.sub(r"(group_wait|group_interval): \w+", r"\1: 1s", FILE.read_text())
    text = text.replace("https://pager.site.example/", f"http://127.0.0.1:{http}/pager/")
    text = text.replace("https://dead-man.example/", f"http://127.0.0.1:{http}/dead-man/")
    content = yaml.safe_load(text)
    del content["global"]["smtp_auth_username"], content["global"]["smtp_auth_password_file"]
    content["global"] |= {"smtp_smarthost": f"127.0.0.1:{smtp}", "smtp_require_tls": False}
    return content


@contextmanager
def alertmanager(program: str, folder: Path) -> Iterator[Inbox]:
    """Run it until the block ends."""
    inbox = Inbox()
    with ExitStack() as stack:
        smtp = stack.enter_context(_serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), _mail_sink(inbox))))
        http = stack.enter_context(_serving(ThreadingHTTPServer(("127.0.0.1", 0), _call_sink(inbox))))
        path = folder / "alertmanager.yml"
        path.write_text(yaml.safe_dump(shipped(smtp, http)))
        inbox.address = f"127.0.0.1:{free_port()}"
        options = [f"--config.file={path}", f"--storage.path={folder}/alertmanager", "--cluster.listen-address="]
        process = subprocess.Popen([program, *options, f"--web.listen-address={inbox.address}", "--log.level=error"])
        try:
            _wait_until_ready(f"http://{inbox.address}/-/ready", process)
            yield inbox
        finally:
            process.terminate()
            process.wait(DEADLINE_S)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    poll = Poll(DEADLINE_S)
    while poll.goes_on():
        assert process.poll() is None, "alertmanager has ended"
        try:
            urllib.request.urlopen(url, timeout=DEADLINE_S).close()
        except URLError:
            continue
        return
    raise AssertionError("alertmanager is not ready")


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _call_sink(inbox: Inbox) -> type[BaseHTTPRequestHandler]:
    class Calls(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            inbox.calls.setdefault(self.path, []).append(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Calls


def _mail_sink(inbox: Inbox) -> type[socketserver.StreamRequestHandler]:
    class Mails(socketserver.StreamRequestHandler):
        """As much of SMTP (RFC 5321) as takes mail of a client that behaves."""

        def handle(self) -> None:
            self.wfile.write(b"220 sink\r\n")
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    self._take()
                self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 sink\r\n")
                if verb == b"QUIT":
                    return

        def _take(self) -> None:
            lines = iter(self.rfile.readline, b".\r\n")
            message = email.message_from_bytes(b"".join(lines), policy=policy.default)
            body = message.get_body(("plain",))
            assert body is not None
            inbox.subjects.append(message["Subject"])
            inbox.mails.append(body.get_content())

    return Mails
