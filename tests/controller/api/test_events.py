"""The stream of events, over real sockets: in sequence, resumed without loss, told where something is missing, and in nobody's way."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack

import numpy as np
import pytest

from controller.api import followers, visitor
from controller.api.door import FOLLOWERS, FOLLOWERS_EACH
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.daemon.events.event import EventName
from controller.daemon.events.feed import AT_ONCE, KEPT, LATE_S, MOST_RECORDS
from controller.daemon.journal.journal import RecordKind
from controller.daemon.service import Health
from tests.controller.api.conftest import server_at
from tests.controller.api.stream import Stream
from tests.controller.api.test_door import obeys
from tests.waiting import DEADLINE_S, until

ORDER = {"id": "cut-1", "limit_w": 20e3}
SILENT = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3})


def names(events):
    return [(event.name, event.data.get("what")) for event in events]


def tell(running, *numbers, name=EventName.BINDING, **more):
    for number in numbers:
        running.feed.tell(name, {"number": number} | more)


def numbers(events):
    return [event.data["number"] for event in events if "number" in event.data]


@pytest.mark.parametrize("role", ["viewer", "operator", "authority"])
def test_every_role_is_told_the_present_state_first(untouched, role):
    with Stream(untouched.url, role=role) as stream:
        state = next(stream.events())
    assert state.name == "state"
    assert state.data["status"]["site"] == "north"
    assert (state.data["head"], state.data["missed"], state.data["earlier"], state.data["stopped"]) == (
        "a head",
        None,
        0,
        False,
    )


def test_without_a_token_nothing_is_told(untouched):
    with Stream(untouched.url, role="nobody") as stream:
        assert stream.answer()[0] == 401


def test_no_cache_and_no_proxy_keeps_events_back(untouched):
    with Stream(untouched.url) as stream:
        status, head = stream.answer()
    assert status == 200
    for line in ("content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"):
        assert line in head.lower()


def test_what_happens_is_told_in_its_sequence_each_with_an_id_of_its_own(running):
    running.tick()
    with Stream(running.url) as stream, running.client() as http, running.client("operator") as ops:
        events = stream.events()
        next(events)
        assert http.post("/api/v1/orders", json=ORDER).status_code == 200
        running.tick(binding=("order:authority/cut-1", "rating:feeder"), envelope_w=np.array([20e3, np.inf]))
        running.tick(mode=Mode.HOLD, reasons=(SILENT,), warnings=(SILENT,))
        assert ops.post("/api/v1/locks", json={"subject": "feeder", "by": "Ali", "reason": "fan"}).status_code == 200
        assert ops.post("/api/v1/stop", json={"reason": "drill"}).status_code == 200
        running.tick(mode=Mode.NORMAL, reasons=(), warnings=())
        assert http.post("/api/v1/orders/cut-1/release").status_code == 200
        told = [next(events) for _ in range(7)]
    assert names(told) == [
        ("order", "accepted"),
        ("binding", None),
        ("reason", "begun"),
        ("lock", "locked"),
        ("stop", "stopped"),
        ("reason", "over"),
        ("order", "released"),
    ]
    assert told[1].data["binding"] == "order:authority/cut-1"
    assert told[2].data["code"] == "agent_silent"
    assert len({event.id for event in told}) == len(told)
    assert [event.data["seq"] for event in told if "seq" in event.data] == [1, 2, 3, 4]


@pytest.mark.parametrize("cut_after", [1, 3, 4])
def test_a_stream_that_was_cut_goes_on_without_loss_and_without_doubles(running, cut_after):
    seen, last_id = [], None
    for batch in range(4):
        with Stream(running.url, last_id) as stream:
            events = stream.events()
            state = next(events)
            assert state.data["missed"] is None
            tell(running, *range(4 * batch, 4 * batch + 4))
            told = [next(events) for _ in range(cut_after)]
        seen, last_id = seen + numbers(told), told[-1].id
    with Stream(running.url, last_id) as stream:
        tell(running, 16)
        seen += numbers(stream.until("binding", number=16))
    assert seen == list(range(17))


def test_whoever_is_further_behind_than_is_kept_is_told_so_with_the_present_state(running):
    running.journal.append(RecordKind.START, {"epoch": 1})
    with Stream(running.url) as stream:
        last_id = next(stream.events()).id
    tell(running, *range(KEPT + 1))
    with running.client() as http:
        http.post("/api/v1/orders", json=ORDER)
    running.tick(mode=Mode.HOLD)
    with Stream(running.url, last_id) as stream:
        events = stream.events()
        state, order = next(events), next(events)
        assert (state.data["missed"], state.data["missed_because"], state.data["earlier"]) == ("changes", "behind", 1)
        assert state.data["status"]["mode"] == "hold"
        assert (order.name, order.data["seq"]) == ("order", 2), "records are told all the same"
        tell(running, "live")
        assert next(events).data["number"] == "live"


def test_a_follower_that_does_not_read_is_told_what_it_has_missed_once_it_does(running):
    with Stream(running.url, buffer=4096) as slow:
        next(events := slow.events())
        tell(running, *range(2 * KEPT), padding="x" * 200)
        told = []
        while (event := next(events)).name != "state":
            told.append(event)
        assert numbers(told) == list(range(len(told))), "up to the gap nothing is missing"
        assert 0 < len(told) < 2 * KEPT
        assert (event.data["missed"], event.data["missed_because"]) == ("changes", "behind")
        tell(running, "live")
        # What was still to come when the gap was seen comes behind it, and nothing of it twice.
        after = list(iter(lambda: numbers([next(events)])[0], "live"))
        assert after == sorted(set(after))
        assert all(number > len(told) for number in after)


def test_over_a_restart_the_records_are_told_and_that_changes_are_not(tmp_path):
    with server_at(tmp_path / "journal.db") as running, running.client() as http:
        http.post("/api/v1/orders", json=ORDER)
        with Stream(running.url) as stream:
            last_id = next(stream.events()).id
        running.journal.append(RecordKind.MODE, {"mode": "failsafe", "reason": "", "reasons": []})
        tell(running, "never written down")
    with server_at(tmp_path / "journal.db") as running, running.client() as http:
        http.post("/api/v1/orders/cut-1/release")
        with Stream(running.url, last_id) as stream:
            events = stream.events()
            state, *earlier = [next(events) for _ in range(3)]
            assert (state.data["missed"], state.data["missed_because"], state.data["earlier"]) == (
                "changes",
                "restarted",
                2,
            )
            assert names(earlier) == [("mode", None), ("order", "released")]
            tell(running, "live")
            assert numbers([next(events)]) == ["live"]
        with Stream(running.url, earlier[0].id) as stream:
            events = stream.events()
            assert next(events).data["earlier"] == 1, "cut off among them, it goes on among them"
            assert names([next(events)]) == [("order", "released")]


@pytest.mark.parametrize("last_id", ["7", "ffffffffffffffff.1.00000000.1"])
def test_an_id_of_elsewhere_is_told_so(untouched, last_id):
    with Stream(untouched.url, last_id) as stream:
        state = next(stream.events())
    assert (state.data["missed"], state.data["missed_because"]) == ("everything", "unknown_id")
    assert untouched.feed.place.start in state.id


def test_more_records_than_are_told_are_told_to_be_missing(running):
    with running.client() as http:
        http.post("/api/v1/orders", json=ORDER)
    for _ in range(MOST_RECORDS + 1):
        last = running.journal.post(RecordKind.RESUME, {"by": "ops", "reason": "again"})
    last.durable(None)
    with Stream(running.url, f"{running.journal.id}.1.00000000.1") as stream:
        state = next(stream.events())
    assert (state.data["missed"], state.data["missed_because"]) == ("everything", "behind")


def test_a_journal_that_cannot_be_read_is_told_to_be_missing(running, tmp_path):
    with running.client() as http:
        http.post("/api/v1/orders", json=ORDER)
    (tmp_path / "journal.db").rename(tmp_path / "elsewhere.db")
    with Stream(running.url, f"{running.journal.id}.0.00000000.1") as stream:
        state = next(stream.events())
    assert (state.data["missed"], state.data["missed_because"]) == ("everything", "journal_unreadable")


def test_silence_is_broken_by_a_comment(running, monkeypatch):
    monkeypatch.setattr(followers, "HEARTBEAT_S", 0.02)
    with Stream(running.url) as stream:
        stream.answer()
        lines = stream.lines()
        while next(lines):
            pass
        assert [next(lines) for _ in range(4)] == [": ", "", ": ", ""]


def test_an_order_that_the_disk_does_not_take_is_told_without_a_number(running, monkeypatch):
    monkeypatch.setattr(running.journal._storage, "append", lambda lines: 1 / 0)
    with Stream(running.url) as stream, running.client() as http:
        events = stream.events()
        next(events)
        assert http.post("/api/v1/orders", json=ORDER).json()["durable"] is False
        running.feed._clock = lambda: 1e9 + LATE_S
        running.tick()
        first = next(events)
    assert (first.name, first.data["id"], first.data["seq"]) == ("order", "cut-1", None)


def test_a_tick_that_stands_is_told_though_it_tells_nothing(running, monkeypatch):
    monkeypatch.setattr(followers, "HEARTBEAT_S", 0.02)
    with Stream(running.url) as stream:
        events = stream.events()
        next(events)
        running.world.health = Health(ok=False, tick_age_s=9.0)
        stands = next(events)
        running.world.health = Health(ok=True, tick_age_s=0.1)
        runs = next(events)
    assert [reason["code"] for reason in stands.data["status"]["reasons"]] == ["tick_stands"]
    assert runs.data["status"]["reasons"] == []
    assert (stands.data["missed"], stands.id) == (None, runs.id)


def test_a_token_that_a_reload_takes_away_is_told_nothing_more(running):
    with Stream(running.url, role="viewer") as viewer, Stream(running.url, role="operator") as operator:
        gone, stays = viewer.events(), operator.events()
        assert [next(each).name for each in (gone, stays)] == ["state"] * 2
        running.tokens.replace(token for token in running.tokens if token.name != "viewer")
        tell(running, 7)
        assert list(gone) == []
        assert next(stays).data["number"] == 7


def test_no_token_has_more_than_its_streams_and_one_that_ends_makes_room(running):
    with ExitStack() as stack:
        streams = [stack.enter_context(Stream(running.url)) for _ in range(FOLLOWERS_EACH)]
        for stream in streams:
            next(stream.events())
        with Stream(running.url) as one_more:
            assert one_more.answer()[0] == 503
        assert running.world.refused == ["too_many_streams"]
        with Stream(running.url, role="authority") as other:
            next(other.events())
        streams[0].close()
        until(lambda: _is_let_in(running), "a stream that has ended makes room")


def _is_let_in(running):
    with Stream(running.url) as stream:
        return stream.answer()[0] == 200


def test_three_hundred_who_do_not_read_delay_no_order(running):
    """They are refused or stay; either way they take neither the room of an order nor the time of the tick."""
    with ExitStack() as stack:
        streams = [
            stack.enter_context(Stream(running.url, role=("viewer", "operator", "authority")[k % 3], buffer=2048))
            for k in range(300)
        ]
        answers = [stream.answer()[0] for stream in streams]
        assert (answers.count(200), answers.count(503)) == (FOLLOWERS, 300 - FOLLOWERS)
        tell(running, *range(KEPT), padding="x" * 500)
        obeys(running)
        with running.client() as http:
            assert http.get("/healthz").status_code == 200


def test_whoever_takes_nothing_for_long_has_to_go_and_silence_is_no_such_thing(running, monkeypatch):
    monkeypatch.setattr(visitor, "STALLED_S", 0.2)
    monkeypatch.setattr(visitor, "ANSWER_S", 0.0)
    monkeypatch.setattr(visitor, "HEAD_S", 0.0)
    with Stream(running.url, buffer=2048) as slow, Stream(running.url) as quiet:
        assert slow.answer()[0] == 200
        events = quiet.events()
        next(events)
        tell(running, *range(1000), padding="x" * 500)
        while numbers([next(events)]) != [999]:
            pass
        until(lambda: _is_reset(slow), "it is sent away")
        tell(running, "still here")
        assert numbers([next(events)]) == ["still here"]


def _is_reset(stream):
    try:
        return not stream.socket.send(b" ")
    except (ConnectionResetError, BrokenPipeError):
        return True


def test_a_peer_that_is_gone_without_a_word_has_to_go_too(running, monkeypatch):
    """Its cable is out, or its machine: nothing that is sent to it is answered, and no end of the connection comes."""
    monkeypatch.setattr(visitor, "STALLED_S", 1.0)
    monkeypatch.setattr(followers, "HEARTBEAT_S", 0.1)
    with Stream(running.url) as dead, Stream(running.url) as well:
        next(dead.events())
        events = well.events()
        next(events)
        until(lambda: len(_following(running)) == 2, "both follow")
        dead.falls_silent()
        until(lambda: len(_following(running)) == 1, "it is given up", 30.0)
        tell(running, "still here")
        assert numbers([next(events)]) == ["still here"]


def _following(running):
    return running.feed.on_told.__self__._waiting


def test_the_end_of_the_daemon_ends_every_stream_at_once(tmp_path, caplog):
    with ExitStack() as stack:
        with server_at(tmp_path / "journal.db") as running:
            streams = [stack.enter_context(Stream(running.url, buffer=2048)) for _ in range(5)]
            for stream in streams[:4]:
                next(stream.events())
            tell(running, *range(1000), padding="x" * 500)
        for stream in streams:
            stream.socket.settimeout(DEADLINE_S)
            assert _ends(stream)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR], "none had to be cancelled"


def _ends(stream):
    try:
        while stream.socket.recv(65536):
            pass
    except ConnectionResetError:
        return True
    return True


def test_a_tick_waits_for_no_loop_and_no_follower(running):
    with Stream(running.url) as stream:
        events = stream.events()
        next(events)
        tell(running, 1)
        next(events)
        stands, goes_on = threading.Event(), threading.Event()
        loop = running.feed.on_told.__self__._loop
        loop.call_soon_threadsafe(lambda: (stands.set(), goes_on.wait(DEADLINE_S)))
        assert stands.wait(DEADLINE_S)
        running.tick(warnings=(SILENT,))
        goes_on.set()
        assert next(events).name == "binding"


def test_those_who_are_gone_cost_nothing_more(running, monkeypatch):
    """Whatever they had still to be told is not made for them."""
    made, real = [], followers._framed
    monkeypatch.setattr(followers, "_framed", lambda *event: made.append(event) or real(*event))
    with ExitStack() as stack:
        for _ in range(FOLLOWERS_EACH):
            assert stack.enter_context(Stream(running.url, buffer=2048)).answer()[0] == 200
        other = stack.enter_context(Stream(running.url, role="authority")).events()
        next(other)
        tell(running, *range(KEPT - 1), padding="x" * 500)
        assert next(event for event in other if event.data.get("number") == KEPT - 2)
        before = len(made)
    until(lambda: _is_let_in(running), "they are gone")
    assert len(made) - before <= 3 * AT_ONCE * FOLLOWERS_EACH


def test_whoever_comes_back_waits_for_no_dead_disk(running, monkeypatch):
    monkeypatch.setattr(followers, "READ_S", 0.05)
    released = threading.Event()
    monkeypatch.setattr(running.feed, "recorded", lambda *_: released.wait(DEADLINE_S) and None)
    with running.client() as http:
        http.post("/api/v1/orders", json=ORDER)
    try:
        for _ in range(2):
            with Stream(running.url, f"{running.journal.id}.0.00000000.1") as stream:
                state = next(stream.events())
            assert (state.data["missed"], state.data["missed_because"]) == ("everything", "journal_unreadable")
    finally:
        released.set()
