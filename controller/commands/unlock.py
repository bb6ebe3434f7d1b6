"""``surplusd unlock``: gives back what was locked."""

from __future__ import annotations

import argparse
from typing import Any

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.commands.asking import OPERATOR, add_options, client
from controller.commands.daemon_client import DaemonClient
from controller.terminal.telling import tell, tell_json

_ABOUT = """A lock is lifted by the person who set it, with the token that it was set with; or by two operators with tokens of their own, within
ten minutes of one another. What was locked comes up by the ramp."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("unlock", help="lift a lock", description=_ABOUT)
    verb.add_argument("subject", metavar="DEVICE|NODE", help="its id")
    verb.add_argument("--by", required=True, metavar="NAME", help="who lifts it")
    verb.add_argument("--of", metavar="NAME", help="whose lock it is (default: one's own)")
    add_options(verb, *OPERATOR)
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    body = {"subject": arguments.subject, "by": arguments.by} | ({"of": arguments.of} if arguments.of else {})
    daemon = client(arguments, *OPERATOR)
    answer = _lifted(daemon, body)
    if arguments.json:
        tell_json(answer)
    elif answer["lifted"]:
        tell(f"the lock of {answer['of']} on {answer['subject']} is lifted; {_what_stands(daemon, answer['subject'])}")
    else:
        who = " and ".join(answer["agreed"])
        tell(
            f"the lock of {answer['of']} on {answer['subject']} stays: {who} wants it lifted; another operator has to agree "
            "within ten minutes, with a token of their own"
        )
    return DONE if answer["lifted"] else NOT_GOOD


def _lifted(daemon: DaemonClient, body: dict[str, str]) -> dict[str, Any]:
    """Return the answer to the lifting of a lock; ConfigError where it is refused, with how another's lock is named."""
    from controller.core.reasons import Code
    from drivers.errors import ConfigError

    answer = daemon.get("POST", "/api/v1/locks/lift", body)
    if answer.is_good:
        return answer.body
    how = "\n--of NAME says whose lock is to be lifted" if Code.LOCK_UNKNOWN in answer.codes else ""
    raise ConfigError(f"{answer.refusal}{how}")


def _what_stands(daemon: DaemonClient, subject: str) -> str:
    """Say who still has a lock on it; a lock on what is above or below it is another one."""
    others = [lock["by"] for lock in daemon.ask("GET", "/api/v1/locks")["locks"] if lock["subject"] == subject]
    if others:
        return f"it stays off, locked by {', '.join(others)}"
    return "nobody locks it now, and it may come up"
