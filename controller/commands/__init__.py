"""The verbs of ``surplusd``: a verb is a file of that name, a family of verbs a folder or one file.

Each has ``add(verbs)``, which declares it and what carries it out. Whatever is slow to import is imported
inside the functions that need it: `check` must not pay for the demo, nor `run` for anything but the start.
"""

from __future__ import annotations

import argparse
from typing import TypeAlias

from drivers.quantities import QuantityError, QuantityKind, parse_quantity

#: What a family adds its verbs to.
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  it has no public name

#: Exit statuses of every verb; 2 is argparse's own.
DONE = 0
#: Something was refused, could not be read or looks wrong; the reason is on standard error or in the table.
NOT_GOOD = 1
WRONG_COMMAND_LINE = 2


def seconds(text: str) -> float:
    """Read a time of a command line, such as ``10 s`` or ``500ms``."""
    return _positive(text, QuantityKind.TIME)


def watts(text: str) -> float:
    """Read a power of a command line, such as ``1.2 MW``."""
    return _positive(text, QuantityKind.POWER)


def _positive(text: str, kind: QuantityKind) -> float:
    try:
        value = parse_quantity(text, kind)
    except QuantityError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if value <= 0:
        raise argparse.ArgumentTypeError(f"found {text!r}, allowed is more than 0 {kind.value}")
    return value
