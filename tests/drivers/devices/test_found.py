from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drivers.devices.driver import DeviceSettings, Pool
from drivers.devices.found import FoundSettings

SET = DeviceSettings(limit_w=3000, mode="normal", asleep=True, pools=(Pool(url="u", user="w"),), other=(("a", "b"),))


def test_what_was_found_outlives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "state" / "hall.found.json"
    asyncio.run(FoundSettings(path).keep("unit-001", SET))
    assert FoundSettings(path).all == {"unit-001": SET}


def test_what_was_handed_back_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "hall.found.json"
    found = FoundSettings(path)
    asyncio.run(found.keep("unit-001", SET))
    asyncio.run(found.keep("unit-002", SET))
    asyncio.run(found.forget("unit-001"))
    assert set(FoundSettings(path).all) == {"unit-002"}


def test_many_at_once_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "hall.found.json"
    found = FoundSettings(path)

    async def keep() -> None:
        await asyncio.gather(*(found.keep(f"unit-{k:03d}", SET) for k in range(50)))

    asyncio.run(keep())
    assert len(FoundSettings(path).all) == 50


@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b'{"version": 2, "found": {}}', b'{"version": 1, "found": {"a": 1}}']
)
def test_a_file_that_is_no_use_is_left_as_it_is_and_nothing_is_taken_for_found(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hall.found.json"
    path.write_bytes(content)
    found = FoundSettings(path)
    assert found.unusable is not None
    asyncio.run(found.keep("unit-001", SET))
    assert found.all == {}
    assert path.read_bytes() == content


def test_a_disk_that_fails_is_tried_again_with_the_next(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "state"
    found = FoundSettings(folder / "hall.found.json")
    folder.write_text("a file where the folder should be")
    asyncio.run(found.keep("unit-001", SET))
    assert "found_not_stored" in {getattr(record, "event", "") for record in caplog.records}
    folder.unlink()
    asyncio.run(found.keep("unit-002", SET))
    assert set(FoundSettings(folder / "hall.found.json").all) == {"unit-001", "unit-002"}
