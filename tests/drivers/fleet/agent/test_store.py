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
    ],
)
def test_an_unusable_file_is_nothing_held_and_is_logged(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert Store(tmp_path / "a.json").load() == Held()
    assert [record.event for record in caplog.records] == ["store_unusable"]


def test_a_torn_write_leaves_the_old_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.json")
    store.save(HELD)
    (tmp_path / "a.new").write_bytes(b'{"v":2,"ep')
    assert store.load() == HELD
    store.save(Held())
    assert store.load() == Held()


def test_a_disk_that_refuses_raises(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OSError):
        Store(tmp_path / "a.json").save(HELD)
