"""One process at a time has the devices of an agent."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from controller.agent.model import AgentFile
from controller.agent.owned import owned
from drivers.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> AgentFile:
    return cast("AgentFile", SimpleNamespace(state=tmp_path / "state", agent="hall-a"))


def test_a_second_one_is_told_who_has_them_and_after_the_end_of_the_first_it_gets_them(file: AgentFile) -> None:
    with owned(file), pytest.raises(ConfigError, match="another process leads the devices of hall-a"), owned(file):
        pass
    with owned(file):
        pass


def test_a_folder_in_which_nothing_can_be_kept_is_named(file: AgentFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object, **_more: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(ConfigError, match=r"hall-a\.lock: Read-only file system"), owned(file):
        pass


@pytest.mark.parametrize("error", [PermissionError("of a device"), BlockingIOError("of a socket")])
def test_what_fails_while_they_are_led_is_not_taken_for_a_lock(file: AgentFile, error: OSError) -> None:
    with pytest.raises(type(error), match="of a "), owned(file):
        raise error
