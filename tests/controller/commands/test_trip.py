"""``surplusd trip reset`` against a real HTTP interface: what it says, and how it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.cli import main
from controller.commands.daemon_client import DaemonClient
from controller.core.limits.contactors import Phase, Void
from controller.core.modes import Mode
from controller.core.snapshot import Position
from controller.daemon.journal.journal import RecordKind
from tests.controller.api.conftest import server_at
from tests.controller.api.test_nodes import OPEN
from tests.controller.north import make_decision
from tests.controller.site.conftest import SMALL


@pytest.fixture
def daemon(tmp_path):
    """A daemon with a tripped feeder, and the site file that names its address."""
    with server_at(tmp_path / "journal.db") as running:
        running.world.decision = replace(make_decision(), contactors=(OPEN,))
        listen = running.url.removeprefix("http://")
        token = "    - {name: ops, role: operator, token_file: operator.token}\n"
        text = SMALL.replace("profiles/own.yaml", "schneider_pm5xxx").replace("mqtt:", token + "mqtt:", 1)
        (tmp_path / "site.yaml").write_text(f'{text}http: {{listen: "{listen}"}}\n')
        (tmp_path / "operator.token").write_text("operator-secret\n")
        yield running, tmp_path / "site.yaml"


def reset(path, node="feeder", *more):
    return main(["trip", "reset", node, "--reason", "welded contactor replaced", "--site", str(path), *more])


@pytest.fixture
def then(daemon, monkeypatch):
    """Return what has the daemon come to these phases once it was asked to reset; at the end the reset is `void`."""
    running, real = daemon[0], DaemonClient.ask

    def come_to(*phases, void=None):
        def ask(self, method, path, body=None):
            answer = real(self, method, path, body)
            for phase in phases:
                running.tick(contactors=(replace(OPEN, phase=phase, void=void if phase is phases[-1] else None),))
            return answer

        monkeypatch.setattr(DaemonClient, "ask", ask)

    return come_to


@pytest.mark.parametrize("last", [Phase.STARTING, Phase.CLOSED])
def test_a_reset_ends_well_once_the_contactor_was_seen_to_be_closed(daemon, then, capsys, last):
    running, path = daemon
    then(Phase.TRIPPED, Phase.CLOSING, Phase.RECLOSING, last)
    assert reset(path) == 0
    said = capsys.readouterr()
    assert "feeder is reset; this is on record" in said.out
    assert "the contactor of feeder is closed" in said.out
    assert said.err == ""
    (record,) = running.journal.records(RecordKind.TRIP_RESET)
    assert (record.body["by"], record.body["reason"]) == ("operator", "welded contactor replaced")


@pytest.mark.parametrize(
    ("phase", "void", "words"),
    [
        (Phase.CLOSING, Void.IN_DOUBT, "the site was in doubt"),
        (Phase.RECLOSING, Void.NOT_SEEN, "it was told to close, and was not seen to be closed in time"),
        (Phase.CLOSING, Void.OPEN_ABOVE, "one above it is open"),
        (Phase.RECLOSING, None, "it tripped anew"),
    ],
)
def test_one_that_is_void_ends_with_1_and_says_that_it_stays_open_and_why(daemon, then, capsys, phase, void, words):
    _, path = daemon
    then(Phase.TRIPPED, phase, Phase.TRIPPED, void=void)
    assert reset(path) == 1
    assert f"stays open: {words}" in capsys.readouterr().out


def test_one_that_was_open_without_a_trip_is_not_told_to_close_before_it_is(daemon, then, capsys):
    running, path = daemon
    found = replace(OPEN, phase=Phase.CLOSED, trip=None)
    running.world.decision = replace(make_decision(), contactors=(found,))
    then(Phase.CLOSED, Phase.CLOSING, Phase.CLOSED, void=Void.IN_DOUBT)
    assert reset(path) == 1
    assert "stays open: the site was in doubt" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("moon", ["refused (reset_node_unknown)", "there is no node 'moon'", "pcc, feeder"]),
        ("pcc", ["refused (reset_without_contactor)", "pcc has no contactor"]),
        ("fee der", ["found 'fee der'", "the id of a node"]),
    ],
)
def test_a_node_that_is_none_or_has_no_contactor_is_named(daemon, capsys, node, words):
    _, path = daemon
    assert reset(path, node) == 1
    said = capsys.readouterr().err
    assert all(word in said for word in words), said
    assert said.count("\n") == 1


def test_not_tripped_in_doubt_and_no_operator_are_refused(daemon, tmp_path, capsys):
    running, path = daemon
    closed = replace(OPEN, phase=Phase.CLOSED, trip=None, now=replace(OPEN.now, position=Position.CLOSED))
    running.world.decision = replace(make_decision(), contactors=(closed,))
    assert reset(path) == 1
    assert "refused (reset_not_open): feeder is not tripped" in capsys.readouterr().err
    running.world.decision = replace(make_decision(), mode=Mode.HOLD, contactors=(OPEN,))
    assert reset(path) == 1
    assert "the site is in hold" in capsys.readouterr().err
    (tmp_path / "viewer.token").write_text("viewer-secret")
    assert reset(path, "feeder", "--token-file", str(tmp_path / "viewer.token")) == 1
    assert "refused (forbidden): the role viewer may not; operator may" in capsys.readouterr().err
    assert list(running.journal.records(RecordKind.TRIP_RESET)) == []


def test_a_daemon_that_is_not_there_is_said_with_its_address(daemon, capsys):
    running, path = daemon
    port = running.url.rpartition(":")[2]
    path.write_text(path.read_text().replace(f":{port}", ":1"))
    assert reset(path) == 1
    assert "the daemon does not answer at 127.0.0.1:1:" in capsys.readouterr().err


def test_without_an_operators_token_file_one_has_to_be_given(daemon, capsys):
    _, path = daemon
    path.write_text(path.read_text().replace("role: operator", "role: viewer"))
    assert reset(path) == 1
    assert "--token-file: the site file names no token file of operator" in capsys.readouterr().err


def test_a_daemon_that_answers_and_says_nothing_of_the_site_is_said(daemon, monkeypatch, capsys):
    monkeypatch.setattr("controller.commands.trip.reset.follow", lambda *_, **__: (event for event in ()))
    assert reset(daemon[1]) == 1
    assert "says nothing of the site" in capsys.readouterr().err
