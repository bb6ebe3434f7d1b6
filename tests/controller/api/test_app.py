"""Over real sockets: who may do what, what each answer says, and that nothing changes where something is refused."""

import json
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.daemon.service import Health, Readiness
from controller.daemon.utc import Utc
from tests.controller.api.server import World, make_service
from tests.controller.north import make_decision
from tests.examples import examples
from tests.waiting import DEADLINE_S

ORDER = {"id": "o-1", "limit_w": 40e3}

STEPPED = Reason(Code.CLOCK_APART, "pcc", {"apart_s": 5.0, "by": "grid", "since_s": 60.0})


def error_of(answer: httpx.Response) -> dict:
    body = answer.json()
    assert set(body) == {"error"}, body
    assert set(body["error"]) == {"reason", "details", "reasons", "order"}
    return body["error"]


def test_an_order_is_accepted_listed_and_released(running):
    with running.client() as http:
        posted = http.post("/api/v1/orders", json=ORDER)
        assert posted.status_code == 200
        assert posted.json() == {
            "id": "o-1", "issuer": "authority", "revision": 1, "outcome": "accepted", "node": "pcc", "limit_w": 40e3,
            "achievable_w": 2100, "durable": True, "why": "", "reasons": [], "head": "a head",
        }  # fmt: skip
        assert [limit.limit_w for limit in running.book.limits()] == [40e3]
        (listed,) = http.get("/api/v1/orders").json()["orders"]
        assert listed["state"] == "in_force"
        assert listed["ends_at"] is None
        released = http.post("/api/v1/orders/o-1/release")
        assert released.json()["outcome"] == "released"
        assert running.book.limits() == ()
        (ended,) = http.get("/api/v1/orders").json()["orders"]
        assert (ended["state"], ended["ending"], ended["ended_by"]) == ("ended", "released", "authority")
        again = http.post("/api/v1/orders/o-1/release")
        assert (again.status_code, again.json()["why"]) == (200, "it had been released before")
    assert running.world.answered == ["order_ended_before"]


def test_a_limit_below_the_floor_is_partial_with_what_is_achievable(running):
    with running.client() as http:
        answer = http.post("/api/v1/orders", json={"id": "zero", "limit_w": 0, "node": "feeder"}).json()
    assert (answer["outcome"], answer["limit_w"], answer["achievable_w"]) == ("partial", 0, 600)
    assert answer["why"] == "feeder draws 0.6 kW with everything off"
    assert (running.world.answered, running.world.refused) == (["order_under_floor"], [])


@pytest.mark.parametrize("name", [None, "nobody"])
def test_without_a_known_token_every_call_is_401(running, name):
    with running.client(name) as http:
        for method, path in (
            ("GET", "/api/v1/status"),
            ("GET", "/api/v1/orders"),
            ("POST", "/api/v1/orders"),
            ("POST", "/api/v1/orders/o-1/release"),
        ):
            answer = http.request(method, path, json=ORDER)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert error_of(answer)["reason"] == "unauthorized"
    assert running.book.entries() == ()
    assert running.world.refused == ["unauthorized"] * 4


def test_a_viewer_sends_and_releases_nothing(running):
    with running.client() as http:
        http.post("/api/v1/orders", json=ORDER)
    with running.client("viewer") as http:
        assert error_of(http.post("/api/v1/orders", json={"id": "o-2", "limit_w": 1}))["reason"] == "forbidden"
        assert http.post("/api/v1/orders/o-1/release").status_code == 403
        assert http.get("/api/v1/orders").status_code == 200
        assert http.get("/api/v1/status").status_code == 200
    assert [entry.key.id for entry in running.book.entries()] == ["o-1"]
    assert len(running.book.limits()) == 1


@pytest.mark.parametrize("header", ["authority-secret", "Basic YTpi", "Bearer", "Bearer \u00fcml\u00e4ut"])
def test_a_malformed_authorization_is_401(running, header):
    with running.client(None) as http:
        assert http.get("/api/v1/orders", headers={"Authorization": header.encode()}).status_code == 401


def test_same_id_with_other_content_is_409_and_keeps_the_first(running):
    with running.client() as http:
        http.post("/api/v1/orders", json=ORDER)
        again = http.post("/api/v1/orders", json=ORDER | {"node": "pcc", "limit_w": 40000})
        assert (again.status_code, again.json()["outcome"]) == (200, "accepted")
        other = http.post("/api/v1/orders", json=ORDER | {"limit_w": 90e3})
    assert other.status_code == 409
    assert error_of(other)["details"] == ["id: order o-1 exists with other content, at revision 1"]
    assert running.world.refused == ["order_conflict"]
    assert [limit.limit_w for limit in running.book.limits()] == [40e3]


