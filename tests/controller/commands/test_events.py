"""``surplusd events`` against a real HTTP interface."""

import json
import threading
from contextlib import closing

import pytest

from controller.cli import main
from controller.commands import events, following
from controller.commands.daemon_client import DaemonClient
from controller.commands.events import _in_words
from controller.commands.following import Happening, follow
from controller.core.modes import Mode
from controller.daemon.events.event import EventName
from drivers.errors import ConfigError
from tests.controller.api.conftest import server_at


@pytest.fixture
def running(tmp_path):
    with server_at(tmp_path / "journal.db") as running:
        yield running


def client(running, role="viewer"):
    return DaemonClient(running.url, f"{role}-secret")


def test_what_happens_is_yielded_the_present_state_first_and_goes_on_after_an_id(running):
    with closing(follow(client(running))) as events:
        assert next(events).name == "state"
        running.feed.tell(EventName.HEAD, {"head": "1"})
        first = next(events)
    running.feed.tell(EventName.HEAD, {"head": "2"})
    with closing(follow(client(running), first.id)) as events:
        assert next(events).data["missed"] is None
        assert next(events).data["head"] == "2"


def test_it_ends_when_its_time_is_over(running):
    assert [event.name for event in follow(client(running), within_s=0.3)] == ["state"]


def test_a_refusal_and_a_silent_daemon_are_errors(running, monkeypatch):
    with pytest.raises(ConfigError, match="HTTP 401"):
        next(follow(client(running, "nobody")))
    monkeypatch.setattr(following, "_SILENT_S", 0.05)
    with pytest.raises(ConfigError, match="does not answer"):
        list(follow(client(running)))


def test_the_end_of_the_daemon_is_an_error(tmp_path):
    with server_at(tmp_path / "journal.db") as running:
        events = follow(client(running))
        next(events)
    with pytest.raises(ConfigError):
        list(events)


def test_the_verb_shows_it_line_by_line(running, tmp_path, capsys, monkeypatch):
    (tmp_path / "token").write_text("viewer-secret")
    seen = threading.Event()
    real = events._show
    monkeypatch.setattr(events, "_show", lambda event, **how: real(_noted(event, running, seen), **how))
    assert main(["events", "--json", "--url", running.url, "--token-file", str(tmp_path / "token")]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["state", "head"]


def _noted(event, running, seen):
    """Have something happen after the first line, and somebody interrupt it after the second."""
    if seen.is_set():
        raise KeyboardInterrupt
    if event.name == "head":
        seen.set()
    running.feed.tell(EventName.HEAD, {"head": event.name})
    return event


def test_in_words_the_gap_is_plain():
    status = {"site": "north", "mode": Mode.HOLD.value, "reason": "the link is down"}
    state = Happening("state", "1", {"status": status, "missed": "changes", "missed_because": "restarted"})
    assert _in_words(state) == "north is in hold: the link is down; MISSED changes: restarted"
    order = Happening(
        "order", "2", {"at": "T", "seq": 3, "what": "released", "id": "a", "issuer": "grid", "by": "grid"}
    )
    assert _in_words(order) == "T order released: id=a issuer=grid by=grid"
