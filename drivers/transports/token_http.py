"""HTTP with JSON and a token that a login gives and that ends by itself: renewed when the device no longer takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec

from drivers.errors import DriverLoss
from drivers.transports.http import HttpAnswer, HttpLine


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogin:
    """How a token is asked for: what is posted where; and what stands before it in the header. It is shown nowhere."""

    path: str
    body: bytes
    scheme: str = ""

    def __repr__(self) -> str:
        """Say where, and never with what."""
        return f"TokenLogin({self.path})"


class TokenLine:
    """A line to one device that logs in when it has to; `login` None: it never does."""

    def __init__(self, line: HttpLine, login: TokenLogin | None) -> None:
        self._line, self._login = line, login
        self._token: str | None = None

    @property
    def has_token(self) -> bool:
        """Whether there is a session at the device that may be open."""
        return self._token is not None

    async def read(self, path: str) -> Any:
        """Return what `path` says in JSON; raises DriverLoss for anything but that."""
        return (await self.request("GET", path)).said("it", path)

    async def request(self, method: str, path: str, body: object = None) -> HttpAnswer:
        """Return the answer to one request; raises DriverLoss, as `HttpLine` does, and where the login is refused.

        A status of 401 says that nothing was done: then it is asked once more with a new token.
        """
        answer = await self._ask(method, path, body)
        if answer.status == HTTPStatus.UNAUTHORIZED and self._login is not None:
            self._token = await self._log_in(self._login)
            answer = await self._ask(method, path, body)
        return answer

    def forget(self) -> None:
        """Note that the session is closed."""
        self._token = None
        self._line.close()

    async def _ask(self, method: str, path: str, body: object) -> HttpAnswer:
        headers: Mapping[str, str] = {}
        if self._token is not None and self._login is not None:
            headers = {"Authorization": f"{self._login.scheme}{self._token}"}
        if body is None:
            return await self._line.request(method, path, headers=headers)
        text = msgspec.json.encode(body)
        return await self._line.request(
            method, path, headers={**headers, "Content-Type": "application/json"}, body=text
        )

    async def _log_in(self, login: TokenLogin) -> str:
        answer = await self._line.request(
            "POST", login.path, headers={"Content-Type": "application/json"}, body=login.body
        )
        said = answer.json() if answer.status in {HTTPStatus.OK, HTTPStatus.CREATED} else None
        token = said.get("token") if isinstance(said, dict) else None
        if not isinstance(token, str):
            raise DriverLoss(f"it refuses the login with status {answer.status}")
        return token
