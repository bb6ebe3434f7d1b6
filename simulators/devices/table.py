"""The table of families and traps, as it is printed in the documentation: what became of each lowering."""

from __future__ import annotations

from functools import cache
from typing import Final

from simulators.devices import timeless
from simulators.devices.cells import Cell, play
from simulators.devices.served import ALL_SERVED
from simulators.devices.traps import Trap

WORDS: Final = {
    Trap.OK: "does as it says",
    Trap.SAYS_OK: "says OK, does nothing",
    Trap.REFUSES: "refuses",
    Trap.HALF_ANSWER: "does it, breaks off its answer",
    Trap.HTML: "answers in HTML",
    Trap.HTTP_500: "answers with status 500",
    Trap.CLOSES: "closes without an answer",
    Trap.HANGS: "hangs",
    Trap.WRONG_SERIAL: "is another device",
    Trap.REBOOTS: "does it, and reboots",
    Trap.MOVES_BACK: "does it, and goes back by itself",
}


@cache
def cell(family: str, trap: Trap) -> Cell:
    """Return how a scene ended, which is the same whenever it is played."""
    return timeless.run(play(family, trap))


def table() -> str:
    """Return the table in Markdown; this plays every scene that was not played before, which takes ten seconds for all."""
    families = sorted(ALL_SERVED)
    lines = [f"| the device | {' | '.join(f'`{family}`' for family in families)} |", "|---" * (len(families) + 1) + "|"]
    for trap, words in WORDS.items():
        lines.append(f"| {words} | {' | '.join(_words(cell(family, trap)) for family in families)} |")
    return "\n".join(lines)


def _words(end: Cell) -> str:
    outcome = "nothing was told" if end.outcome is None else end.outcome.value
    when = "never down" if end.down_s is None else f"down in {end.down_s:.0f} s"
    by = "by its relay" if end.relayed else "by itself"
    return f"{outcome}; {when} {by}; {end.state.name.lower()} at {end.end_w:.0f} W"
