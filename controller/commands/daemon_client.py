"""The HTTP interface of a running daemon, as verbs ask it."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import SplitResult, urlsplit

from controller.daemon.secret import is_token
from controller.terminal.escaped import escaped

if TYPE_CHECKING:
    from controller.site.model import SiteFile

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
    def codes(self) -> tuple[str, ...]:
        """The codes of why it did not."""
        return tuple(str(reason["code"]) for reason in self.body.get("error", {}).get("reasons", ()))

    @property
    def refusal(self) -> str:
        """Why it did not, in words, with the codes that the manual has."""
        error = self.body.get("error", {})
        details = "; ".join(escaped(str(each)) for each in error.get("details", ())) or f"HTTP {self.status}"
        codes = dict.fromkeys(escaped(code) for code in self.codes)
        return f"refused ({', '.join(codes) or escaped(str(error.get('reason', self.status)))}): {details}"


class DaemonClient:
    """Asks a daemon at an address of HTTP or HTTPS, by a bearer token."""

    def __init__(self, url: str, token: str) -> None:
        """CommandLineWrong where `url` is no address, ConfigError where `token` cannot be one."""
        from drivers.errors import CommandLineWrong, ConfigError

        parts = _parts(url)
        if parts is None:
            raise CommandLineWrong(f"--url: found {url!r}; allowed is an address such as http://127.0.0.1:8420")
        if not is_token(token):
            raise ConfigError(
                "the token has other characters than a token may have: one line of ASCII, without a blank"
            )
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


def _parts(url: str) -> SplitResult | None:
    """Return the parts of an address, None where it is none."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_address else None


@dataclass(frozen=True, slots=True)
class Sender:
    """By whose token a daemon is asked; `name`: as the site file has it, empty where the token is of a file that was named."""

    token: str
    name: str = ""


def sender_of(site_file: SiteFile, roles: Sequence[str], path: Path | None) -> Sender:
    """Return the sender by a file, or where that is None the first of these roles whose token this user can read; ConfigError."""
    from controller.daemon.secret import read_secret
    from drivers.errors import ConfigError

    if path is not None:
        return Sender(read_secret(path))
    files = [
        (token.name, token.token_file)
        for role in roles
        for token in site_file.orders.tokens
        if token.role == role and token.token_file is not None
    ]
    wanted = " or ".join(roles)
    if not files:
        raise ConfigError(f"--token-file: the site file names no token file of {wanted}")
    for name, file in files:
        if os.access(file, os.R_OK):
            return Sender(read_secret(file), name)
    closed = ", ".join(str(file) for _, file in files)
    raise ConfigError(f"--token-file: this user can read none of {closed}; allowed is a file with a token of {wanted}")
