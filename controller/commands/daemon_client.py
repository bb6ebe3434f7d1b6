"""The HTTP interface of a running daemon, as verbs ask it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from controller.site.model import SiteFile, TokenEntry

#: Everywhere is not an address to connect to.
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_ANSWER_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the daemon has answered: the status of HTTP, and the body."""

    status: int
    body: dict[str, Any]

    @property
    def is_good(self) -> bool:
        """Whether it did what was asked."""
        return self.status == http.HTTPStatus.OK

    @property
    def refusal(self) -> str:
        """Why it did not, in words, with the codes that the manual has."""
        error = self.body.get("error", {})
        details = "; ".join(map(str, error.get("details", ()))) or f"HTTP {self.status}"
        codes = dict.fromkeys(str(reason["code"]) for reason in error.get("reasons", ()))
        return f"refused ({', '.join(codes) or error.get('reason', self.status)}): {details}"


class DaemonClient:
    """Asks a daemon at an address of HTTP or HTTPS, by a bearer token."""

    def __init__(self, url: str, token: str) -> None:
        """ConfigError where `url` is no address."""
        from drivers.errors import ConfigError

        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(f"--url: found {url!r}; allowed is an address such as http://127.0.0.1:8420")
        self._parts, self._token = parts, token

    @classmethod
    def of(cls, site_file: SiteFile, token: str) -> Self:
        """Return the client of the daemon that a site file describes."""
        listen = site_file.http.listen
        host = _EVERYWHERE.get(listen.host, listen.host)
        return cls(f"http://[{host}]:{listen.port}" if ":" in host else f"http://{host}:{listen.port}", token)

    def get(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Answer:
        """Return the answer, whatever it is; ConfigError where there is none."""
        from drivers.errors import ConfigError

        headers = self.headers() | {"Content-Type": "application/json"}
        connection = self.connection()
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            given = json.loads(answer.read())
            return Answer(answer.status, given if isinstance(given, dict) else {})
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ConfigError(f"the daemon does not answer at {self.place}: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Return the body of the answer; ConfigError with the reason where there is none, or a refusal."""
        from drivers.errors import ConfigError

        answer = self.get(method, path, body)
        if not answer.is_good:
            raise ConfigError(answer.refusal)
        return answer.body

    @property
    def place(self) -> str:
        """Host and port of the daemon."""
        return self._parts.netloc

    def headers(self) -> dict[str, str]:
        """Return what each request shows."""
        return {"Authorization": f"Bearer {self._token}"}

    def connection(self) -> http.client.HTTPConnection:
        """Return a connection of its own."""
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        return kind(str(self._parts.hostname), self._parts.port, timeout=_ANSWER_S)


def token_of(site_file: SiteFile, role: str, path: Path | None) -> str:
    """Return the token of a file, or where that is None of the first of a role in the site file; ConfigError."""
    from controller.daemon.secret import read_secret
    from drivers.errors import ConfigError

    if path is not None:
        return read_secret(path)
    holders: list[TokenEntry] = [token for token in site_file.orders.tokens if token.role == role]
    files = [token.token_file for token in holders if token.token_file is not None]
    if not files:
        raise ConfigError(f"--token-file: the site file names no token file of an {role}")
    return read_secret(files[0])
