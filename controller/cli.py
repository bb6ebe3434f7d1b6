"""One command, ``surplusd``, with its verbs."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from controller.commands import (
    DONE,
    NOT_GOOD,
    WRONG_COMMAND_LINE,
    agent,
    bench,
    certificates,
    check,
    clock,
    completion,
    demo,
    doctor,
    events,
    init,
    issuer,
    journal,
    keys,
    lock,
    locks,
    meter,
    order,
    reload,
    run,
    schema,
    status,
    stop,
    top,
    trip,
    unlock,
    warmup,
    what_if,
)
from controller.commands.verb_parser import VerbParser
from controller.terminal.telling import tell
from drivers.errors import CommandLineWrong, ConfigError, JournalUnusable

_EXIT = """exit status: 0 done, and nothing looks wrong; 1 refused, not readable or looks wrong, with the reason;
2 the command line itself is wrong"""


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one verb and return its exit status: 0 done, 1 refused with the reason on standard error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that has no sign for something is shown all else.
        sys.stdout.reconfigure(errors="replace")
    try:
        status = _status_of(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read this has seen enough, as `head` has; what is left must not be complained about at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_GOOD
    return status


def _status_of(words: Sequence[str]) -> int:
    parser = _parser(words[:1])
    if not words:
        parser.print_help()
        return DONE
    try:
        arguments = parser.parse_args(words)
    except SystemExit:
        sys.stdout.flush()
        raise
    try:
        return int(arguments.carry_out(arguments))
    except CommandLineWrong as error:
        tell(*str(error).splitlines(), out=sys.stderr)
        return WRONG_COMMAND_LINE
    except (ConfigError, JournalUnusable) as error:
        tell(*str(error).splitlines(), out=sys.stderr)
        return NOT_GOOD
    except (KeyboardInterrupt, EOFError):
        tell("ended before it was done", out=sys.stderr)
        return NOT_GOOD


def _parser(verb: Sequence[str]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = VerbParser(prog="surplusd", description=__doc__, epilog=_EXIT)
    parser.add_argument("--version", action="version", version=f"surplusd {version('surplusd')}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for each in (
        run,
        warmup,
        check,
        keys,
        init,
        schema,
        meter,
        agent,
        status,
        top,
        doctor,
        trip,
        order,
        events,
        lock,
        unlock,
        locks,
        stop,
        reload,
        certificates,
        journal,
        issuer,
        clock,
        what_if,
    ):
        each.add(verbs)
    demo.add(verbs, with_options=verb == ["demo"])
    bench.add(verbs, with_options=verb == ["bench"])
    completion.add(verbs, parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
