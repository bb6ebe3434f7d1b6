"""``surplusd doctor`` and ``surplusd journal show|export`` over a real server."""

from __future__ import annotations

import hashlib
import itertools
import json

import pytest

from controller import cli
from controller.daemon.journal.journal import RecordKind
from tests.controller.api.conftest import server_at
from tests.controller.api.page.serving import page_in


@pytest.fixture
def token(tmp_path):
    path = tmp_path / "viewer.token"
    path.write_text("viewer-secret\n")
    path.chmod(0o600)
    return str(path)


def test_a_site_that_is_well_is_said_to_be(tmp_path, token, capsys):
    with page_in("normal", tmp_path) as (url, _):
        assert cli.main(["doctor", "--url", url, "--token-file", token]) == 0
    assert capsys.readouterr().out == "nothing is wrong\n"


def test_each_finding_is_said_once_with_what_to_do(tmp_path, token, capsys):
    with page_in("failsafe", tmp_path) as (url, _):
        assert cli.main(["doctor", "--url", url, "--token-file", token]) == 1
        assert cli.main(["doctor", "--url", url, "--token-file", token, "--json"]) == 1
    said, _, found = capsys.readouterr().out.partition("{")
    assert said.startswith("3 found")
    assert said.count("pcc-main is not read") == 1
    assert "Bring back one meter" in said
    findings = json.loads("{" + found)["findings"]
    assert [each["about"] for each in findings] == ["site", "meters", "meters"]
    assert all(each["remedy"] for each in findings)


def test_a_daemon_that_does_not_answer_and_a_file_that_is_not_there_are_findings(tmp_path, capsys):
    assert cli.main(["doctor", "--site", str(tmp_path / "site.yaml")]) == 1
    said = capsys.readouterr().out
    assert said.startswith("2 found")
    assert "site file: " in said
    assert "systemctl status surplusd" in said


def asked(capsys, url, token, *words):
    assert cli.main(["journal", *words, "--url", url, "--token-file", token]) == 0
    return capsys.readouterr().out.splitlines()


def test_records_are_shown_and_exported_whole_over_more_than_one_answer(tmp_path, token, capsys, monkeypatch):
    monkeypatch.setattr("controller.commands.records._AT_ONCE", 3)
    with server_at(tmp_path / "journal.db") as running:
        for number in range(8):
            running.journal.append(RecordKind.STOP, {"by": "ops", "reason": f"drill {number}"})
        running.journal.append(RecordKind.MODE, {"mode": "hold", "reasons": [{"code": "link_down", "subject": "pcc"}]})
        shown = asked(capsys, running.url, token, "show", "--last", "2")
        kinds = asked(capsys, running.url, token, "show", "--kind", "mode")
        exported = asked(capsys, running.url, token, "export")
        newer = asked(capsys, running.url, token, "export", "--after", "8")
    assert [line.split()[0] for line in shown] == ["8", "9"]
    assert "reason=drill 7" in shown[0]
    assert "mode=hold reasons=link_down" in shown[1]
    assert kinds == shown[1:]
    assert newer == exported[-1:]
    records = [json.loads(line) for line in exported]
    assert [record["seq"] for record in records] == list(range(1, 10))
    assert all(one["hash"] == two["prev_hash"] for one, two in itertools.pairwise(records))
    assert len(records[0]["hash"]) == len(hashlib.sha256().hexdigest())


def test_without_a_token_no_record_is_shown(tmp_path):
    with server_at(tmp_path / "journal.db") as running, running.client(None) as http:
        assert http.get("/api/v1/journal").status_code == 401
        with running.client("viewer") as viewer:
            assert viewer.get("/api/v1/journal").json() == {"newest": 0, "records": []}
            assert viewer.get("/api/v1/journal?limit=1001").status_code == 422
