"""The document in a message: JSON, or a bare text. Bounded in bytes; levels are bounded by Python's own recursion.

Numbers that JSON does not have (NaN, Infinity, 1e400) are read where somebody sends them: of a document with one of them all
other values still count.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

#: The most bytes of a message; the whole state of a gateway with dozens of devices is below a tenth.
MOST_BYTES: Final = 1 << 18
#: Of a message that is none, so much is shown.
_SHOWN: Final = 40


class NoDocument(ValueError):
    """There is no document in the message; the text says what is there instead."""


def read_json(body: bytes) -> Any:
    """Return the document in a body of JSON; raises NoDocument."""
    _bounded(body)
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        return _lenient(body, str(error))


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


def _lenient(body: bytes, why: str) -> Any:
    """Return the document where only its numbers are none of JSON's."""
    head = body.lstrip()[:1]
    if head == b"<":
        raise NoDocument("an HTML page instead of JSON")
    if head not in {b"{", b"["}:
        raise NoDocument(f"no JSON: {body[:_SHOWN]!r}")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise NoDocument(f"no whole JSON: {why}") from None
