from __future__ import annotations

from typing import Any

import pytest

from drivers.meters.payloads.pointer import MISSING, Pointer

#: The document and the pointers of RFC 6901, section 5.
DOCUMENT: dict[str, Any] = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_the_pointers_of_the_standard_lead_to_their_values(text: str, value: object) -> None:
    pointer = Pointer.parse(text)
    assert pointer.find(DOCUMENT) == value
    assert str(pointer) == text


@pytest.mark.parametrize(
    "text", ["/foo/2", "/foo/-", "/foo/01", "/foo/-1", "/foo/\u0660", "/foo/0/x", "/nowhere", "/a~1b/c"]
)
def test_what_is_not_there_is_missing_and_not_null(text: str) -> None:
    assert Pointer.parse(text).find(DOCUMENT) is MISSING
    assert Pointer.parse("/x").find({"x": None}) is None


@pytest.mark.parametrize("text", ["foo", "/~", "/~2", "/a/~x", "/x" * 33])
def test_what_is_no_pointer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"~|begin|steps"):
        Pointer.parse(text)


def test_a_tilde_that_stands_for_itself_is_not_read_twice() -> None:
    assert Pointer.parse("/~01").find({"~1": "right", "/": "wrong"}) == "right"
