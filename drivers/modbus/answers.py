"""What comes back to a Modbus request. Pure, and without a library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Self

#: Names of the exception codes (Modbus application protocol 1.1b3, section 7).
EXCEPTIONS: Final[Mapping[int, str]] = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledged, still working on it",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target did not respond",
}


#: Exceptions that say what a unit has not got: this function, address or value. Any other is about now.
_FOR_GOOD: Final = frozenset({1, 2, 3})


class Refusal(str):
    """The exception that a unit answered, in words; `code` is its number."""

    __slots__ = ("code",)

    def __new__(cls, code: int, text: str) -> Self:
        """Add the code to the text."""
        made = super().__new__(cls, text)
        made.code = code
        return made

    code: int

    @property
    def for_good(self) -> bool:
        """Whether the unit has not got what it was asked for; else it may have it later."""
        return self.code in _FOR_GOOD


#: What a request brought: its registers or bits, or the reason why there are none.
Answer = Sequence[int] | str
