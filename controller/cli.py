"""One command, ``surplusd``, with its verbs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from controller.commands import (
    DONE,
    NOT_GOOD,
    WRONG_COMMAND_LINE,
    agent,
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
)
from controller.commands.verb_parser import VerbParser
from drivers.errors import CommandLineWrong, ConfigError, JournalUnusable

_EXIT = """exit status: 0 done, and nothing looks wrong; 1 refused, not readable or looks wrong, with the reason;
2 the command line itself is wrong"""


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one verb and return its exit status: 0 done, 1 refused with the reason on standard error."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(with_demo=words[:1] == ["demo"])
    if not words:
        parser.print_help()
        return DONE
    arguments = parser.parse_args(words)
    try:
        status = int(arguments.carry_out(arguments))
        sys.stdout.flush()
    except CommandLineWrong as error:
        print(error, file=sys.stderr)
        return WRONG_COMMAND_LINE
    except (ConfigError, JournalUnusable) as error:
        print(error, file=sys.stderr)
        return NOT_GOOD
    except (KeyboardInterrupt, EOFError):
        print("ended before it was done", file=sys.stderr)
        return NOT_GOOD
    except BrokenPipeError:
        # Whoever read this has seen enough, as `head` has; what is left must not be complained about at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_GOOD
    else:
        return status


def _parser(*, with_demo: bool) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = VerbParser(prog="surplusd", description=__doc__, epilog=_EXIT)
    parser.add_argument("--version", action="version", version=f"surplusd {version('surplusd')}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for verb in (
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
        stop,
        reload,
        certificates,
        journal,
        issuer,
        clock,
    ):
        verb.add(verbs)
    demo.add(verbs, with_options=with_demo)
    completion.add(verbs, parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
