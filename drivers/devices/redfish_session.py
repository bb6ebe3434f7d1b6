"""The session of an agent at a BMC with Redfish, and all requests in it.

It is opened by the first request that wants one, and closed at the end; a BMC that opens none is asked with the login in each request.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from drivers.devices.driver import Target
from drivers.errors import DriverLoss
from drivers.transports.ends import NotSent, Unanswered
from drivers.transports.http import HttpAnswer, HttpLine

JSON: Final = {"Content-Type": "application/json"}
_SESSIONS: Final = "/redfish/v1/SessionService/Sessions"


class RedfishSession:
    """The session at the BMC of `target`, and a line to it."""

    def __init__(self, target: Target) -> None:
        self._target, self._login = target, target.login
        self._line = self.line()
        self._token: str | None = None
        self._session = ""
        self._opens_none = False
        self._one, self._logging_in = asyncio.Lock(), asyncio.Lock()

    def line(self) -> HttpLine:
        """Return one more line."""
        target = self._target
        return HttpLine(target.host, target.port, timeout_s=target.timeout_s, tls=target.tls)

    async def read(self, path: str) -> Any:
        """Return what `path` says; raises DriverLoss for anything but JSON with status 200."""
        async with self._one:
            answer = await self.ask("GET", path, line=self._line)
        return answer.said(self._target.place, path)

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"", *, line: HttpLine
    ) -> HttpAnswer:
        """Return the answer to one request; after a 401, which says that nothing was done, asked once more in a new session."""
        token = self._token
        answer = await line.request(method, path, headers={**(headers or {}), **self._authority()}, body=body)
        if answer.status == HTTPStatus.UNAUTHORIZED and self._login is not None and not self._opens_none:
            async with self._logging_in:
                if token == self._token:
                    await self._log_in()
            answer = await line.request(method, path, headers={**(headers or {}), **self._authority()}, body=body)
        return answer

    async def close(self) -> None:
        """Close the session; one that cannot be closed ends by itself."""
        if self._token is not None and self._session:
            with contextlib.suppress(NotSent, Unanswered):
                await self._line.request("DELETE", self._session, headers=self._authority())
        self._token = None
        self._line.close()

    def _authority(self) -> dict[str, str]:
        if self._token is not None:
            return {"X-Auth-Token": self._token}
        if self._login is None or not self._opens_none:
            return {}
        pair = f"{self._login.username or 'root'}:{self._login.password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    async def _log_in(self) -> None:
        if self._login is None:
            return
        said = {"UserName": self._login.username or "root", "Password": self._login.password}
        line = self.line()
        try:
            answer = await line.request("POST", _SESSIONS, headers=JSON, body=msgspec.json.encode(said))
        finally:
            line.close()
        self._token, self._session = answer.headers.get("x-auth-token"), answer.headers.get("location", "")
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST}:
            self._token = None
            raise DriverLoss(f"{self._target.place} refuses the login with status {answer.status}")
        self._opens_none = self._token is None
