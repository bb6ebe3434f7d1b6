"""What comes back to a Modbus request. Pure, and without a library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self


class Refusal(str):
    """The exception that a unit answered, in words; `code` is its number."""

    __slots__ = ("code",)

    def __new__(cls, code: int, text: str) -> Self:
        """Add the code to the text."""
        made = super().__new__(cls, text)
        made.code = code
        return made

    code: int


#: What a request brought: its registers or bits, or the reason why there are none.
Answer = Sequence[int] | str
