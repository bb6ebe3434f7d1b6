"""A reload over HTTP: who may ask for it, what is answered, and that tokens count from the moment they are taken over."""

import hashlib
from dataclasses import replace

import pytest

from controller.core.reasons import Code, Reason
from controller.daemon.access import Role, Token
from controller.daemon.reload.desk import ReloadAnswer, ReloadRefused


def test_an_operator_reloads_and_is_told_what_counts_and_what_waits(running):
    running.world.reloads.answer = ReloadAnswer(taken=("grid.contract",), waiting=("mqtt.host",))
    with running.client("operator") as operator:
        answer = operator.post("/api/v1/reload")
    assert (answer.status_code, answer.json()) == (200, {"taken": ["grid.contract"], "waiting": ["mqtt.host"]})
    assert running.world.reloads.asked == ["operator"]


@pytest.mark.parametrize(("who", "status"), [("authority", 403), ("viewer", 403), (None, 401)])
def test_nobody_else_does(running, who, status):
    with running.client(who) as client:
        assert client.post("/api/v1/reload").status_code == status
    assert running.world.reloads.asked == []


@pytest.mark.parametrize(
    ("refusal", "status", "word"),
    [
        (ReloadRefused("a: found 1\nb: found 2", in_file=True), 422, "site_file_wrong"),
        (ReloadRefused("it cannot be kept: read-only", in_file=False), 503, "not_taken"),
        (TimeoutError(), 503, "tick_stands"),
    ],
)
def test_a_refusal_says_all_that_is_wrong(running, refusal, status, word):
    running.world.reloads.answer = refusal
    with running.client("operator") as operator:
        answer = operator.post("/api/v1/reload")
    error = answer.json()["error"]
    assert (answer.status_code, error["reason"]) == (status, word)
    assert error["details"] == list(getattr(refusal, "lines", error["details"]))
    assert error["details"]
    assert running.world.refused == [word]


def test_the_status_says_that_the_site_file_is_not_what_runs(running):
    with running.client("viewer") as viewer:
        assert viewer.get("/api/v1/status").json()["site_file_doubt"] == ""
        running.world.reloads.reason = Reason(Code.SITE_FILE_NOT_TAKEN, "pcc", {"why": "it is wrong: x"})
        status = viewer.get("/api/v1/status").json()
    assert status["site_file_doubt"] == "the site file is not what runs: it is wrong: x"
    assert [reason["code"] for reason in status["site_file_reasons"]] == ["site_file_not_taken"]


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def test_tokens_count_and_cease_to_count_from_the_moment_they_are_replaced(running):
    """On a connection that is open, too."""
    kept = [token for token in running.tokens if token.role is not Role.VIEWER]
    guest = Token(name="guest", role=Role.VIEWER, sha256=digest("guest-secret"))
    with running.client("viewer") as viewer, running.client("guest") as new:
        assert (viewer.get("/api/v1/status").status_code, new.get("/api/v1/status").status_code) == (200, 401)
        running.tokens.replace([*kept, guest])
        assert (viewer.get("/api/v1/status").status_code, new.get("/api/v1/status").status_code) == (401, 200)
        running.tokens.replace([*kept, replace(guest, sha256=digest("another"))])
        assert new.get("/api/v1/status").status_code == 401
