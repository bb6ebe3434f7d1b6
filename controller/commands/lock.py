"""``surplusd lock``: takes a device or a node out of use for people who work on it."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.commands.asking import OPERATOR, add_options, client
from controller.commands.daemon_client import DaemonClient
from controller.commands.following import follow
from controller.terminal.telling import tell, tell_json

_ABOUT = """What is locked is off in every mode and raised by nothing, over restarts, until the same person unlocks it, or two operators do.
Exit status 0: it is proven to be off, and the lock is on the disk; 1: it is not, or not yet. A lock is no isolation: whoever opens a
cabinet still switches it off and locks the switch."""
#: How long the proof is waited for: it may take as long as the slowest device takes to come down.
_PROOF_S: Final = 120.0
#: Events after which a lock may stand otherwise.
_TELL: Final = frozenset({"state", "lock", "lock_proof"})


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("lock", help="lock off a device or a node that people work on", description=_ABOUT)
    verb.add_argument("subject", metavar="DEVICE|NODE", help="its id")
    verb.add_argument("--by", required=True, metavar="NAME", help="who works there")
    verb.add_argument("--reason", required=True, help="what is done there; it goes into the journal")
    verb.add_argument("--wait", type=float, default=_PROOF_S, metavar="S", help="for the proof (default: %(default)g)")
    add_options(verb, *OPERATOR)
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from drivers.errors import ConfigError

    daemon = client(arguments, *OPERATOR)
    body = {"subject": arguments.subject, "by": arguments.by, "reason": arguments.reason}
    lock = daemon.ask("POST", "/api/v1/locks", body)["lock"]
    try:
        lock = _proven(daemon, lock, arguments.wait)
    except ConfigError as error:
        tell(f"the lock is set, and whether it is proven cannot be followed: {error}", out=sys.stderr)
    tell_json(lock) if arguments.json else tell(_words(lock))
    return DONE if _is_good(lock) else NOT_GOOD


def _proven(daemon: DaemonClient, lock: dict[str, Any], wait_s: float) -> dict[str, Any]:
    """Return the lock once all that it holds is proven to be off, or as it is after `wait_s`."""
    if _is_good(lock):
        return lock
    for event in follow(daemon, within_s=wait_s):
        if event.name in _TELL:
            locks = daemon.ask("GET", "/api/v1/locks")["locks"]
            lock = next(
                (each for each in locks if (each["subject"], each["by"]) == (lock["subject"], lock["by"])), lock
            )
        if _is_good(lock):
            break
    return lock


def _is_good(lock: dict[str, Any]) -> bool:
    return bool(lock["durable"] and lock["unproven"] == 0)


def _words(lock: dict[str, Any]) -> str:
    from drivers.quantities import format_power

    told = f"{lock['subject']} is locked by {lock['by']}"
    if not lock["durable"]:
        told += ", and that is not on the disk: a restart would forget it"
    if lock["unproven"] is None:
        return f"{told}; no tick tells whether it is off"
    if lock["unproven"]:
        devices = f"{lock['unproven']} of {lock['devices']} devices"
        # Below an open contactor, which somebody may close.
        most = (
            f"up to {format_power(lock['most_w'])}" if lock["most_w"] else "they draw nothing now, as far as is known"
        )
        return f"{told}; {devices} not proven to be off: {most}"
    devices = "1 device" if lock["devices"] == 1 else f"{lock['devices']} devices"
    return f"{told}; proven to be off: {devices}. Switch it off by hand as well before you open it"