def test_unknown_orders_routes_and_methods_keep_the_one_error_shape(running):
    with running.client() as http:
        assert error_of(http.post("/api/v1/orders/none/release"))["reason"] == "unknown"
        assert error_of(http.get("/nowhere"))["reason"] == "not_found"
        assert error_of(http.delete("/api/v1/orders"))["reason"] == "method_not_allowed"
    assert running.world.refused == ["order_unknown", "not_found", "method_not_allowed"]


def test_a_refusal_is_counted_once_for_each_of_its_codes(running):
    with running.client() as http:
        http.post("/api/v1/orders", json={"id": 7, "limit_w": -1, "more": 1})
        http.post("/api/v1/orders", json={"id": "a", "limit_w": 1e7, "reduce_by_w": 1, "node": "moon"})
    assert running.world.refused == [
        "order_field_invalid", "order_field_unknown", "order_absurd", "order_node_unknown", "order_size_ambiguous",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ["body"]),
        (b"nonsense", ["body"]),
        (b"\xff\xfe", ["body"]),
        (b"[" * 4000, ["body"]),
        (b"[]", ["body"]),
        (b"{}", ["id"]),
        (b'{"id":"a"}', ["exactly one"]),
        (b'{"id":"a","limit_w":NaN}', ["limit_w: found NaN, allowed is a finite number"]),
        (b'{"id":"a","limit_w":1e400}', ["limit_w"]),
        (b'{"id":"a","limit_w":1e308}', ["absurd"]),
        (b'{"id":"a","limit_w":-1}', ["limit_w"]),
        (b'{"id":"a","limit_w":true}', ["limit_w"]),
        (b'{"id":"a","limit_w":"40 kW"}', ["limit_w"]),
        (b'{"id":"a","limit_w":null}', ["exactly one"]),
        (b'{"id":"a","limit_w":1,"reduce_by_w":1}', ["exactly one"]),
        (b'{"id":"a","reduce_by_w":0}', ["reduce_by_w"]),
        (b'{"id":"a","limit_w":1,"limit_w":9e4}', ["limit_w: stands twice"]),
        (b'{"id":"a","limit_kw":1}', ["limit_kw"]),
        (b'{"id":"a b","limit_w":1}', ["id"]),
        (b'{"id":"a","limit_w":1,"node":"moon"}', ["no node 'moon'"]),
        (b'{"id":"a","reduce_by_w":1,"node":"feeder"}', ["no trusted power of feeder"]),
        (b'{"id":"a","limit_w":1,"ends_at":"tomorrow"}', ['ends_at: found "tomorrow", allowed is a time by RFC 3339']),
        (b'{"id":"a","limit_w":1,"ends_at":"2030-01-01T00:00:00"}', ["RFC 3339"]),
        (b'{"id":"a","limit_w":1,"ends_at":1893456000}', ["RFC 3339"]),
        (b'{"id":"a","limit_w":1,"ends_at":"2030-13-01T00:00:00Z"}', ["RFC 3339"]),
        (b'{"id":"a","limit_w":1,"ends_at":"2020-01-01T00:00:00Z"}', ["ended already"]),
        (b'{"id":"a","limit_w":1,"starts_at":"2031-01-01T00:00:00Z","ends_at":"2030-01-01T00:00:00Z"}', ["before it starts"]),
        (b'{"id":"a","limit_w":1,"ends_at":"9999-12-31T23:59:59-14:00"}', ["between the years"]),
        (b'{"id":"a","limit_w":1,"starts_at":"0001-01-01T00:00:00+14:00"}', ["between the years"]),
        (b'{"id":"a","limit_w":1,"ramp_w_per_s":0}', ["ramp_w_per_s"]),
        (b'{"id":7,"limit_w":-1,"node":3,"more":1}', ["id:", "limit_w:", "node:", "more:"]),
        (b'{"id":"a","limit_w":1e7,"node":"moon","ends_at":"2020-01-01T00:00:00Z"}', ["moon", "absurd", "ended already"]),
    ],
)  # fmt: skip
def test_a_bad_body_is_422_with_every_reason_and_changes_nothing(untouched, body, words):
    with untouched.client() as http:
        answer = http.post("/api/v1/orders", content=body)
    assert answer.status_code == 422
    details = error_of(answer)["details"]
    for word in words:
        assert any(word in detail for detail in details), details
    assert untouched.book.entries() == ()


