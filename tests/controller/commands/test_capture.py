"""Captures: what was asked comes back as it was answered, and nothing else does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.commands.meter.capture import (
    HEADER,
    NOT_CAPTURED,
    CapturedMeter,
    read_capture,
    read_line,
    write_capture,
)
from drivers.errors import ConfigError
from drivers.modbus.answers import Refusal

WORDS = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125)
QUESTION = st.tuples(st.sampled_from([3, 4]), st.integers(0, 65536 - 125))


def asked(replay: CapturedMeter, fc: int, address: int, count: int):
    return asyncio.run(replay.read(fc, address, count))


@given(st.lists(st.tuples(QUESTION, WORDS), max_size=6))
def test_what_was_captured_comes_back(tmp_path_factory: pytest.TempPathFactory, seen) -> None:
    path = tmp_path_factory.mktemp("captures") / "a.txt"
    write_capture(
        path, [HEADER, *(f"0.1 {read_line(fc, address, len(words), words)}" for (fc, address), words in seen)]
    )
    replay = read_capture(path)
    newest = {(fc, address, len(words)): words for (fc, address), words in seen}
    for question, words in newest.items():
        assert asked(replay, *question) == words


def captured(tmp_path: Path, text: str) -> CapturedMeter:
    (tmp_path / "c.txt").write_text(text)
    return read_capture(tmp_path / "c.txt")


def test_words_are_put_together_from_other_requests(tmp_path: Path) -> None:
    replay = captured(
        tmp_path, "fc 3 address 10 count 2 = 0001 0002\nfc 3 address 12 count 2 = 0003 0004  # written by hand\n"
    )
    assert asked(replay, 3, 11, 2) == [2, 3]
    assert str(asked(replay, 4, 11, 2)).startswith(NOT_CAPTURED)
    assert str(asked(replay, 3, 13, 2)).startswith(NOT_CAPTURED)


def test_a_register_that_was_read_alone_does_not_replace_what_stands_in_a_block(tmp_path: Path) -> None:
    replay = captured(tmp_path, "fc 4 address 10 count 3 = 0001 0002 0003\nfc 4 address 11 count 1 = 0667\n")
    assert asked(replay, 4, 11, 1) == [0x667]
    assert asked(replay, 4, 10, 2) == [1, 2]


def test_a_refusal_is_one_again_so_that_blocks_are_narrowed_as_on_the_meter(tmp_path: Path) -> None:
    answer = asked(captured(tmp_path, "1.5 fc 3 address 10 count 2 = exception 2 (illegal data address)\n"), 3, 10, 2)
    assert isinstance(answer, Refusal)
    assert answer.code == 2


def test_identification_is_kept(tmp_path: Path) -> None:
    assert captured(tmp_path, "fc 43 = Acme | Power 7 | 1.0\n").identity == ("Acme", "Power 7", "1.0")


@pytest.mark.parametrize(
    "line",
    [
        "fc 3 address 10 count 2 = 0001",
        "fc 3 address 10 count 1 = 001",
        "fc 3 address 65535 count 2 = 0001 0002",
        "fc 6 address 10 count 1 = 0001",
        "fc 3 address 10 count 1 =",
        "nonsense",
    ],
)
def test_a_line_that_is_none_is_named_with_its_place(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match=r"c\.txt:2: found '.*', allowed is"):
        captured(tmp_path, f"# fine\n{line}\n")


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.txt"):
        read_capture(tmp_path / "none.txt")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="binary"):
        read_capture(tmp_path / "binary")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"c\.txt"):
        write_capture(tmp_path / "c.txt", [])
    assert (tmp_path / "c.txt").read_text() == "mine"
