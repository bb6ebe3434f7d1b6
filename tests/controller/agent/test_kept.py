"""What an agent runs after a crash, whatever stands in its file, and in that of its models, by then."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.agent.equipment import equipment_of, leased_of
from controller.agent.kept import KeptFile
from controller.agent.model import AgentFile
from drivers.devices.found import FoundSettings
from tests.controller.agent.test_load import SMALL
from tests.controller.site.test_own_models import MODELS
from tests.drivers.fleet.test_own_models import EXAMPLE, OWN

TEXT = SMALL.replace("devices:\n", "models: own.yaml\ndevices:\n", 1).replace(
    "model: antminer-s19k-pro, max", f"model: {OWN}, max"
)


class Crashed(Exception):
    """The process is gone."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "own.yaml").write_text(EXAMPLE)
    path = tmp_path / "agent.yaml"
    path.write_text(TEXT)
    return path


def run_and_crash(path: Path) -> AgentFile:
    kept = KeptFile(path, {})
    file = kept.begin()
    with pytest.raises(Crashed), kept.until_an_orderly_end():
        raise Crashed
    return file


def down_s(file: AgentFile) -> float:
    assert file.models is not None
    return file.models.by_id[OWN].down_s


@pytest.mark.parametrize("text", [None, "models: [half", EXAMPLE.replace("down: 6 s", "down: 9 s")])
def test_its_own_models_run_as_they_were(path: Path, text: str | None, caplog: pytest.LogCaptureFixture) -> None:
    run_and_crash(path)
    models = path.parent / "own.yaml"
    models.unlink()
    if text is not None:
        models.write_text(text)
    assert down_s(run_and_crash(path)) == 6.0
    assert down_s(run_and_crash(path)) == 6.0
    assert {record.event for record in caplog.records} == {"file_not_taken"}  # type: ignore[attr-defined]


def test_models_that_stand_in_its_file_run_as_they_were(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text(TEXT.replace("models: own.yaml\n", f"models:\n{MODELS}"))
    assert down_s(run_and_crash(path)) == 6.0
    path.write_text(path.read_text().replace("down: 6 s", "down: 9 s"))
    assert down_s(run_and_crash(path)) == 6.0
    assert {record.event for record in caplog.records} == {"file_not_taken"}  # type: ignore[attr-defined]


def test_where_nothing_has_changed_nothing_is_said(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert run_and_crash(path) == run_and_crash(path)
    assert caplog.records == []


def test_after_an_orderly_end_the_file_of_models_counts(path: Path) -> None:
    kept = KeptFile(path, {})
    assert down_s(kept.begin()) == 6.0
    with kept.until_an_orderly_end():
        (path.parent / "own.yaml").write_text(EXAMPLE.replace("down: 6 s", "down: 9 s"))
    assert down_s(KeptFile(path, {}).begin()) == 9.0


@pytest.mark.parametrize(
    "kept", ["[]", "{}", '{"raw": 1, "models": null}', '{"raw": {"models": 1}, "models": "x"}', "{"]
)
def test_what_is_no_use_is_said_and_the_file_counts(path: Path, kept: str, caplog: pytest.LogCaptureFixture) -> None:
    (path.parent / "agent.running.json").write_text(kept)
    assert down_s(KeptFile(path, {}).begin()) == 6.0
    assert {record.event for record in caplog.records} == {"kept_file_unusable"}  # type: ignore[attr-defined]


def test_a_device_is_led_as_its_own_model_says(path: Path) -> None:
    file = KeptFile(path, {}).begin()
    equipment = equipment_of(file, FoundSettings(path.parent / "found.json"))
    assert equipment.leased["two"].model.id == OWN
    assert leased_of(file, file.devices[1]).at_most(10_000) == 1657
