from __future__ import annotations

import math

import pytest

from drivers.meters.payloads.document import MOST_BYTES, NoDocument, read_json, read_text


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "an empty message"),
        (b"  \r\n", "an empty message"),
        (b"<html>", "an HTML page instead of JSON"),
        (b" <!DOCTYPE html>", "an HTML page instead of JSON"),
        (b'{"a": 1', "no whole JSON"),
        (b'{"a": 1} {"b": 2}', "no whole JSON"),
        (b"[" * 100_000, "no whole JSON"),
        (b'{"a":' * 50_000, "no whole JSON"),
        (b"unavailable", "no JSON: b'unavailable'"),
        (b'{"\xff": 1}', "no whole JSON"),
        (b" " * MOST_BYTES + b"{}", "allowed are 262144"),
    ],
)
def test_what_is_no_document_is_named(body: bytes, told: str) -> None:
    with pytest.raises(NoDocument) as raised:
        read_json(body)
    assert told in str(raised.value)


def test_a_number_that_json_does_not_have_spoils_no_other() -> None:
    document = read_json(b'{"a": 812.5, "b": NaN, "c": 1e400, "d": -Infinity, "e": ' + b"9" * 5000 + b"}")
    assert document["a"] == 812.5
    assert math.isnan(document["b"])
    assert document["c"] == math.inf
    assert document["d"] == -math.inf
    assert document["e"] == math.inf


def test_a_bare_text_is_read_without_its_white_space() -> None:
    assert read_text(b" 812.5\n") == "812.5"
    with pytest.raises(NoDocument, match="no UTF-8"):
        read_text(b"\xff8")


def test_of_two_values_of_one_name_neither_counts() -> None:
    document = read_json(b'{"p": 900000, "q": {"p": 1, "p": 1}, "p": 5, "r": 7, "s": 1, "s": true}')
    assert repr(document["p"]) == "a name with two values"
    assert document["q"] == {"p": 1}
    assert document["r"] == 7
    assert repr(document["s"]) == "a name with two values"


def test_a_mark_of_the_byte_order_is_no_part_of_the_document() -> None:
    assert read_json(b'\xef\xbb\xbf{"p": 7}') == {"p": 7}
