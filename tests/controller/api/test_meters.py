"""Over real sockets: who may confirm a meter, which one, and what is on record of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core.reasons import Code, Reason
from controller.daemon.journal.journal import RecordKind
from tests.controller.north import make_decision

WAITS = {"main": (Reason(Code.METER_UNCONFIRMED, "main", {"other": "check"}),)}
BODY = {"by": "Ali", "reason": "clamp meter shows 81 kW"}
PATH = "/api/v1/meters/main/confirm"


@pytest.fixture
def waiting(running):
    running.world.decision = replace(make_decision(), sources=WAITS)
    return running


def records(running):
    return [record.body for record in running.journal.records(RecordKind.METER_CONFIRMED)]


def test_an_operator_confirms_a_meter_that_waits_for_a_person(waiting):
    with waiting.client("operator") as http:
        answer = http.post(PATH, json=BODY)
        again = http.post(PATH, json=BODY | {"by": "Sara"})
    assert (answer.status_code, answer.json()) == (200, {"meter": "main", "by": "Ali", "again": False})
    assert again.json() == {"meter": "main", "by": "Ali", "again": True}
    read_as = {"read_as": {"main": ""}}
    assert records(waiting) == [BODY | {"meter": "main", "token": "operator", "under_w": {"main": 1500.0}} | read_as]


def test_without_a_name_it_is_that_of_the_token(waiting):
    with waiting.client("operator") as http:
        assert http.post(PATH, json={"reason": "clamp meter"}).json()["by"] == "operator"


@pytest.mark.parametrize(("name", "status"), [(None, 401), ("nobody", 401), ("viewer", 403), ("authority", 403)])
def test_nobody_else_does(waiting, name, status):
    with waiting.client(name) as http:
        assert http.post(PATH, json=BODY).status_code == status
    assert records(waiting) == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"by": "Ali"}', b'{"reason": ""}', b'{"reason": "x", "by": " "}', b'{"reason": "x", "force": true}'], ids=str
)  # fmt: skip
def test_without_a_reason_nothing_changes(waiting, body):
    with waiting.client("operator") as http:
        answer = http.post(PATH, content=body)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (422, "invalid")
    assert records(waiting) == []


@pytest.mark.parametrize(
    ("path", "sources", "status", "code"),
    [
        ("/api/v1/meters/moon/confirm", WAITS, 404, "confirm_meter_unknown"),
        ("/api/v1/meters/surplus/confirm", WAITS, 404, "confirm_meter_unknown"),
        (PATH, {}, 409, "confirm_not_awaited"),
        (PATH, {"main": (Reason(Code.METER_UNPROVEN, "main", {"other": "check", "step_w": 9e3}),)}, 409, "confirm_not_awaited"),
    ],
)  # fmt: skip
def test_what_is_refused_says_why_and_changes_nothing(waiting, path, sources, status, code):
    waiting.world.decision = replace(waiting.world.decision, sources=sources)
    with waiting.client("operator") as http:
        answer = http.post(path, json=BODY)
    error = answer.json()["error"]
    assert (answer.status_code, error["reason"]) == (status, code)
    assert error["details"][0]
    assert waiting.world.refused == [code]
    assert records(waiting) == []


def test_without_the_disk_it_is_refused(waiting):
    waiting.journal.close()
    with waiting.client("operator") as http:
        answer = http.post(PATH, json=BODY)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (503, "journal_unusable")
