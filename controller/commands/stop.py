"""``surplusd stop``, and ``surplusd resume``: take all to failsafe, and let the site rise again."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from typing import Final

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.commands.asking import OPERATOR, add_options, client
from controller.terminal.telling import tell, tell_json


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verb:
    """What one of the two says of itself; `again`: where it was so before."""

    help: str
    about: str
    done: str
    again: str


_VERBS: Final = {
    "stop": _Verb(
        help="take all to failsafe until it is resumed",
        about="All devices go down to their failsafe watts by the emergency ramp, and stay there, over restarts, until"
        " `surplusd resume`. Agents are led on.",
        done="the site is stopped",
        again="the site was stopped already",
    ),
    "resume": _Verb(
        help="let a stopped site rise again",
        about="The site rises by its ramp once nothing else keeps it down; locks stand.",
        done="the site is resumed",
        again="the site was not stopped",
    ),
}


def add(verbs: Verbs) -> None:
    """Add both verbs."""
    for name, words in _VERBS.items():
        verb = verbs.add_parser(name, help=words.help, description=words.about)
        verb.add_argument("--reason", required=True, help="it goes into the journal")
        add_options(verb, *OPERATOR)
        verb.set_defaults(carry_out=partial(_carry_out, name))


def _carry_out(name: str, arguments: argparse.Namespace) -> int:
    answer = client(arguments, *OPERATOR).ask("POST", f"/api/v1/{name}", {"reason": arguments.reason})
    told = _VERBS[name].again if answer["again"] else _VERBS[name].done
    # Somebody else may have stopped it anew while this one waited for the disk.
    if name == "resume" and answer["stopped"]:
        told += ", and was stopped anew meanwhile"
    if not answer["durable"]:
        told += ", and that is not on the disk: a restart would forget it"
    tell_json(answer) if arguments.json else tell(told)
    return DONE if answer["durable"] and answer["stopped"] is (name == "stop") else NOT_GOOD
