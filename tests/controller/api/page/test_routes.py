"""The page's own routes over a real server: its files, signing in, what a cookie may do, and what those who look are told."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.resources import files

import pytest

from controller.api.page import viewers
from controller.api.page.files import language_of
from controller.api.page.records import Records
from controller.core.limits.orders import Compliance, OrderNow
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.daemon.access import Principal, Role
from controller.daemon.events.event import EventName
from controller.daemon.events.feed import KEPT
from controller.daemon.journal.journal import RecordKind
from controller.daemon.orders.request import OrderRequest
from controller.daemon.utc import Utc
from controller.texts.phrases import Language
from tests.controller.api.page.serving import page_in
from tests.controller.api.server import UTC_S
from tests.controller.api.stream import Stream
from tests.waiting import DEADLINE_S

STATIC = files("controller.api.page").joinpath("static")
REASON = {"reason": "drill"}


@contextmanager
def signed_in(running, role="operator"):
    with running.client(None) as http:
        assert http.post("/page/session", json={"token": f"{role}-secret"}).status_code == 204
        yield http


def look(running, language="en", role="viewer"):
    return Stream(running.url, role=role, path=f"/page/stream?lang={language}")


@pytest.mark.parametrize("language", ["en", "ur", "id"])
def test_all_that_the_page_loads_is_small_when_packed(untouched, language):
    with untouched.client(None) as http:
        page = http.get("/", headers={"Accept-Language": language})
        sizes = {"": int(page.headers["content-length"])}
        for entry in STATIC.iterdir():
            if entry.name.endswith((".js", ".css")):
                sizes[entry.name] = int(http.get(f"/page/files/{entry.name}").headers["content-length"])
    assert page.headers["content-language"] == language
    assert sum(sizes.values()) <= 39_500, (sizes, "the page may have 40,000, and a word more is to be no trouble")


def test_the_page_names_nothing_of_elsewhere(untouched):
    with untouched.client(None) as http:
        page = http.get("/")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "http" not in page.text.replace("http-equiv", "")
    for entry in STATIC.iterdir():
        if entry.name.endswith((".js", ".css")) and entry.name != "uplot.js":
            assert "://" not in entry.read_text(encoding="utf-8"), entry.name
    assert "MIT License" in STATIC.joinpath("uplot.LICENSE").read_text(encoding="utf-8")


def test_a_file_is_sent_again_only_once_it_is_another(untouched):
    with untouched.client(None) as http:
        first = http.get("/page/files/page.js")
        again = http.get("/page/files/page.js", headers={"If-None-Match": first.headers["etag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
        plain = http.get("/page/files/page.js", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.headers["etag"] != first.headers["etag"]
        assert http.get("/page/files/uplot.LICENSE").status_code == 404
        assert http.get("/page/files/..%2Froutes.py").status_code == 404


@pytest.mark.parametrize(
    ("wanted", "accepted", "language"),
    [
        ("", "", "en"),
        ("", "ur-PK,ur;q=0.9,en;q=0.8", "ur"),
        ("", "de;q=0.9,id;q=0.4,en;q=0.2", "id"),
        ("id", "ur", "id"),
        ("xx", "ur;q=x, en", "ur"),
    ],
)
def test_the_browser_chooses_the_language(wanted, accepted, language):
    assert language_of(wanted, accepted) is Language(language)


def test_a_token_signs_in_once_and_no_script_and_no_other_site_has_the_cookie(running):
    with running.client(None) as http:
        assert http.get("/page/session").json() == {"name": None, "role": None}
        assert http.post("/page/session", json={"token": "wrong"}).status_code == 401
        answer = http.post("/page/session", json={"token": "viewer-secret"})
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(answer.headers["set-cookie"].split("; "))
        assert http.get("/page/session").json() == {"name": "viewer", "role": "viewer"}
        assert http.get("/api/v1/status").status_code == 200
        assert http.post("/page/session/end").status_code == 204
        assert http.get("/api/v1/status").status_code == 401


def test_over_tls_the_cookie_stays_on_tls(tmp_path):
    from tests.controller.api.conftest import server_at

    with server_at(tmp_path / "journal.db", proxies=frozenset({"127.0.0.1"})) as running, running.client(None) as http:
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.9"}
        answer = http.post("/page/session", json={"token": "viewer-secret"}, headers=headers)
    assert "Secure" in answer.headers["set-cookie"].split("; ")


@pytest.mark.parametrize("origin", [None, "null", "http://elsewhere.example", "http://127.0.0.1:1", "https://evil"])
def test_what_another_site_makes_a_browser_ask_changes_nothing(running, origin):
    """The cookie may come along: other ports of this machine are the same site to it."""
    with signed_in(running) as http:
        headers = {} if origin is None else {"Origin": origin}
        assert http.post("/api/v1/stop", json=REASON, headers=headers).status_code == 401
        assert http.post("/api/v1/stop", json=REASON, headers={"Origin": running.url}).status_code == 200


@pytest.mark.parametrize("role", ["viewer", "authority"])
def test_only_operators_act(running, role):
    with signed_in(running, role) as http:
        assert http.post("/api/v1/stop", json=REASON, headers={"Origin": running.url}).status_code == 403


def test_a_token_that_is_taken_away_signs_everybody_out(running):
    with signed_in(running) as http, look(running, role="operator") as stream:
        events = stream.events()
        next(events)
        running.tokens.replace(())
        assert http.get("/page/devices").status_code == 401
        assert len(list(events)) <= 3, "what was under way, and then the end"


def test_the_page_and_its_files_use_up_nobodys_tries(running):
    with running.client(None) as http:
        for _ in range(30):
            assert http.get("/page/files/page.js").status_code == 200
        assert http.get("/api/v1/status").status_code == 401
    assert running.world.refused == ["unauthorized"]


def test_somebody_who_is_signed_in_is_never_held_up_by_tries_without_a_token(running):
    with running.client(None) as stranger, signed_in(running) as http:
        while stranger.get("/api/v1/status").status_code != 429:
            pass
        assert http.get("/api/v1/status").status_code == 200


def test_whoever_looks_is_told_the_state_in_its_language(running):
    silent = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3})
    running.tick(mode=Mode.HOLD, reasons=(silent,), warnings=(silent,))
    told = {}
    for language in Language:
        with look(running, language) as stream:
            told[language] = next(event for event in stream.events() if event.name == "now").data
    assert {each["status"]["state"] for each in told.values()} == {"hold"}
    assert told["en"]["status"]["reasons"][0]["text"].startswith("agent hall-a has been silent for 8 s")
    assert "7,0 kW" in told["id"]["status"]["reasons"][0]["text"], "a comma before the decimals"
    assert "\u2068hall-a\u2069" in told["ur"]["status"]["reasons"][0]["text"], "a name keeps its own direction"
    assert "\u20667.0 kW\u2069" in told["ur"]["status"]["reasons"][0]["text"], "and so does a figure"
    assert all(each["do"]["agent_silent"] for each in told.values())


def test_the_newest_records_are_told_those_of_before_and_those_that_come(running):
    running.journal.append(RecordKind.MODE, {"mode": "hold", "reason": "", "reasons": []})
    with running.client() as http:
        http.post("/api/v1/orders", json={"id": "cut-1", "limit_w": 20e3})
        with look(running) as stream:
            records = (event.data for event in stream.events() if event.name == "records")
            assert [each["what"] for each in next(records)] == ["order accepted", "mode"]
            http.post("/api/v1/orders/cut-1/release")
            newest = next(records)
    assert [each["what"] for each in newest] == ["order released", "order accepted", "mode"]
    assert newest[0]["about"] == "cut-1 · authority"


def test_after_more_than_is_kept_in_memory_the_newest_records_come_from_the_journal(running):
    records = Records(running)

    async def told(what):
        running.journal.append(RecordKind.MODE, {"mode": what, "reason": "", "reasons": []})
        for _ in range(KEPT + 1):
            running.feed.tell(EventName.HEAD, {"head": ""})
        await records.begin()
        return [json.loads(records.told(Language.ENGLISH))[k]["state"] for k in range(2)]

    async def looked():
        running.journal.append(RecordKind.MODE, {"mode": "init", "reason": "", "reasons": []})
        await records.begin()
        return await told("hold")

    assert asyncio.run(looked()) == ["mode HOLD", "mode INIT"]


def test_whoever_begins_to_look_waits_for_no_dead_disk(running, monkeypatch):
    monkeypatch.setattr("controller.api.page.records._READ_S", 0.05)
    released = threading.Event()
    monkeypatch.setattr(running.feed, "recorded", lambda *_: released.wait(DEADLINE_S) and None)
    try:
        with look(running) as stream:
            told = {event.name for _, event in zip(range(3), stream.events(), strict=False)}
    finally:
        released.set()
    assert told == {"now", "records", "devices"}


def test_who_leaves_at_once_hides_no_records_from_others(running, monkeypatch):
    records, real = Records(running), running.feed.recorded
    running.journal.append(RecordKind.MODE, {"mode": "hold", "reason": "", "reasons": []})
    monkeypatch.setattr(running.feed, "recorded", lambda *of: time.sleep(0.05) or real(*of))

    async def left_and_looked():
        first = asyncio.create_task(records.begin())
        await asyncio.sleep(0)
        first.cancel()
        await records.begin()
        return records.told(Language.ENGLISH)

    assert [row["what"] for row in json.loads(asyncio.run(left_and_looked()))] == ["mode"]


def test_a_journal_that_cannot_be_written_is_not_shown_as_well(running, monkeypatch):
    monkeypatch.setattr(type(running.feed), "failure", property(lambda _: "disk full"))
    with running.client("viewer") as http:
        status = http.get("/api/v1/status").json()
    assert (status["state"], status["journal_failure"]) == ("warned", "disk full")


def test_an_origin_that_is_no_address_is_refused_and_no_fault(running, caplog):
    with running.client(None, cookies={"surplusd-north": "guess"}) as http:
        answer = http.post("/api/v1/stop", json=REASON, headers={"Origin": "http://["})
    assert answer.status_code == 401
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_devices_come_as_columns_beside_what_never_changes(running):
    with running.client("viewer") as http:
        known = http.get("/page/devices").json()
    with look(running) as stream:
        columns = next(event for event in stream.events() if event.name == "devices").data
    assert known["ids"] == ["m-001", "m-002"]
    assert columns == {"mark": known["mark"], "state": "24", "level": "9:", "watts": [3400]}
    assert [known["states"][int(code)] for code in columns["state"]] == ["running", "lost"]


def test_no_token_no_news(untouched):
    with untouched.client(None) as http:
        for path in ("/page/stream", "/page/devices", "/page/course"):
            assert http.get(path).status_code == 401


def test_what_many_are_told_is_made_once(running, monkeypatch):
    made, real = [], viewers.now_of
    monkeypatch.setattr(viewers, "now_of", lambda *of: made.append(of) or real(*of))
    monkeypatch.setattr(viewers, "PERIOD_S", 1000.0)
    with ExitStack() as stack:
        for _ in range(20):
            next(stack.enter_context(look(running)).events())
    assert len(made) <= 2, "one period, or the end of one and the begin of the next"


@pytest.mark.parametrize("orders", [0, 1000])
def test_fifty_who_look_cost_little_of_a_core(tmp_path, monkeypatch, orders):
    """CPU time of the thread that serves, for so many seconds of news; the clock of the site moves, so that each of them is new."""
    monkeypatch.setattr(viewers, "PERIOD_S", 0.05)
    with page_in("over", tmp_path) as (url, service), ExitStack() as stack:
        in_force(service, orders)
        utc = iter(range(10_000))
        object.__setattr__(service, "utc", lambda: Utc(utc_s=UTC_S + next(utc), trusted=True, doubt=None))
        streams = [
            stack.enter_context(
                Stream(url, role=("viewer", "operator")[k % 2], path=f"/page/stream?lang={[*Language][k % 3]}")
            )
            for k in range(50)
        ]
        events = [stream.events() for stream in streams]
        for each in events:
            next(each)
        server = next(thread for thread in threading.enumerate() if thread.name == "serving")
        clock = time.pthread_getcpuclockid(server.ident)
        before_s, periods = time.clock_gettime(clock), 20
        for each in events:
            seen = 0
            while seen < periods:
                seen += next(each).name == "now"
        assert (time.clock_gettime(clock) - before_s) / periods <= 0.05, "a period stands for a second"


def in_force(service, count, kept=Compliance.NOT_MET):
    """Have so many orders of two issuers be in force, and the newest tick know of them."""
    for k in range(count):
        by = Principal(name=f"grid-{k % 2}", role=Role.AUTHORITY)
        service.intake.take(OrderRequest(id=f"o-{k:04d}", limit_w=420e3 - 10.0 * k), by)
    orders = tuple(
        OrderNow(
            id=limit.id, node=limit.node, limit_w=limit.limit_w, final_w=limit.limit_w, since_s=900.0, power_w=451e3,
            achievable_w=100e3, compliance=kept, revision=1,
        )
        for limit in service.book.limits()
    )  # fmt: skip
    decision = replace(service.decision(), orders=orders, orders_in_force=tuple(order.id for order in orders))
    for name in ("decision", "decision_now"):
        object.__setattr__(service, name, lambda: decision)
    service.intake._decision = lambda: decision


def test_of_many_orders_those_that_are_not_met_are_shown_and_the_others_counted(tmp_path):
    with page_in("over", tmp_path) as (url, service):
        in_force(service, 60, Compliance.MET)
        decision = service.decision()
        late = decision.orders[57]
        orders = tuple(
            replace(each, compliance=Compliance.NOT_MET) if each is late else each for each in decision.orders
        )
        told = replace(decision, orders=orders)
        object.__setattr__(service, "decision_now", lambda: told)
        service.intake._decision = lambda: told
        with Stream(url, path="/page/stream") as stream:
            now = next(event for event in stream.events() if event.name == "now").data
    assert f"{now['orders'][0]['issuer']}/{now['orders'][0]['id']}" == late.id
    assert (now["orders"][0]["state"], len(now["orders"]), now["orders_open"]) == ("not_met", 20, 60)


def test_the_course_and_today_are_those_of_the_trusted_power(running):
    for k in range(4):
        running.world.course.observe(replace(running.world.decision, at_s=1000.0 + k), UTC_S + k)
    with running.client("viewer") as http:
        assert http.get("/page/course").json()["site_w"] == [80000] * 4
    with look(running) as stream:
        today = next(event for event in stream.events() if event.name == "now").data["today"]
    assert today == {"since": UTC_S, "energy_wh": round(80e3 * 3 / 3600), "value": 0.0, "unseen_s": 0}


def test_packed_and_plain_are_the_same(untouched):
    with untouched.client(None) as http:
        plain = http.get("/", headers={"Accept-Encoding": "identity"}).content
        with http.stream("GET", "/") as answer:
            packed = b"".join(answer.iter_raw())
    assert gzip.decompress(packed) == plain
    assert json.loads(plain.decode().split('id="words">')[1].split("</script>")[0])["live"] == "live"
