import random
from pathlib import Path

import pytest

from drivers.fleet.agent.lease import Held
from drivers.fleet.agent.store import Store

HELD = Held(epoch=2, seq=9, head="j/2/9", applied={"a": 3500, "b": 0})


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    store = Store(tmp_path / "state" / "hall-a.json")
    store.save(HELD)
    store.save(Held(epoch=3, seq=1, applied={"a": 1}))
    assert Store(tmp_path / "state" / "hall-a.json").load() == Held(epoch=3, seq=1, applied={"a": 1})
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["hall-a.json"]


def test_what_rests_is_kept_and_a_file_of_an_agent_that_kept_no_rests_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    Store(path).save(HELD)
    assert b"rests" not in path.read_bytes()
    assert Store(path).load() == HELD
    resting = Held(epoch=2, seq=9, head="j/2/9", applied={"a": 3500, "b": 0}, rests={"b": 3})
    Store(path).save(resting)
    assert Store(path).load() == resting
    path.write_bytes(path.read_bytes().replace(b'"b":3', b'"b":2'))
    assert Store(path).load() == Held(), "its sum is of the rests, too"


def test_nothing_saved_is_nothing_held(tmp_path: Path) -> None:
    assert Store(tmp_path / "none.json").load() == Held()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"{",
        b"[]",
        b'{"v":2,"epoch":1,"seq":1,"head":null,"applied":{"a":NaN}}',
        b'{"v":2}',
        b'{"v":1,"epoch":1,"seq":1,"applied":{}}',
        b'{"v":2,"epoch":1,"seq":1,"head":null,"applied":{"a":1}}',
        pytest.param(b'{"v":2,"applied":' + b"[" * 100_000, id="deep"),
        pytest.param(b'{"v":2,"other":' + b"[" * 100_000, id="deep in what is unknown"),
        pytest.param(b"[" * 100_000, id="nothing but deep"),
        pytest.param(b" " * (1 << 24) + b"{}", id="long"),
    ],
)
def test_an_unusable_file_is_nothing_held_and_is_logged(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert Store(tmp_path / "a.json").load() == Held()
    assert [record.event for record in caplog.records] == ["store_unusable"]


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Return the bytes with one thing wrong: bits, a piece that is lost, doubled or zeroed, or JSON without end."""
    place, end = sorted(draw.sample(range(len(content) + 1), 2))
    flipped = content[place : place + 1]
    return draw.choice(
        [
            content[:place] + bytes(byte ^ (1 << draw.randrange(8)) for byte in flipped) + content[place + 1 :],
            content[:place],
            content[:place] + content[end:],
            content[:end] + content[place:],
            content[:place] + bytes(end - place) + content[end:],
            content[:place] + b"[" * 100_000 + content[place:],
            content[:place] + b'{"a":' * 100_000 + content[place:],
            content[:place] + draw.randbytes(9) + content[place:],
        ]
    )


@pytest.mark.parametrize("seed", range(10))
def test_no_damage_is_read_as_anything_else_than_what_was_saved(tmp_path: Path, seed: int) -> None:
    draw, store = random.Random(seed), Store(tmp_path / "a.json")
    store.save(HELD)
    content = (tmp_path / "a.json").read_bytes()
    for _ in range(100):
        (tmp_path / "a.json").write_bytes(damaged(content, draw))
        assert store.load() in (Held(), HELD)


def test_a_digit_that_has_changed_is_no_other_setpoint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(tmp_path / "a.json")
    store.save(HELD)
    content = (tmp_path / "a.json").read_bytes()
    (tmp_path / "a.json").write_bytes(content.replace(b"3500", b"3501"))
    assert store.load() == Held()
    assert [record.event for record in caplog.records] == ["store_unusable"]


def test_a_torn_write_leaves_the_old_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.json")
    store.save(HELD)
    (tmp_path / "a.json.new").write_bytes(b'{"v":2,"ep')
    assert store.load() == HELD
    store.save(Held())
    assert store.load() == Held()


def test_a_disk_that_refuses_raises(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OSError):
        Store(tmp_path / "a.json").save(HELD)
