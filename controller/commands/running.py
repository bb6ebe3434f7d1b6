"""The daemon that runs, asked over its HTTP interface by a command."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from controller.site.model import SiteFile

#: Everywhere is not an address to connect to.
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_ANSWER_S: Final = 15.0


class RunningDaemon:
    """The HTTP interface of the daemon that a site file describes."""

    def __init__(self, site_file: SiteFile, token: str) -> None:
        listen = site_file.http.listen
        self._host, self._port, self._token = _EVERYWHERE.get(listen.host, listen.host), listen.port, token

    def ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the answer; `path` starts with a slash. ConfigError with the reason where there is none, or a refusal."""
        from drivers.errors import ConfigError

        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        text = None if body is None else json.dumps(body)
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_ANSWER_S)
        try:
            connection.request(method, path, text, headers)
            answer = connection.getresponse()
            status, given = answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            place = f"{self._host}:{self._port}"
            raise ConfigError(f"the daemon does not answer at {place}: {error or type(error).__name__}") from error
        finally:
            connection.close()
        if status != http.HTTPStatus.OK:
            raise ConfigError(_refusal(status, given))
        return dict(given)


def _refusal(status: int, given: Any) -> str:
    error = given.get("error", {}) if isinstance(given, dict) else {}
    details = "; ".join(map(str, error.get("details", ()))) or f"HTTP {status}"
    return f"refused ({error.get('reason', status)}): {details}"
