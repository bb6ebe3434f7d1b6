"""``surplusd agent check``: what the devices of a file say, and what looks wrong; it only reads."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.terminal.telling import tell


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser(
        "check", help="read the devices of an agent's file, and say what looks wrong; nothing is written"
    )
    verb.add_argument("file", type=Path, help="the agent's file")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    import asyncio

    from controller.agent.inspection import COLUMNS, here, look_at, look_at_relays, row_of
    from controller.agent.load import load_agent

    file = load_agent(arguments.file)
    looks = asyncio.run(look_at(file))
    _print_table([COLUMNS, *(row_of(look) for look in looks)])
    for look in looks:
        for words in look.notes:
            tell(f"{look.device.id}: {words}")
    wrong = [f"{look.device.id}: {words}" for look in looks for words in look.wrong]
    notes, wrong_relays = asyncio.run(look_at_relays(file))
    for line in notes:
        tell(line)
    wrong += [*wrong_relays, *here(file)]
    for line in wrong:
        tell(f"WRONG  {line}")
    return NOT_GOOD if wrong else DONE


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        tell("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
