"""JSON pointers (RFC 6901): the way to one value in a document."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Self

#: Stands for a value that is not there, which null is.
MISSING: Final[Any] = object()
#: More steps than any document of a meter has levels.
MOST_STEPS: Final = 32

_STEP: Final = re.compile(r"(?:[^~]|~[01])*")
#: Places of a list are counted from 0, without leading zeros.
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class Pointer:
    """The way to a value, step by step; without a step, the whole document."""

    steps: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the pointer that is written so; raises ValueError where it is none.

        >>> Pointer.parse("/em:0/total_act_power").steps
        ('em:0', 'total_act_power')
        """
        if text and not text.startswith("/"):
            raise ValueError(f"{text!r} does not begin with /")
        steps = text.split("/")[1:]
        if len(steps) > MOST_STEPS or any(_STEP.fullmatch(step) is None for step in steps):
            raise ValueError(f"{text!r} has more than {MOST_STEPS} steps, or a ~ that is neither ~0 nor ~1")
        return cls(tuple(step.replace("~1", "/").replace("~0", "~") for step in steps))

    def __str__(self) -> str:
        """Return it as it is written."""
        return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in self.steps)

    def find(self, document: object) -> Any:
        """Return the value that it leads to, MISSING where there is none."""
        at: Any = document
        for step in self.steps:
            if isinstance(at, dict):
                at = at.get(step, MISSING)
            elif isinstance(at, list):
                at = at[int(step)] if _INDEX.fullmatch(step) and int(step) < len(at) else MISSING
            else:
                return MISSING
        return at
