"""A simulated gateway behind HTTP/1.1."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import ssl
from base64 import b64encode
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from simulators.substation.gateway import Gateway, GatewayLogin

_PAGE: Final = b"<!DOCTYPE html><html><body>Welcome</body></html>"
_NONCE: Final = "6553c0ffee"


async def serve_http(
    gateway: Gateway, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> asyncio.Server:
    """Serve what the gateway says at every path that its profile has, or at any where that has none."""

    async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A server that is closed cancels whoever still waits here.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await _answer(gateway, reader, writer):
                pass
        writer.close()

    return await asyncio.start_server(answer_all, host, port, ssl=tls)


async def _answer(gateway: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Answer one request; return whether the connection stays."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    _, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    faults = gateway.faults
    await asyncio.sleep(faults.delay_s)
    status, said, body = _said(gateway, path, headers)
    if faults.dated:
        said["Date"] = formatdate(gateway.now_s(), usegmt=True)
    said["Content-Length"] = str(len(body))
    head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in said.items())]
    writer.write("\r\n".join([*head, "", ""]).encode() + body[: faults.cut_to])
    await writer.drain()
    return faults.cut_to is None and not faults.close


def _said(gateway: Gateway, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body."""
    faults = gateway.faults
    if not _let_in(gateway.login, path, headers):
        way = {"bearer": "Bearer", "digest": f'Digest realm="shelly", nonce="{_NONCE}", qop="auth", algorithm=SHA-256'}
        return 401, {"WWW-Authenticate": way.get(gateway.login.way, 'Basic realm="meter"')}, b"401: Unauthorized"
    if faults.redirect:
        return 302, {"Location": faults.redirect}, b""
    wanted = gateway.data.get("path", "")
    if wanted and path.partition("&user=")[0] != wanted:
        return 404, {}, b"Not Found"
    if faults.html:
        return faults.status, {"Content-Type": "text/html"}, _PAGE
    if not gateway.values:
        return 503, {}, b""
    (body,) = gateway.messages().values()
    if faults.padding:
        body = body[:-1] + b', "padding": "' + b"x" * faults.padding + b'"}'
    return faults.status, {"Content-Type": faults.content_type}, body


def _let_in(login: GatewayLogin, path: str, headers: Mapping[str, str]) -> bool:
    said = headers.get("authorization", "")
    if not login.secret:
        return True
    if login.way == "bearer":
        return said == f"Bearer {login.secret}"
    if login.way == "query":
        return path.endswith(f"&user={login.username}&password={login.secret}")
    if login.way == "basic":
        return said == "Basic " + b64encode(f"{login.username}:{login.secret}".encode()).decode()
    return _digested(login, path, said)


def _digested(login: GatewayLogin, path: str, said: str) -> bool:
    parts = dict(re.findall(r'(\w+)="?([^",]+)"?', said))
    inner, outer = _sha256(f"{login.username}:shelly:{login.secret}"), _sha256(f"GET:{path}")
    middle = f"{_NONCE}:{parts.get('nc')}:{parts.get('cnonce')}:auth"
    return parts.get("response") == _sha256(f"{inner}:{middle}:{outer}")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
