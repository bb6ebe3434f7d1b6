"""The document in a message: JSON, or a bare text. Bounded in bytes; levels are bounded by Python's own recursion.

Numbers that JSON does not have (NaN, Infinity, 1e400) are read where somebody sends them: of a document with one of them all
other values still count. So it is where an object has two values of one name: which of them is meant nobody knows (RFC 8259,
section 4), and neither counts.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from typing import Any, Final

#: The most bytes of a message; the whole state of a gateway with dozens of devices is below a tenth.
MOST_BYTES: Final = 1 << 18
#: Of a message that is none, so much is shown.
_SHOWN: Final = 40
#: More digits than any number has that is finite.
_MOST_DIGITS: Final = 400


class NoDocument(ValueError):
    """There is no document in the message; the text says what is there instead."""


class _TwoValues:
    """Stands for the value of a name that has two different ones."""

    def __repr__(self) -> str:
        return "a name with two values"


_TWO_VALUES: Final = _TwoValues()


def read_json(body: bytes) -> Any:
    """Return the document in a body of JSON; raises NoDocument."""
    _bounded(body)
    head = body.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if head == b"<":
        raise NoDocument("an HTML page instead of JSON")
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=_object, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        if head in {b"{", b"["}:
            raise NoDocument(f"no whole JSON: {error}") from None
        raise NoDocument(f"no JSON: {body[:_SHOWN]!r}") from None


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    found.clear()
    for name, value in pairs:
        found[name] = value if name not in found or _same(found[name], value) else _TWO_VALUES
    return found


def _same(one: object, other: object) -> bool:
    """Return whether two values are one; what has parts is never compared, which would take long for many of them."""
    return type(one) is type(other) and not isinstance(one, dict | list) and one == other


def _whole(digits: str) -> float:
    return int(digits) if len(digits) < _MOST_DIGITS else float(digits)


def read_text(body: bytes) -> str:
    """Return a body that is one text, without the white space around it; raises NoDocument."""
    _bounded(body)
    try:
        return body.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise NoDocument("bytes that are no UTF-8 text") from error


def _bounded(body: bytes) -> None:
    if not body.strip():
        raise NoDocument("an empty message")
    if len(body) > MOST_BYTES:
        raise NoDocument(f"a message of {len(body)} bytes, allowed are {MOST_BYTES}")
