"""``surplusd trip reset``: asks the running daemon to close the contactor of a node again, and waits until it has."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.commands.asking import OPERATOR, SITE, site_file_of
from controller.commands.daemon_client import DaemonClient, sender_of
from controller.commands.following import Happening, follow
from controller.terminal.telling import tell

_ABOUT = """The daemon writes down who asked and why, makes room for all that may start below the node, and tells the contactor to
close. In doubt nothing is closed. Find out first why the node was cut off: `surplusd_reason`, the journal, and the place itself."""
#: Why a reset came to nothing, in words.
_VOID: Final = {
    "in_doubt": "the site was in doubt",
    "not_seen_closed": "it was told to close, and was not seen to be closed in time",
    "open_above": "one above it is open",
}
#: Longer than a few ticks; room is made within the settle time, and then it is seen to be closed within another.
_BEYOND_S: Final = 20.0


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("reset", help="close a node's contactor again, for a reason", description=_ABOUT)
    verb.add_argument("node", help="the node's id")
    verb.add_argument("--reason", required=True, help="what was found and done; it goes into the journal")
    verb.add_argument("--site", type=Path, default=SITE, metavar="FILE", help=f"the site file (default: {SITE})")
    verb.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="an operator's token (default: the first that the site file names)",
    )
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from drivers.errors import ConfigError

    site_file = site_file_of(arguments)
    daemon = DaemonClient.of(site_file, sender_of(site_file, OPERATOR, arguments.token_file).token)
    node = _plain(arguments.node)
    with contextlib.closing(follow(daemon, within_s=2.0 * site_file.grid.settle_s + _BEYOND_S)) as events:
        # Followed from before on, so that nothing that becomes of it is missed.
        first = next(events, None)
        if first is None:
            raise ConfigError(f"the daemon at {daemon.place} answers, and says nothing of the site")
        answer = daemon.ask("POST", f"/api/v1/nodes/{node}/reset", {"reason": arguments.reason})
        told = "was reset already" if answer["again"] else "is reset; this is on record"
        tell(f"{node} {told}")
        return _wait(node, _states(node, chain([first], events)))


def _plain(node: str) -> str:
    """Return an id that stands as it is in a URL; anything else is no id of a node."""
    from drivers.errors import ConfigError

    if not node or not all(character.isascii() and (character.isalnum() or character == "-") for character in node):
        raise ConfigError(f"node: found {node!r}; allowed is the id of a node")
    return node


def _states(node: str, events: Iterable[Happening]) -> Iterator[tuple[str, str | None]]:
    """Yield each state of the node's contactor that is told, and why a reset of it came to nothing."""
    for event in events:
        if event.name == "state":
            contactor = (event.data["status"]["nodes"].get(node) or {}).get("contactor") or {}
            yield contactor.get("state", ""), contactor.get("void")
        elif event.name == "contactor" and event.data["node"] == node:
            yield event.data["state"], event.data["void"]


def _wait(node: str, states: Iterable[tuple[str, str | None]]) -> int:
    """Say what becomes of the reset."""
    seen_closing, why = False, "nothing is heard of it"
    for state, void in states:
        # What was open without a trip is "closed" before, and again when the reset is void.
        if state == "starting" or (state == "closed" and seen_closing and void is None):
            tell(f"the contactor of {node} is closed; devices below it start at their failsafe watts at most")
            return DONE
        if state in {"tripped", "closed"} and seen_closing:
            why = _VOID.get(str(void), "it tripped anew")
            break
        seen_closing = seen_closing or state in {"closing", "reclosing"}
    tell(f"the contactor of {node} stays open: {why}; see `reason` in the status, then reset it again")
    return NOT_GOOD
