"""``surplusd meter confirm`` against a real HTTP interface: what it says, and how it ends."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from controller.cli import main
from controller.daemon.journal.journal import RecordKind
from tests.controller.api.conftest import server_at
from tests.controller.api.test_meters import WAITS
from tests.controller.north import make_decision


@pytest.fixture
def daemon(tmp_path):
    with server_at(tmp_path / "journal.db") as running:
        running.world.decision = replace(make_decision(), sources=WAITS)
        (tmp_path / "operator.token").write_text("operator-secret\n")
        yield running, ["--url", running.url, "--token-file", str(tmp_path / "operator.token")]


def confirm(options, meter="main", *more):
    return main(["meter", "confirm", meter, "--reason", "clamp meter shows the same", *options, *more])


def test_a_word_is_on_record_with_name_and_reason(daemon, capsys):
    running, options = daemon
    assert confirm(options, "main", "--by", "Ali") == 0
    assert "meter main is confirmed by Ali; this is on record" in capsys.readouterr().out
    (record,) = running.journal.records(RecordKind.METER_CONFIRMED)
    assert (record.body["by"], record.body["reason"]) == ("Ali", "clamp meter shows the same")
    assert confirm(options) == 0
    assert "Ali has confirmed meter main already" in capsys.readouterr().out
    assert confirm(options, "main", "--json") == 0
    assert json.loads(capsys.readouterr().out)["again"]


def test_a_meter_that_waits_for_nobody_is_refused_with_the_code_of_the_manual(daemon, capsys):
    running, options = daemon
    running.world.decision = make_decision()
    assert confirm(options) == 1
    assert "refused (confirm_not_awaited): meter main does not wait for a person" in capsys.readouterr().err
    assert confirm(options, "mo/on") == 1
    assert capsys.readouterr().err.startswith("refused (")
