"""The page `agent.md` is true: every command in it is run, against miners on real sockets, and says what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.cli import main
from tests.controller.agent.halls import Hall, hall_of
from tests.controller.agent.test_verbs import lead

PAGE = Path(__file__).parents[3] / "docs/agent.md"


def steps() -> list[tuple[str, list[str]]]:
    """Every command of the page with the lines that it shows as its output."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE):
        command, *lines = block.splitlines()
        found.append((command.removeprefix("$ surplusd "), lines))
    return found


def like_the_page(said: str, hall: Hall) -> list[list[str]]:
    """The words of each line, with the page's addresses and folder."""
    for number, server in enumerate(hall.servers.values(), start=17):
        said = said.replace(f"127.0.0.1, port: {server.port},", f"10.0.1.{number},")
    said = said.replace("luxos-127-0-0-1", "luxos-10-0-1-17", 1).replace("luxos-127-0-0-1", "luxos-10-0-1-18", 1)
    return [line.split() for line in said.replace(f"{hall.folder}/", "").splitlines()]


def test_every_command_of_the_page_does_what_the_page_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tried = []
    with hall_of(tmp_path, 2) as hall:
        raw = hall.raw() | {"agent": "hall-a"}
        path = hall.write(raw)
        (hall.folder / "keys" / "hall-a.key").unlink(missing_ok=True)
        for words, shown in steps():
            argv = words.replace("hall-a.yaml", str(path)).split()
            if argv[:2] == ["agent", "scan"]:
                argv[2:] = ["127.0.0.1/32", *(f"--port={server.port}" for server in hall.servers.values())]
            if argv[:2] == ["agent", "release"]:
                lead(path, 0)
            assert main(argv) == 0, words
            assert like_the_page(capsys.readouterr().out, hall) == [line.split() for line in shown], words
            tried.append(argv[1])
    assert tried == ["scan", "keys", "check", "release"]
