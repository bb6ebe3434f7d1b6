"""Words that others have typed, or that another machine has sent, only say something in a terminal, whatever verb shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from controller.cli import main
from controller.commands.daemon_client import DaemonClient
from controller.core.limits.orders import Compliance
from controller.core.reasons import Code, Reason
from controller.daemon.reload.desk import ReloadAnswer
from tests.controller.api.conftest import server_at
from tests.controller.api.test_orders import kept

#: Clears the screen, names the window, turns the direction, and begins a line of its own.
TYPED = "Ali\x1b[2J\x1b]0;owned\x07\u202e\nrefused (forged): all is well"
#: What a verb goes by, and what is no word.
_PLAIN = frozenset({"state", "code", "mode", "binding", "envelope_w", "outcome", "compliance", "kind", "utc", "event"})


@pytest.fixture
def verb(tmp_path, capsys):
    """Runs a verb as somebody of a role, and returns all that it has said."""
    with server_at(tmp_path / "journal.db") as running:
        for role in ("viewer", "operator", "authority"):
            (tmp_path / f"{role}.token").write_text(f"{role}-secret\n")

        def run(*words: str, by: str = "operator") -> str:
            main([*words, "--url", running.url, "--token-file", str(tmp_path / f"{by}.token")])
            said = capsys.readouterr()
            return said.out + said.err

        run.running = running
        yield run


def worded(answer: Any, key: str = "") -> Any:
    """Return an answer with the hostile words in every text that is one."""
    if isinstance(answer, dict):
        return {name: worded(value, name) for name, value in answer.items()}
    if isinstance(answer, list):
        return [worded(value, key) for value in answer]
    is_word = isinstance(answer, str) and key not in _PLAIN and not key.endswith(("_at", "since"))
    return f"{answer}{TYPED}" if is_word else answer


LOCK = ("lock", "feeder", "--by", "Ali", "--reason", "new busbar", "--wait", "0.1")
VERBS = [
    (("status",), "viewer"),
    (("top", "--looks", "1"), "viewer"),
    (LOCK, "operator"),
    (("unlock", "feeder", "--by", "Sara", "--of", "Ali"), "operator"),
    (("unlock", "feeder", "--by", "Ali"), "operator"),
    (("unlock", "moon", "--by", "Ali"), "operator"),
    (("locks", "confirm", "--by", "Omar", "--reason", "asked"), "operator"),
    (("order", "send", "o-2", "--limit", "1 kW"), "authority"),
    (("order", "send", "o-3", "--limit", "9 MW"), "authority"),
    (("order", "list", "--all"), "viewer"),
    (("order", "show", "o-1"), "viewer"),
    (("order", "release", "o-1"), "authority"),
    (("reload",), "operator"),
    (("meter", "confirm", "main", "--reason", "compared"), "operator"),
    (("journal", "show"), "viewer"),
]


@pytest.mark.parametrize(("words", "by"), VERBS, ids=lambda each: " ".join(each) if isinstance(each, tuple) else each)
def test_a_terminal_obeys_nothing_of_what_the_daemon_tells(verb, monkeypatch, words, by):
    verb("order", "send", "o-1", "--limit", "40 kW", by="authority")
    verb(*LOCK)
    silent = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3})
    kept(verb.running, 50e3, Compliance.NOT_MET, warnings=(silent,))
    verb.running.world.reloads.answer = ReloadAnswer(taken=("grid.contract",), waiting=("fleet.lease",))
    real: Callable[..., Any] = DaemonClient.get

    def hostile(*of: Any) -> Any:
        answer = real(*of)
        return type(answer)(answer.status, worded(answer.body))

    monkeypatch.setattr(DaemonClient, "get", hostile)
    said = verb(*words, by=by)
    assert "Ali" in said
    assert all(line.isprintable() for line in said.splitlines())
    assert not [line for line in said.splitlines() if line.startswith("refused (forged)")]


def test_events_say_what_was_typed_and_no_more(verb, monkeypatch):
    verb("lock", "feeder", "--by", "Ali", "--reason", TYPED, "--wait", "0.1")
    ended = []

    def one_by_one(event: Any, **how: Any) -> None:
        real(event, **how)
        ended.append(event)
        if event.name == "lock":
            raise KeyboardInterrupt

    from controller.commands import events

    real = events._show
    monkeypatch.setattr(events, "_show", one_by_one)
    said = verb("events", "--after", f"{verb.running.journal.id}.0.00000000.1", by="viewer")
    assert "owned" in said
    assert all(line.isprintable() for line in said.splitlines())


def test_a_refused_stream_is_told_as_it_is(verb, monkeypatch, tmp_path, capsys):
    (tmp_path / "wrong.token").write_text("nobody\n")
    monkeypatch.setattr("controller.api.auth.principal_of", lambda *_: None)
    assert main(["events", "--url", verb.running.url, "--token-file", str(tmp_path / "wrong.token")]) == 1
    assert all(line.isprintable() for line in capsys.readouterr().err.splitlines())
