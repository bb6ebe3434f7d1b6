"""Locks, stop and resume over HTTP: who may, what is answered, and what stands in the status."""

import threading
from dataclasses import replace

import httpx
import pytest

from controller.core.limits.locked import LockNow
from tests.controller.north import make_decision
from tests.waiting import DEADLINE_S, until

LOCK = {"subject": "feeder", "by": "Ali", "reason": "new busbar"}


@pytest.fixture
def operator(running):
    with running.client("operator") as client:
        yield client


def test_an_operator_locks_and_the_same_person_lifts(running, operator):
    answer = operator.post("/api/v1/locks", json=LOCK).json()
    assert (answer["again"], answer["lock"]["durable"], answer["lock"]["unproven"]) == (False, True, None)
    now = LockNow(id="feeder by Ali", devices=2, unproven=1, most_w=3500.0)
    running.world.decision = replace(make_decision(), locks=(now,))
    with running.client("viewer") as viewer:
        listed = viewer.get("/api/v1/locks").json()
        assert viewer.get("/api/v1/status").json()["locks"] == listed["locks"]
    assert listed["stopped"] is False
    (lock,) = listed["locks"]
    assert (lock["subject"], lock["by"], lock["devices"], lock["unproven"], lock["most_w"]) == (
        "feeder", "Ali", 2, 1, 3500.0
    )  # fmt: skip
    lifted = operator.post("/api/v1/locks/lift", json={"subject": "feeder", "by": "Ali"}).json()
    assert lifted == {"subject": "feeder", "of": "Ali", "lifted": True, "agreed": []}
    assert operator.get("/api/v1/locks").json()["locks"] == []


def test_while_answers_wait_for_the_disk_every_lock_counts_at_once_and_so_does_a_stop(running, monkeypatch):
    for where in ("daemon.people.locks", "daemon.people.stop", "api.people"):
        monkeypatch.setattr(f"controller.{where}.STORED_S", DEADLINE_S, raising=False)
    disk, store = threading.Event(), running.journal._storage.append
    monkeypatch.setattr(running.journal._storage, "append", lambda lines: disk.wait(DEADLINE_S) and store(lines))

    def post(path: str, body: dict[str, str]) -> None:
        with running.client("operator") as http:
            http.post(f"/api/v1/{path}", json=body)

    flood = [threading.Thread(target=post, args=("locks", LOCK | {"by": f"worker {k}"})) for k in range(30)]
    stop = threading.Thread(target=post, args=("stop", {"reason": "fire"}))
    for sender in flood:
        sender.start()
    with running.client("viewer") as viewer:

        def listed() -> dict[str, object]:
            return viewer.get("/api/v1/locks").json()

        try:
            until(lambda: len(listed()["locks"]) == 30, "all locks count, and wait for their answers", 20.0, look_s=0.1)
            stop.start()
            until(lambda: listed()["stopped"], "the site is stopped", 20.0, look_s=0.1)
        finally:
            disk.set()
    for sender in (*flood, stop):
        sender.join(DEADLINE_S)


def test_the_lock_of_another_person_takes_two_operators(operator):
    operator.post("/api/v1/locks", json=LOCK)
    answer = operator.post("/api/v1/locks/lift", json={"subject": "feeder", "by": "Sara", "of": "Ali"}).json()
    assert (answer["lifted"], answer["agreed"]) == (False, ["Sara"])
    assert operator.get("/api/v1/locks").json()["locks"]


@pytest.mark.parametrize("name", ["viewer", "authority", None])
@pytest.mark.parametrize("path", ["locks", "locks/lift", "locks/statement", "stop", "resume"])
def test_only_operators_may(running, name, path):
    with running.client(name) as client:
        answer = client.post(f"/api/v1/{path}", json=LOCK)
    assert answer.status_code == (403 if name else 401)


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("locks", LOCK | {"subject": "moon"}, 404, "no device and no node"),
        ("locks", LOCK | {"by": " "}, 422, "by"),
        *(
            ("locks", LOCK | {"by": name}, 422, "by")
            for name in ("Ali\x85", "\ufeffAli", "\x1fAli", "A\u2028i", "A\ri")
        ),
        ("locks", LOCK | {"until": "noon"}, 422, "until"),
        ("locks/lift", {"subject": "feeder", "by": "Ali"}, 404, "nobody"),
        ("locks/statement", {"reason": "asked both halls"}, 422, "by"),
        ("locks/statement", {"by": "Omar"}, 422, "reason"),
        ("stop", {}, 422, "reason"),
        ("resume", {"reason": ""}, 422, "reason"),
    ],
)
def test_a_wrong_request_is_answered_with_what_is_wrong(operator, path, body, status, word):
    answer: httpx.Response = operator.post(f"/api/v1/{path}", json=body)
    assert answer.status_code == status
    assert word in " ".join(answer.json()["error"]["details"])


@pytest.mark.parametrize(
    "address", ["metrics?page=%2B0.0", "metrics?page=1_0", "api/v1/journal?after=1.0", "api/v1/journal?limit=%201"]
)
def test_a_whole_number_is_digits_alone(operator, address):
    answer: httpx.Response = operator.get(f"/{address}")
    assert answer.status_code == 422
    assert "a whole number" in answer.text


def test_a_site_is_stopped_and_resumed(operator):
    assert operator.post("/api/v1/stop", json={"reason": "fire"}).json() == {
        "stopped": True, "durable": True, "again": False
    }  # fmt: skip
    assert operator.get("/api/v1/locks").json()["stopped"] is True
    assert operator.post("/api/v1/resume", json={"reason": "out"}).json()["stopped"] is False
    assert operator.post("/api/v1/resume", json={"reason": "out"}).json()["again"] is True


def test_an_operator_states_that_what_is_locked_is_all_and_all_see_it_until_then(running, operator):
    running.world.lock_certainty.learn("doubt", {"why": "a row is gone", "epoch": 3})
    running.journal.begin_epoch(3)
    operator.post("/api/v1/locks", json=LOCK)
    with running.client("viewer") as viewer:
        assert "locks of people at work may be missing" in viewer.get("/api/v1/locks").json()["doubt"]
        answer = operator.post("/api/v1/locks/statement", json={"by": "Omar", "reason": "asked both halls"})
        listed = viewer.get("/api/v1/locks").json()
    assert (answer.status_code, answer.json()) == (200, listed)
    assert (listed["doubt"], [lock["subject"] for lock in listed["locks"]]) == (None, ["feeder"])


def test_a_statement_of_locks_that_does_not_count_is_no_success(running, operator):
    running.world.lock_certainty.learn("doubt", {"why": "a row is gone", "epoch": 2**60})
    answer = operator.post("/api/v1/locks/statement", json={"by": "Omar", "reason": "asked both halls"})
    assert (answer.status_code, answer.json()["error"]["reason"]) == (409, "locks_may_be_missing")
    assert operator.get("/api/v1/locks").json()["doubt"]


def test_without_the_disk_a_statement_of_locks_counts_for_nothing(running, operator):
    running.world.lock_certainty.learn("doubt", {"why": "a row is gone", "epoch": 3})
    running.journal.begin_epoch(3)
    running.journal.close()
    answer = operator.post("/api/v1/locks/statement", json={"by": "Omar", "reason": "asked both halls"})
    assert answer.status_code == 503
    assert operator.get("/api/v1/locks").json()["doubt"]
