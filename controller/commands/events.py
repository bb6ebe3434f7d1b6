"""``surplusd events``: shows what happens, as it happens."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from typing import Final

from controller.commands import Verbs
from controller.commands.asking import READERS, add_options, client
from controller.commands.following import Happening, follow
from controller.terminal.telling import tell, tell_json

_ABOUT = """The present state first, then each event until it is interrupted. Where it is cut off it asks again, and says what it has missed."""
_AGAIN_S: Final = 2.0


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("events", help="follow what happens at the site", description=_ABOUT)
    verb.add_argument("--after", metavar="ID", default="", help="go on behind the event of this id")
    add_options(verb, *READERS)
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from drivers.errors import ConfigError

    daemon, last_id, is_cut, pause = client(arguments, *READERS), arguments.after, False, threading.Event()
    while True:
        attempt_s = time.monotonic()
        try:
            for event in follow(daemon, last_id):
                last_id, is_cut = event.id, False
                _show(event, as_json=arguments.json)
        except ConfigError as error:
            if last_id == arguments.after:
                raise
            if not is_cut:
                tell(str(error), out=sys.stderr)
            is_cut = True
        # Cut off, it asks again at once, and where that fails no more often than this.
        pause.wait(max(0.0, attempt_s + _AGAIN_S - time.monotonic()))


def _show(event: Happening, *, as_json: bool) -> None:
    if as_json:
        tell_json({"event": event.name, "id": event.id, "data": event.data}, on_one_line=True)
    else:
        tell(_in_words(event))


def _in_words(event: Happening) -> str:
    data = event.data
    if event.name == "state":
        status, missed = data["status"], data["missed"]
        gap = f"; MISSED {missed}: {data['missed_because']}" if missed else ""
        return f"{status['site']} is in {status['mode']}{': ' if status['reason'] else ''}{status['reason']}{gap}"
    words = data.get("text") or " ".join(
        f"{name}={value}"
        for name, value in data.items()
        if name not in {"at", "seq", "what"} and value not in (None, "", [])
    )
    return f"{data['at']} {event.name}{' ' if 'what' in data else ''}{data.get('what', '')}: {words}"
