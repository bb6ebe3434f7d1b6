"""``surplusd reload`` against a real HTTP interface."""

from __future__ import annotations

import json

import pytest

from controller.cli import main
from controller.daemon.reload.desk import ReloadAnswer, ReloadRefused
from tests.controller.api.conftest import server_at


@pytest.fixture
def reload(tmp_path, capsys):
    """Has the daemon answer in some way, and returns the exit status of the verb and the lines that it has printed."""
    with server_at(tmp_path / "journal.db") as running:
        (tmp_path / "operator.token").write_text("operator-secret\n")

        def run(answer, *words: str):
            running.world.reloads.answer = answer
            where = ["--url", running.url, "--token-file", str(tmp_path / "operator.token")]
            status = main(["reload", *where, *words])
            said = capsys.readouterr()
            return status, (said.out + said.err).splitlines()

        yield run


def test_it_tells_what_counts_and_is_not_good_while_something_waits(reload):
    both = ReloadAnswer(taken=("grid.contract",), waiting=("mqtt.host",))
    assert reload(both) == (1, ["taken: grid.contract", "waits for a restart: mqtt.host"])
    assert reload(ReloadAnswer(taken=("grid.contract",), waiting=())) == (0, ["taken: grid.contract"])
    assert reload(ReloadAnswer(taken=(), waiting=())) == (0, ["the site file says what runs already"])
    status, lines = reload(both, "--json")
    assert (status, json.loads("".join(lines))) == (1, {"taken": ["grid.contract"], "waiting": ["mqtt.host"]})


def test_a_refusal_is_told(reload):
    status, (line,) = reload(ReloadRefused("site.yaml:3:1: grid.contract: found 1", in_file=True))
    assert status == 1
    assert "site.yaml:3:1: grid.contract: found 1" in line