def test_a_long_body_is_413(running):
    with running.client() as http:
        answer = http.post("/api/v1/orders", content=b" " * 5000)
    assert (answer.status_code, error_of(answer)["reason"]) == (413, "too_large")


def test_a_sender_that_leaves_in_the_middle_leaves_no_order(running):
    host, port = running.url.removeprefix("http://").split(":")
    body = json.dumps(ORDER).encode()
    head = f"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer authority-secret\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as peer:
        peer.sendall(head.encode() + body[:-1])
    with running.client() as http:
        assert http.get("/api/v1/orders").json() == {"orders": []}


def test_reduce_by_becomes_a_constant_limit_at_acceptance(running):
    with running.client() as http:
        answer = http.post("/api/v1/orders", json={"id": "cut", "reduce_by_w": 30e3}).json()
    assert (answer["outcome"], answer["limit_w"]) == ("accepted", 50e3)


@pytest.mark.parametrize("health", [Health(ok=False, tick_age_s=60.0)])
def test_reduce_by_needs_trusted_power(running, health):
    running.world.health = health
    with running.client() as http:
        answer = http.post("/api/v1/orders", json={"id": "cut", "reduce_by_w": 30e3})
    assert answer.status_code == 422
    assert "no trusted power" in error_of(answer)["details"][0]


def test_before_the_first_tick_the_declared_floor_counts(running):
    running.world.decision = None
    with running.client() as http:
        answer = http.post("/api/v1/orders", json={"id": "zero", "limit_w": 0}).json()
        status = http.get("/api/v1/status").json()
    assert (answer["outcome"], answer["achievable_w"]) == ("partial", 2100)
    assert (status["mode"], status["nodes"]) == ("init", {})


def test_by_a_doubted_clock_no_order_is_called_past(running):
    running.world.utc = Utc(utc_s=4e9, trusted=False, doubt=STEPPED)
    body = {"id": "late", "limit_w": 1e3, "ends_at": "2030-01-01T00:00:00Z"}
    with running.client() as http:
        assert http.post("/api/v1/orders", json=body).status_code == 200


def test_status_names_mode_limits_and_reasons(running):
    with running.client("viewer") as http:
        status = http.get("/api/v1/status").json()
    assert (status["site"], status["mode"], status["site_w"]) == ("north", "normal", 80e3)
    assert status["nodes"]["pcc"]["binding"] == "surplus"
    assert status["nodes"]["feeder"]["envelope_w"] == "unlimited"
    assert status["nodes"]["feeder"]["house_w"] is None
    assert sum(status["nodes"]["pcc"]["parts"].values()) == status["nodes"]["pcc"]["envelope_w"]
    assert (status["nodes"]["pcc"]["parts"]["used"], status["nodes"]["feeder"]["parts"]) == (79e3, None)
    assert status["meters"] == {
        "main": {
            "value_w": 80e3, "quality": "good", "age_s": 0.3, "problem": "", "reasons": [], "notes": {},
            "quantities": {"frequency_hz": {"value": 50.01, "age_s": 0.3}},
        }
    }  # fmt: skip
    assert status["agents"]["hall-a"]["lease_left_s"] == 29.0
    counts = {"off": 0, "starting": 0, "running": 1, "stopping": 0, "lost": 1, "unknown": 0, "resting": 0}
    assert status["devices"] == counts


def test_status_tells_each_reason_by_code_and_in_words(running):
    frozen = Reason(Code.SURPLUS_FROZEN, "surplus", {"shown_w": 40e3, "from_w": 60e3, "to_w": 80e3})
    running.world.decision = replace(make_decision(), mode=Mode.HOLD, reasons=(frozen,))
    running.world.utc = Utc(utc_s=4e9, trusted=False, doubt=STEPPED)
    with running.client("viewer") as http:
        status = http.get("/api/v1/status").json()
    words = "the surplus reading stands still at 40 kW while the site went from 60 to 80 kW: is its source frozen?"
    assert status["reason"] == words
    assert status["reasons"] == [
        {
            "code": "surplus_frozen", "subject": "surplus", "text": words,
            "parameters": {"shown_w": 40e3, "from_w": 60e3, "to_w": 80e3}, "since": None,
        }
    ]  # fmt: skip
    assert status["utc_doubt"] == "the wall clock is +5.0 s off what has gone by in the 60 s since grid vouched for it"
    assert [reason["code"] for reason in status["utc_reasons"]] == ["clock_apart"]
    running.world.decision = None
    with running.client("viewer") as http:
        status = http.get("/api/v1/status").json()
    assert (status["reason"], status["reasons"][0]["code"]) == ("no tick yet", "no_tick")


