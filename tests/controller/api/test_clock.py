"""``/api/v1/clock``: what is told of the wall clock, and who vouches for it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from controller.core.reasons import Code
from controller.daemon.clock.desk import TYPED_S
from controller.daemon.journal.journal import RecordKind


def at(utc_s: float) -> str:
    return datetime.fromtimestamp(utc_s, UTC).isoformat()


def show_the_real_clock(running) -> None:
    running.world.utc = running.world.machine.clock.utc


def test_everybody_with_a_token_sees_what_it_is_worth(running):
    running.world.machine.go(60.0, stepped_s=3600.0)
    show_the_real_clock(running)
    with running.client("viewer") as http:
        told = http.get("/api/v1/clock").json()
    assert (told["trusted"], told["code"], told["vouched_by"]) == (False, "clock_apart", "surplusd init")
    assert (told["apart_s"], told["vouched_s"]) == pytest.approx((3600.0, 60.0))
    assert told["tolerance_s"] == pytest.approx(2.006)
    assert "is +3600.0 s off" in told["doubt"]
    with running.client(None) as http:
        assert http.get("/api/v1/clock").status_code == 401


def test_an_authority_vouches_for_a_step_that_was_right_and_it_is_on_record(running):
    machine = running.world.machine
    machine.go(60.0, stepped_s=3600.0)
    said = {"utc": at(machine.wall_s - 20.0), "reason": "compared with the radio clock"}
    with running.client() as http:
        told = http.post("/api/v1/clock/confirm", json=said).json()
    assert (told["trusted"], told["vouched_by"], told["apart_s"]) == (True, "authority", 0.0)
    assert machine.go(1.0).trusted
    assert machine.start().trusted
    (record,) = running.journal.records(RecordKind.CLOCK)
    assert record.body == {"vouched_by": "authority", "reason": said["reason"], "apart_s": 3600.0}


@pytest.mark.parametrize("role", ["operator", "viewer", None])
def test_nobody_else_may(running, role):
    said = {"utc": at(running.world.machine.wall_s), "reason": "it is right"}
    with running.client(role) as http:
        assert http.post("/api/v1/clock/confirm", json=said).status_code == (403 if role else 401)
    assert list(running.journal.records(RecordKind.CLOCK)) == []


@pytest.mark.parametrize("off_s", [TYPED_S + 1.0, -3600.0])
def test_a_clock_that_is_not_as_stated_is_not_vouched_for(running, off_s):
    machine = running.world.machine
    machine.go(1.0, stepped_s=off_s)
    with running.client() as http:
        refusal = http.post("/api/v1/clock/confirm", json={"utc": at(machine.true_s), "reason": "radio clock"})
    assert refusal.status_code == 409
    assert f"{off_s:+.1f} s off the time that you state" in refusal.json()["error"]["details"][0]
    assert running.world.refused == ["clock_not_as_stated"]
    assert machine.clock.utc.vouched_by == "surplusd init"


@pytest.mark.parametrize(
    "body",
    [{}, {"utc": "now", "reason": "x"}, {"utc": "2026-11-21T18:00:00", "reason": "x"}, {"utc": at(0), "reason": ""}],
)
def test_what_is_no_confirmation_is_refused(running, body):
    with running.client() as http:
        refusal = http.post("/api/v1/clock/confirm", json=body)
    assert (refusal.status_code, refusal.json()["error"]["reason"]) == (422, "invalid")


def test_a_word_that_cannot_be_kept_is_refused(running, monkeypatch):
    def full(_):
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(running.world.machine.file, "write", full)
    with running.client() as http:
        said = {"utc": at(running.world.machine.wall_s), "reason": "x"}
        refusal = http.post("/api/v1/clock/confirm", json=said)
    assert (refusal.status_code, refusal.json()["error"]["reason"]) == (503, "journal_unusable")
    assert "no space left" in refusal.json()["error"]["details"][0]


def test_the_listing_says_which_ends_wait(running):
    with running.client() as http:
        for order in ({"id": "ends", "ends_at": "2030-01-01T00:00:00Z"}, {"id": "stays"}):
            assert http.post("/api/v1/orders", json={"limit_w": 40e3} | order).status_code == 200
        assert [order["end_waits"] for order in http.get("/api/v1/orders").json()["orders"]] == [None, None]
        running.world.machine.go(1.0, stepped_s=3600.0)
        show_the_real_clock(running)
        ends, stays = (order["end_waits"] for order in http.get("/api/v1/orders").json()["orders"])
    assert "+3600.0 s off" in ends
    assert stays is None


def test_an_order_that_says_when_it_was_sent_vouches_for_the_clock(running):
    machine = running.world.machine
    machine.go(60.0, stepped_s=3600.0)
    assert machine.clock.utc.doubt.code is Code.CLOCK_APART
    with running.client() as http:
        answer = http.post("/api/v1/orders", json={"id": "o", "limit_w": 40e3, "sent_at": at(machine.wall_s - 0.2)})
    assert answer.status_code == 200
    machine.go(1.0)
    assert machine.go(60.0).trusted
    assert machine.clock.utc.vouched_by == "authority"
