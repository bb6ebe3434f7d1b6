"""What happens at a running daemon, as verbs follow it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from controller.terminal.escaped import escaped

if TYPE_CHECKING:
    from controller.commands.daemon_client import DaemonClient

PATH: Final = "/api/v1/events"
#: Longer than the daemon is ever silent.
_SILENT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Happening:
    """One event: its name, its id, and its data."""

    name: str
    id: str
    data: dict[str, Any]


def follow(daemon: DaemonClient, last_id: str = "", *, within_s: float = float("inf")) -> Generator[Happening]:
    """Yield what happens, the present state first, until `within_s` is over; `last_id`: of the newest event that is known.

    ConfigError: there is no answer, it is a refusal, or the stream ends.
    """
    from drivers.errors import ConfigError

    until_s, fields = time.monotonic() + within_s, {"event": "", "id": "", "data": ""}
    connection = daemon.connection()
    try:
        connection.request("GET", PATH, headers=daemon.headers() | ({"Last-Event-ID": last_id} if last_id else {}))
        # Where the connection is to be closed after the answer, http.client forgets its socket with the answer's head.
        plug = connection.sock
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise ConfigError(f"{PATH}: HTTP {answer.status}: {escaped(answer.read(500).decode(errors='replace'))}")
        while (left_s := until_s - time.monotonic()) > 0.0:
            plug.settimeout(min(left_s, _SILENT_S))
            line = answer.readline().decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if name in fields:
                fields[name] = value
            elif not line and fields["event"]:
                yield Happening(fields["event"], fields["id"], json.loads(fields["data"]))
                fields["event"] = ""
            elif not line and answer.isclosed():
                raise ConfigError("the stream of events has ended")
    except (OSError, http.client.HTTPException, ValueError) as error:
        if not isinstance(error, TimeoutError) or time.monotonic() < until_s:
            raise ConfigError(
                f"the daemon does not answer at {daemon.place}: {error or type(error).__name__}"
            ) from error
    finally:
        connection.close()
