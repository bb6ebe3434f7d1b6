"""The value that could not be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final


class Unknown:
    """Answers no to every question, so that one mistake in a file is one line and the checks go on around it.

    Comparisons are false, sums with it are unknown, it holds nothing, and so are its attributes.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Unknown:
        """Every attribute is unknown too; what the language looks for by itself is absent."""
        if name.startswith("_"):
            raise AttributeError(name)
        return self

    def __iter__(self) -> Iterator[Any]:
        """Hold nothing."""
        return iter(())

    def __bool__(self) -> bool:
        """Be false."""
        return False

    def __format__(self, spec: str) -> str:
        """Have no figures."""
        return "unknown"

    def _no(self, _other: object) -> bool:
        return False

    def _unknown(self, _other: object) -> Unknown:
        return self

    __lt__ = __le__ = __gt__ = __ge__ = _no
    __add__ = __radd__ = __mul__ = __rmul__ = __sub__ = __rsub__ = _unknown


UNKNOWN: Final[Any] = Unknown()