def test_probes_need_no_token(running):
    with running.client(None) as http:
        assert http.get("/healthz").json() == {"ok": True, "tick_age_s": 0.2}
        assert http.get("/readyz").json() == {"ready": True, "reason": ""}
        assert 'surplusd_mode{mode="normal"} 1.0' in http.get("/metrics").text
        running.world.health = Health(ok=False, tick_age_s=9.0)
        running.world.readiness = Readiness(ready=False, reason="init: no trusted reading")
        assert http.get("/healthz").status_code == 503
        assert (http.get("/readyz").status_code, http.get("/readyz").json()["reason"]) == (
            503,
            "init: no trusted reading",
        )


def test_the_interface_describes_itself(running):
    with running.client(None) as http:
        description = http.get("/api/openapi.json").json()
    assert set(description["paths"]) == {
        "/healthz", "/readyz", "/metrics", "/api/v1/status", "/api/v1/orders", "/api/v1/orders/{order_id}", "/api/v1/orders/{order_id}/release", "/api/v1/nodes/{node}/reset", "/api/v1/meters/{meter}/confirm",
        "/api/v1/orders/statement", "/api/v1/orders/confirmation", "/api/v1/clock", "/api/v1/clock/confirm",
        "/api/v1/locks", "/api/v1/locks/lift", "/api/v1/locks/statement", "/api/v1/stop", "/api/v1/resume", "/api/v1/events", "/api/v1/journal", "/api/v1/reload",
    }  # fmt: skip
    schema = description["paths"]["/api/v1/orders"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {
        "id", "revision", "limit_w", "limit_percent", "reduce_by_w", "node", "starts_at", "ends_at", "ramp_w_per_s", "sent_at",
    }  # fmt: skip


def test_a_schema_of_a_body_stands_by_itself(running):
    with running.client(None) as http:
        paths = http.get("/api/openapi.json").json()["paths"]
    for path in ("/api/v1/orders/statement", "/api/v1/orders/confirmation"):
        schema = paths[path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert '"$ref"' not in json.dumps(schema), "a reference would point into the whole document"
        assert schema["additionalProperties"] is False


def test_an_issuer_states_all_its_orders_in_one_call_and_is_told_whether_any_may_still_be_missing(running):
    with running.client() as http:
        http.post("/api/v1/orders", json=ORDER)
        running.book.doubt("a test")
        posted = http.post("/api/v1/orders", json={"id": "o-2", "limit_w": 30e3})
        assert posted.json()["why"].startswith(
            "orders may be missing: a test; it ends when all orders in force are stated by authority"
        )
        assert http.get("/api/v1/status").json()["orders_doubt"] == posted.json()["why"]
        refused = http.post("/api/v1/orders/statement", json={"orders": [{"id": "o-1", "limit_w": 1}]})
        assert (refused.status_code, error_of(refused)["reason"]) == (409, "conflict")
        for body in ({}, {"orders": None}, {"orders": [{"id": "o-9"}]}, {"orders": [], "more": 1}, [], "x"):
            assert http.post("/api/v1/orders/statement", json=body).status_code in (409, 422), body
        assert running.book.unsure is not None
        stated = http.post("/api/v1/orders/statement", json={"orders": [{"id": "o-2", "limit_w": 30e3}]})
        assert stated.status_code == 200
        assert [order["id"] for order in stated.json()["orders"]] == ["o-2"]
        assert (stated.json()["orders_doubt"], stated.json()["head"]) == (None, "a head")
    assert [limit.id for limit in running.book.limits()] == ["authority/o-2"]


def test_only_an_authority_states_and_only_an_operator_confirms(running):
    running.book.doubt("a test")
    for role, path, wanted in (
        ("operator", "statement", 403),
        ("viewer", "statement", 403),
        ("authority", "confirmation", 403),
        ("viewer", "confirmation", 403),
        ("operator", "confirmation", 200),
    ):
        body = {"orders": []} if path == "statement" else {"reason": "I called them"}
        with running.client(role) as http:
            assert http.post(f"/api/v1/orders/{path}", json=body).status_code == wanted, (role, path)
    assert running.book.unsure is None


def test_the_loop_answers_while_an_order_waits_for_the_disk(running, monkeypatch):
    reached, disk = threading.Event(), threading.Event()
    store = running.journal._storage.append

    def slow(lines):
        reached.set()
        assert disk.wait(DEADLINE_S)
        return store(lines)

    monkeypatch.setattr(running.journal._storage, "append", slow)
    answers = []

    def post():
        with running.client() as http:
            answers.append(http.post("/api/v1/orders", json=ORDER).json())

    sender = threading.Thread(target=post)
    sender.start()
    assert reached.wait(DEADLINE_S)
    with running.client("viewer") as http:
        assert http.get("/healthz").status_code == 200
        assert http.get("/api/v1/orders").json()["orders"][0]["durable"] is False
    assert [limit.id for limit in running.book.limits()] == ["authority/o-1"], "an order tightens before it is durable"
    assert answers == []
    disk.set()
    sender.join(DEADLINE_S)
    assert answers[0]["durable"] is True


SERVER = """
import pathlib, sys, time
sys.path.insert(0, ".")
from tests.controller.api.server import World, make_service, serving
service, _ = make_service(pathlib.Path(sys.argv[1]), World())
with serving(service) as port:
    print(port, flush=True)
    time.sleep(60)
"""


def test_i3_an_order_answered_over_http_survives_kill_9(tmp_path):
    path = tmp_path / "journal.db"
    with subprocess.Popen([sys.executable, "-c", SERVER, path], stdout=subprocess.PIPE, text=True) as server:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/api/v1/orders"
        answer = httpx.post(url, json=ORDER, headers={"Authorization": "Bearer authority-secret"})
        server.send_signal(signal.SIGKILL)
    assert answer.json()["durable"]
    service, journal = make_service(path, World())
    journal.close()
    assert [(limit.id, limit.limit_w) for limit in service.book.limits()] == [("authority/o-1", 40e3)]


def test_f58_without_a_journal_orders_count_and_releases_are_503(running, monkeypatch):
    with running.client() as http:
        http.post("/api/v1/orders", json=ORDER)
        monkeypatch.setattr(running.journal._storage, "append", lambda lines: 1 / 0)
        answer = http.post("/api/v1/orders", json={"id": "o-2", "limit_w": 30e3})
        assert (answer.status_code, answer.json()["durable"]) == (200, False)
        assert answer.json()["why"] == "applied, not durable"
        release = http.post("/api/v1/orders/o-1/release")
        assert (release.status_code, error_of(release)["reason"]) == (503, "journal_unusable")
    assert [limit.id for limit in running.book.limits()] == ["authority/o-1", "authority/o-2"]


def test_a_fault_of_ours_keeps_the_shape_and_tells_nothing(running, monkeypatch):
    monkeypatch.setattr(running.book, "entries", lambda: 1 / 0)
    with running.client() as http:
        answer = http.get("/api/v1/orders")
        assert (answer.status_code, error_of(answer)["reason"]) == (500, "fault")
        assert "division" not in answer.text
    with running.client() as http:
        assert http.get("/healthz").status_code == 200


NUMBERS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
TIMES = NUMBERS | st.builds(
    lambda time, zone: time.isoformat() + zone, st.datetimes(), st.sampled_from(["Z", "+14:00", "-12:00"])
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=70) | st.just("fuzz") | NUMBERS,
        "limit_w": NUMBERS | st.floats(0, 1e6),
        "reduce_by_w": NUMBERS | st.floats(0, 1e6),
        "limit_percent": NUMBERS | st.floats(0, 100),
        "node": st.sampled_from(["pcc", "feeder", "moon", ""]) | NUMBERS,
        "starts_at": TIMES,
        "ends_at": TIMES,
        "ramp_w_per_s": NUMBERS,
        "extra": NUMBERS,
    },
)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=200))
def test_i3_no_body_is_a_fault_and_a_refused_one_changes_nothing(running, body):
    before = running.book.entries()
    with running.client() as http:
        answer = http.post("/api/v1/orders", content=body)
        assert answer.status_code in {200, 409, 422}, answer.text
        if answer.status_code == 200:
            assert answer.json()["durable"]
            assert http.get("/api/v1/orders").status_code == 200
            http.post(f"/api/v1/orders/{answer.json()['id']}/release")
        else:
            assert error_of(answer)["details"]
            assert running.book.entries() == before
    assert running.book.limits() == ()
