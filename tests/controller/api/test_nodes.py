"""Over real sockets: who may close the contactor of a tripped node, and what the status says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core.limits.contactors import ContactorState, Over, Phase, Trip
from controller.core.modes import Mode
from controller.core.snapshot import ContactorNow, Position
from controller.daemon.journal.journal import RecordKind
from tests.controller.north import make_decision

TRIP = Trip(
    id="feeder@1",
    node=1,
    over=Over(cause="rating:feeder", power_w=72e3, limit_w=60e3, for_s=61.0),
    at_utc_s=1_795_000_000.0,
)
OPEN = ContactorState(
    node=1, phase=Phase.TRIPPED, since_s=900.0, trip=TRIP, proven_s=905.0, now=ContactorNow(position=Position.OPEN)
)
BODY = {"reason": "welded contactor of row 3 replaced"}
PATH = "/api/v1/nodes/feeder/reset"


@pytest.fixture
def tripped(running):
    running.world.decision = replace(make_decision(), contactors=(OPEN,))
    return running


def records(running):
    return [record.body for record in running.journal.records(RecordKind.TRIP_RESET)]


def test_an_operator_resets_a_node_with_a_reason(tripped):
    with tripped.client("operator") as http:
        answer = http.post(PATH, json=BODY)
        again = http.post(PATH, json=BODY)
    assert (answer.status_code, answer.json()) == (200, {"node": "feeder", "trip": "feeder@1", "again": False})
    assert (again.status_code, again.json()["again"]) == (200, True)
    assert records(tripped) == [{"node": "feeder", "trip": "feeder@1", "by": "operator", "reason": BODY["reason"]}]


@pytest.mark.parametrize(("name", "status"), [(None, 401), ("nobody", 401), ("viewer", 403), ("authority", 403)])
def test_nobody_else_does(tripped, name, status):
    with tripped.client(name) as http:
        assert http.post(PATH, json=BODY).status_code == status
    assert records(tripped) == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"reason": ""}', b'{"reason": 1}', b'{"reason": "x", "force": true}'], ids=str
)
def test_without_a_reason_nothing_changes(tripped, body):
    with tripped.client("operator") as http:
        answer = http.post(PATH, content=body)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (422, "invalid")
    assert records(tripped) == []
    assert tripped.world.refused == ["invalid"]


@pytest.mark.parametrize(
    ("path", "changes", "status", "code"),
    [
        ("/api/v1/nodes/moon/reset", {}, 404, "reset_node_unknown"),
        ("/api/v1/nodes/pcc/reset", {}, 404, "reset_without_contactor"),
        (PATH, {"mode": Mode.HOLD}, 409, "reset_in_doubt"),
        (PATH, {"contactors": (replace(OPEN, phase=Phase.CLOSED, now=ContactorNow(position=Position.CLOSED)),)}, 409, "reset_not_open"),
    ],
)  # fmt: skip
def test_what_is_refused_says_why_and_changes_nothing(tripped, path, changes, status, code):
    tripped.world.decision = replace(tripped.world.decision, **changes)
    with tripped.client("operator") as http:
        answer = http.post(path, json=BODY)
    error = answer.json()["error"]
    assert (answer.status_code, error["reason"]) == (status, code)
    assert error["details"][0]
    assert tripped.world.refused == [code]
    assert records(tripped) == []


def test_without_the_disk_it_is_refused(tripped):
    tripped.journal.close()
    with tripped.client("operator") as http:
        answer = http.post(PATH, json=BODY)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (503, "journal_unusable")


def test_the_status_says_what_is_tripped_since_when_and_why(tripped):
    with tripped.client("viewer") as http:
        nodes = http.get("/api/v1/status").json()["nodes"]
    assert nodes["pcc"]["contactor"] is None
    assert nodes["feeder"]["contactor"] == {
        "state": "tripped", "position": "open", "fault": "", "proven_open": True, "void": None,
        "trip": {
            "id": "feeder@1", "since": "2026-11-18T11:06:40Z", "cause": "rating:feeder", "power_w": 72e3, "limit_w": 60e3,
            "for_s": 61.0,
        },
    }  # fmt: skip


def test_a_position_that_is_not_known_is_none(tripped):
    now = ContactorNow(position=Position.UNKNOWN, fault="10.0.0.9: no answer")
    tripped.world.decision = replace(make_decision(), contactors=(replace(OPEN, now=now, trip=None),))
    with tripped.client("viewer") as http:
        shown = http.get("/api/v1/status").json()["nodes"]["feeder"]["contactor"]
    assert (shown["position"], shown["fault"], shown["trip"]) == (None, "10.0.0.9: no answer", None)
