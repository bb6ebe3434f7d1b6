"""Orders as a dispatcher needs them, over real sockets: their state and history, their changes, and what each refusal tells."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from controller.core.limits.orders import Compliance, OrderNow
from controller.core.reasons import Code, Reason
from controller.daemon.journal.journal import RecordKind
from controller.daemon.orders import intake
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.intake import OrderIntake
from controller.daemon.plain import plain
from tests.waiting import DEADLINE_S, until

ORDERS = "/api/v1/orders"
ORDER = {"id": "o-1", "limit_w": 40e3}
SOON, LATER = "2030-01-01T00:00:00Z", "2030-01-01T01:00:00Z"


def kept(running, power_w: float | None, compliance: Compliance, revision: int = 1, **more) -> None:
    """Have the newest tick say how the order is kept."""
    now = OrderNow(
        id="authority/o-1", node=0, limit_w=40e3, final_w=40e3, since_s=940.0, power_w=power_w, achievable_w=2100.0,
        compliance=compliance, revision=revision,
    )  # fmt: skip
    running.world.decision = replace(running.world.decision, orders=(now,), orders_in_force=(now.id,), **more)


def test_an_ended_id_sent_again_is_409_with_how_it_ended(running):
    with running.client() as http:
        http.post(ORDERS, json=ORDER)
        http.post(f"{ORDERS}/o-1/release")
        again = http.post(ORDERS, json=ORDER)
        assert again.status_code == 409
        error = again.json()["error"]
        assert (error["reason"], error["reasons"][0]["code"]) == ("conflict", "order_ended")
        assert error["details"] == ["id: order o-1 has ended: released, by authority; what is to bind needs a new id"]
        told = {name: error["order"][name] for name in ("state", "ending", "ended_by", "revision")}
        assert told == {"state": "ended", "ending": "released", "ended_by": "authority", "revision": 1}
    assert running.book.limits() == ()
    assert running.world.refused == ["order_ended"]


def test_what_the_tick_says_of_one_revision_is_not_said_of_the_next(running):
    with running.client() as http:
        http.post(ORDERS, json=ORDER)
        kept(running, 38e3, Compliance.MET)
        assert http.get(f"{ORDERS}/o-1").json()["state"] == "met"
        http.put(f"{ORDERS}/o-1", json={"revision": 2, "limit_w": 20e3})
        shown = http.get(f"{ORDERS}/o-1").json()
        assert (shown["revision"], shown["state"], shown["since"], shown["compliance"]) == (2, "in_force", None, None)


def test_an_order_is_shown_with_its_state_whatever_that_is(running):
    with running.client() as http:
        assert http.get(f"{ORDERS}/o-1").status_code == 404
        http.post(ORDERS, json=ORDER | {"starts_at": SOON, "ends_at": LATER, "ramp_w_per_s": 50})
        shown = http.get(f"{ORDERS}/o-1").json()
        figures = {
            "id": "o-1", "issuer": "authority", "revision": 1, "state": "scheduled", "limit_w": 40e3, "reduce_by_w": None,
            "starts_at": SOON, "ends_at": LATER, "ramp_w_per_s": 50, "since": None, "ending": None, "compliance": None,
        }  # fmt: skip
        assert {name: shown[name] for name in figures} == figures
        kept(running, None, Compliance.UNSEEN)
        assert http.get(f"{ORDERS}/o-1").json()["state"] == "in_force"
        kept(running, 39e3, Compliance.MET)
        shown = http.get(f"{ORDERS}/o-1").json()
        assert (shown["state"], shown["since"]) == ("met", "2026-11-18T11:05:40Z"), "60 s before the newest look"
        silent = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3})
        kept(running, 80e3, Compliance.NOT_MET, warnings=(silent,))
        shown = http.get(f"{ORDERS}/o-1").json()
        assert (shown["state"], shown["shortfall_w"]) == ("not_met", 40e3)
        assert shown["in_the_way"] == "agent hall-a has been silent for 8 s: its 2 devices may be drawing 7.0 kW"
        kept(running, 50e3, Compliance.PARTIAL, warnings=(), floor_w=np.array([50e3, 600.0]))
        shown = http.get(f"{ORDERS}/o-1").json()
        assert (shown["state"], shown["in_the_way"]) == ("not_met", "pcc draws 50.0 kW with everything off")
        http.post(f"{ORDERS}/o-1/release")
        shown = http.get(f"{ORDERS}/o-1").json()
        assert (shown["state"], shown["ending"], shown["ended_by"]) == ("ended", "released", "authority")


def test_the_history_of_an_order_is_what_the_journal_has_and_no_other_orders(running):
    with running.client() as http, running.client("operator") as operator:
        http.post(ORDERS, json=ORDER)
        operator.post(ORDERS, json=ORDER | {"limit_w": 70e3})
        http.put(f"{ORDERS}/o-1", json={"revision": 2, "limit_w": 30e3})
        body = {"issuer": "authority", "id": "o-1", "compliance": "not_met", "power_w": 80000, "shortfall_w": 50000}
        silent = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": math.inf})
        known = [*plain((silent,)), {"code": "of_another_build", "subject": "hall-a", "parameters": {}}]
        running.journal.append(RecordKind.COMPLIANCE, body | {"limit_w": 30000, "why": "why", "reasons": known})
        http.post(f"{ORDERS}/o-1/release")
        history = http.get(f"{ORDERS}/o-1").json()["history"]
        assert [(each["event"], each["by"], each["revision"], each["limit_w"]) for each in history] == [
            ("accepted", "authority", 1, 40e3), ("changed", "authority", 2, 30e3), ("not_met", None, None, 30e3),
            ("released", "authority", None, None),
        ]  # fmt: skip
        assert (history[2]["shortfall_w"], history[2]["why"]) == (50e3, "why")
        ((code, most_w),) = [(each["code"], each["parameters"]["most_w"]) for each in history[2]["reasons"]]
        assert (code, most_w) == ("agent_silent", None)
        assert [each["event"] for each in operator.get(f"{ORDERS}/o-1").json()["history"]] == ["accepted"]


def test_an_order_whose_end_is_past_by_a_clock_in_doubt_binds_and_all_say_so(running):
    running.world.utc = replace(running.world.utc, trusted=False, doubt=Reason(Code.CLOCK_UNSYNCHRONISED, "pcc"))
    with running.client() as http:
        answer = http.post(ORDERS, json=ORDER | {"ends_at": "2020-01-01T00:00:00Z"}).json()
        assert [each["code"] for each in answer["reasons"]] == ["order_end_waits", "order_end_past"]
        assert "its end has passed, at 2020-01-01T00:00:00Z, and it binds" in answer["why"]
        assert [limit.limit_w for limit in running.book.limits()] == [40e3]
        (listed,) = http.get(ORDERS).json()["orders"]
        shown = http.get(f"{ORDERS}/o-1").json()
        for order in (listed, shown):
            assert [each["code"] for each in order["reasons"]] == ["order_end_waits", "order_end_past"]
            assert "its end has passed" in order["end_waits"]
        http.put(f"{ORDERS}/o-1", json={"revision": 2, "limit_w": 40e3, "ends_at": LATER})
        assert [each["code"] for each in http.get(f"{ORDERS}/o-1").json()["reasons"]] == ["order_end_waits"]
        http.post(f"{ORDERS}/o-1/release")
        assert http.get(f"{ORDERS}/o-1").json()["reasons"] == []


def test_a_history_is_bounded(running, monkeypatch):
    monkeypatch.setattr("controller.daemon.orders.history.MOST", 3)
    with running.client() as http:
        http.post(ORDERS, json=ORDER)
        for revision in range(2, 7):
            http.put(f"{ORDERS}/o-1", json={"revision": revision, "limit_w": 40e3 - revision})
        history = http.get(f"{ORDERS}/o-1").json()["history"]
    assert [each["revision"] for each in history] == [4, 5, 6]


def test_a_change_is_put_and_one_that_is_not_the_next_names_the_present_one(running):
    with running.client() as http:
        http.post(ORDERS, json=ORDER)
        answer = http.put(f"{ORDERS}/o-1", json={"revision": 2, "limit_w": 20e3})
        assert (answer.status_code, answer.json()["revision"], answer.json()["limit_w"]) == (200, 2, 20e3)
        assert http.put(f"{ORDERS}/o-1", json={"revision": 2, "limit_w": 20e3}).json() == answer.json()
        refused = http.put(f"{ORDERS}/o-1", json={"revision": 4, "limit_w": 10e3})
        assert refused.status_code == 409
        (reason,) = refused.json()["error"]["reasons"]
        assert (reason["code"], reason["parameters"]["revision"]) == ("order_revision", 2)
        assert refused.json()["error"]["order"]["limit_w"] == 20e3
        assert http.put(f"{ORDERS}/o-1", json={"limit_w": 10e3}).status_code == 422
        assert http.put(f"{ORDERS}/o-2", json={"revision": 2, "limit_w": 10e3}).status_code == 404
        assert http.put(f"{ORDERS}/o-1", json={"revision": 3, "limit_w": 90e3}).json()["limit_w"] == 90e3
    assert [limit.limit_w for limit in running.book.limits()] == [90e3]


def test_only_its_issuer_ends_an_order_and_an_operator_their_own_limit(running):
    with running.client() as authority, running.client("operator") as operator, running.client("viewer") as viewer:
        authority.post(ORDERS, json=ORDER)
        for path, body in (("/o-1/release", None), ("/o-1/release?issuer=authority", None)):
            refused = operator.post(ORDERS + path, json=body)
            assert (refused.status_code, refused.json()["error"]["reasons"][0]["code"]) == (403, "order_of_another")
        assert operator.post(ORDERS, json={"id": "mine", "limit_w": 50e3}).json()["issuer"] == "operator"
        assert authority.post(f"{ORDERS}/mine/release").status_code == 403
        assert viewer.post(f"{ORDERS}/mine/release").status_code == 403
        operator.post(ORDERS, json=ORDER)
        ambiguous = viewer.get(f"{ORDERS}/o-1")
        assert (ambiguous.status_code, ambiguous.json()["error"]["reasons"][0]["code"]) == (409, "order_ambiguous")
        assert viewer.get(f"{ORDERS}/o-1?issuer=authority").json()["issuer"] == "authority"
        assert operator.post(f"{ORDERS}/mine/release").status_code == 200
        assert operator.post(f"{ORDERS}/o-1/release").json()["issuer"] == "operator"
    assert [limit.id for limit in running.book.limits()] == ["authority/o-1"]


def test_a_limit_in_percent_is_of_the_contract(running):
    with running.client() as http:
        answer = http.post(ORDERS, json={"id": "half", "limit_percent": 50}).json()
        assert (answer["limit_w"], answer["outcome"]) == (50e3, "accepted")
        for body in ({"limit_percent": 101}, {"limit_percent": -1}, {"limit_percent": 5, "limit_w": 5}):
            assert http.post(ORDERS, json={"id": "no"} | body).status_code == 422


def test_a_cut_that_is_to_come_has_no_limit_yet_and_says_so(running):
    with running.client() as http:
        answer = http.post(ORDERS, json={"id": "o-1", "reduce_by_w": 30e3, "starts_at": SOON}).json()
        assert (answer["limit_w"], answer["reasons"][0]["code"]) == (None, "order_worked_out_later")
        shown = http.get(f"{ORDERS}/o-1").json()
        assert (shown["limit_w"], shown["reduce_by_w"], shown["state"]) == (None, 30e3, "scheduled")
        assert http.get(ORDERS).json()["orders"][0]["limit_w"] is None


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({"ramp_w_per_s": 1e-9}, True),
        ({"ramp_w_per_s": 5, "starts_at": SOON, "ends_at": LATER}, True),
        ({"ramp_w_per_s": 20, "starts_at": SOON, "ends_at": LATER}, False),
        ({"ramp_w_per_s": 1, "limit_w": 90e3}, False),
    ],
)
def test_a_ramp_by_which_the_order_never_lowers_is_refused_with_the_least_that_would_do(running, more, refused):
    with running.client() as http:
        answer = http.post(ORDERS, json=ORDER | more)
    assert answer.status_code == (422 if refused else 200), answer.text
    if refused:
        (reason,) = answer.json()["error"]["reasons"]
        assert reason["code"] == "order_ramp_too_slow"
        assert isinstance(reason["parameters"]["least_w_s"], float), "figures are numbers, also where they refuse"


@pytest.mark.parametrize(
    ("path", "body", "allowed"),
    [
        ("", {"id": "a", "limit_kw": 1}, "limit_kw: there is no such field, allowed are limit_w, "),
        ("/statement", {"orders": [{"id": "a", "limit": 1}]}, "orders.0.limit: there is no such field, allowed are limit_w, "),
        ("/statement", {"order": []}, "order: there is no such field, allowed are orders"),
    ],
)  # fmt: skip
def test_the_answer_to_a_wrong_field_names_those_that_are_allowed(untouched, path, body, allowed):
    with untouched.client() as http:
        details = http.post(ORDERS + path, json=body).json()["error"]["details"]
    assert any(detail.startswith(allowed) for detail in details), details


def test_while_answers_wait_for_the_disk_every_order_counts_at_once(running, monkeypatch):
    monkeypatch.setattr(intake, "STORED_S", DEADLINE_S)
    disk, store = threading.Event(), running.journal._storage.append
    monkeypatch.setattr(running.journal._storage, "append", lambda lines: disk.wait(DEADLINE_S) and store(lines))

    def post(name: str, order_id: str) -> None:
        with running.client(name) as http:
            http.post(ORDERS, json={"id": order_id, "limit_w": 40e3})

    flood = [threading.Thread(target=post, args=("operator", f"f-{k}")) for k in range(40)]
    for sender in flood:
        sender.start()
    until(lambda: len(running.book.limits()) == 40, "all of the flood counts, and waits for its answers")
    other = threading.Thread(target=post, args=("authority", "stop"))
    other.start()
    until(lambda: any(limit.id == "authority/stop" for limit in running.book.limits()), "another's counts")
    disk.set()
    for sender in (*flood, other):
        sender.join(DEADLINE_S)


def test_what_waits_for_the_disk_to_relax_keeps_no_order_of_the_same_issuer_from_tightening(running, monkeypatch):
    names = [f"o-{k}" for k in range(20)]
    with running.client() as http:
        for name in names:
            http.post(ORDERS, json={"id": name, "limit_w": 40e3})
    disk, store = threading.Event(), running.journal._storage.append
    reached = threading.Event()
    waits = lambda lines: (reached.set(), disk.wait(DEADLINE_S)) and store(lines)  # noqa: E731
    monkeypatch.setattr(running.journal._storage, "append", waits)

    def put(name: str, limit_w: float) -> None:
        with running.client() as http:
            http.put(f"{ORDERS}/{name}", json={"revision": 2, "limit_w": limit_w})

    relaxing = [threading.Thread(target=put, args=(name, 60e3)) for name in names[:-1]]
    for sender in relaxing:
        sender.start()
    until(lambda: len(running.book._relaxing) == len(relaxing), "all are on their way")
    assert reached.wait(DEADLINE_S)
    tightening = threading.Thread(target=put, args=(names[-1], 20e3))
    tightening.start()
    until(lambda: running.book.limits()[-1].limit_w == 20e3, "what tightens counts")
    assert {limit.limit_w for limit in running.book.limits()[:-1]} == {40e3}, "and nothing else yet"
    disk.set()
    for sender in (*relaxing, tightening):
        sender.join(DEADLINE_S)
    assert [limit.limit_w for limit in running.book.limits()] == [60e3] * 19 + [20e3]


def test_a_long_list_keeps_nobody_waiting_but_who_wants_such_too(running, monkeypatch):
    """It is made in a thread, not by the loop, which hears everybody."""
    released, real = threading.Event(), OrderIntake.list
    monkeypatch.setattr(OrderIntake, "list", lambda intake: released.wait(DEADLINE_S) and real(intake))
    with running.client() as http, running.client("operator") as operator, ThreadPoolExecutor() as pool:
        listed = pool.submit(operator.get, ORDERS)
        try:
            assert http.get("/healthz").status_code == 200
            assert http.post(ORDERS, json=ORDER).status_code == 200
        finally:
            released.set()
        assert listed.result().status_code == 200


def test_a_disk_that_answers_one_token_nothing_keeps_no_other_and_no_status_waiting(running, monkeypatch):
    released, history = threading.Event(), OrderBook.history
    monkeypatch.setattr(
        OrderBook,
        "history",
        lambda book, key: history(book, key) if key.id != "o-2" or released.wait(DEADLINE_S) else (),
    )
    with (
        running.client() as http,
        running.client("viewer") as viewer,
        running.client("viewer") as other,
        ThreadPoolExecutor() as pool,
    ):
        for order_id in ("o-1", "o-2"):
            http.post(ORDERS, json=ORDER | {"id": order_id})
        asked = [pool.submit(viewer.get, f"{ORDERS}/o-2") for _ in range(3)]
        try:
            assert http.get(f"{ORDERS}/o-1").status_code == 200
            assert other.get("/api/v1/status").status_code == 200
        finally:
            released.set()
        assert [each.result().status_code for each in asked] == [200] * 3
