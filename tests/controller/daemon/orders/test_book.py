"""The order book against invariant I3 and the rows on orders of the fault table."""

import json
import logging
import math
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.floor import declared_floor_w
from controller.core.reasons import Code, Reason
from controller.core.snapshot import OrderLimit
from controller.daemon.access import Principal, Role
from controller.daemon.journal import chain
from controller.daemon.journal.journal import Journal, RecordKind
from controller.daemon.orders import book as orders
from controller.daemon.orders import intake
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.intake import OrderIntake
from controller.daemon.orders.records import ComesTo, Ending, OrderKey, Outcome
from controller.daemon.orders.refusal import Cause, OrderRefused
from controller.daemon.orders.request import OrderRequest, Statement
from controller.daemon.orders.standing import Ended
from controller.daemon.utc import Utc
from controller.texts.english import texts
from drivers.errors import JournalUnusable
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.north import make_decision, make_site
from tests.examples import examples
from tests.waiting import DEADLINE_S

NOW_S = 1_795_000_000.0
GRID = Principal(name="grid", role=Role.AUTHORITY)
DECISION = make_decision()


@contextmanager
def book_at(path: Path, *issuers: str) -> Iterator[tuple[OrderBook, Journal]]:
    journal = journal_at(path, retry_s=0.02)
    try:
        yield OrderBook(journal, make_site(), frozenset(issuers)), journal
    finally:
        journal.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def names(book: OrderBook) -> list[str]:
    """Return the ids of all open orders."""
    return [OrderKey.of(limit.id).id for limit in book.limits()]


def listed(book: OrderBook) -> dict[str, Ending | None]:
    """Return by id how each listed order has ended."""
    views = intake_of(book).list()
    return {v.order.key.id: v.standing.ending if isinstance(v.standing, Ended) else None for v in views}


def intake_of(book, *, decision=DECISION, fresh=True, utc_s=NOW_S, utc_trusted=True, doubt=None, **more) -> OrderIntake:
    utc = Utc(utc_s=utc_s, trusted=utc_trusted, doubt=doubt)
    newest = decision if fresh else None
    return OrderIntake(site=make_site(), book=book, decision=lambda: newest, utc=lambda: utc, **more)


def accept(book, *, power_w=(80e3, None), utc_s=NOW_S, utc_trusted=True, **fields):
    request = OrderRequest.parse(json.dumps({"id": "o-1"} | fields).encode(), GRID.name)
    intake = intake_of(book, decision=replace(DECISION, power_w=power_w), utc_s=utc_s, utc_trusted=utc_trusted)
    return intake.accept(request, GRID)


SENDER = """
import json, pathlib, sys, time
sys.path.insert(0, ".")
from controller.daemon.journal import chain
from controller.daemon.orders.book import OrderBook
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.north import make_decision, make_site
from tests.controller.daemon.orders.test_book import GRID, accept
book = OrderBook(journal_at(pathlib.Path(sys.argv[1])), make_site())
answers = [accept(book, id=f"o-{k}", reduce_by_w=1000.0 * k) for k in range(1, 6)]
book.release("o-2", GRID, 1.0)
print([(a.id, a.limit_w, a.durable) for a in answers], flush=True)
time.sleep(60)
"""


def test_i3_an_answered_order_survives_kill_9(path):
    with subprocess.Popen([sys.executable, "-c", SENDER, path], stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert line == str([(f"o-{k}", 80e3 - 1000 * k, True) for k in range(1, 6)]) + "\n"
    with book_at(path) as (book, journal):
        assert {limit.id: limit.limit_w for limit in book.limits()} == {
            f"grid/o-{k}": 80e3 - 1e3 * k for k in (1, 3, 4, 5)
        }
        again = accept(book, id="o-5", reduce_by_w=5000.0, power_w=(10e3, None))
        assert (again.limit_w, again.durable) == (75e3, True), "the first answer, whatever the power is by now"
        journal.append(RecordKind.MODE, {})
        assert len(list(journal.records(RecordKind.ORDER))) == 5


def test_i3_concurrent_duplicates_are_one_order(path, monkeypatch):
    admit = intake.admit

    def slowly(*arguments, **more):
        threading.Event().wait(0.02)
        return admit(*arguments, **more)

    monkeypatch.setattr(intake, "admit", slowly)
    with book_at(path) as (book, journal):
        start, answers = threading.Barrier(16), []

        def send():
            start.wait(DEADLINE_S)
            answers.append(accept(book, limit_w=40e3))

        threads = [threading.Thread(target=send) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_S)
        assert len(answers) == 16
        assert len(set(answers)) == 1
        assert answers[0].durable
        assert len(list(journal.records(RecordKind.ORDER))) == 1
        assert len(book.limits()) == 1


def test_f15_same_id_with_other_content_is_refused_also_after_a_restart(path):
    with book_at(path) as (book, _):
        first = accept(book, limit_w=40e3, ends_at="2030-01-01T00:00:00Z")
        assert accept(book, limit_w=40_000, node="pcc", ends_at="2030-01-01T01:00:00+01:00") == first
        with pytest.raises(OrderRefused, match="other content") as refused:
            accept(book, limit_w=90e3)
        assert refused.value.cause is Cause.CONFLICT
        assert refused.value.reasons == (Reason(Code.ORDER_CONFLICT, "grid", {"order": "o-1", "revision": 1}),)
        book.release("o-1", GRID, NOW_S)
    with book_at(path) as (book, journal):
        for again in ({"limit_w": 90e3}, {"limit_w": 40e3, "ends_at": "2030-01-01T00:00:00Z"}):
            with pytest.raises(OrderRefused, match="o-1 has ended: released, by grid") as refused:
                accept(book, **again)
            assert refused.value.cause is Cause.CONFLICT
            assert refused.value.entry.ending is Ending.RELEASED, "it is told how it stands"
        assert book.limits() == (), "an order of the past starts nothing"
        journal.append(RecordKind.MODE, {})
        assert [record.body["id"] for record in journal.records(RecordKind.REFUSED)] == ["o-1", "o-1"]


def test_reduce_by_is_resolved_once_and_never_below_zero(path):
    with book_at(path) as (book, _):
        assert accept(book, id="a", reduce_by_w=30e3).limit_w == 50e3
        below = accept(book, id="b", reduce_by_w=500e3)
        assert (below.limit_w, below.outcome, below.achievable_w) == (0.0, Outcome.PARTIAL, 2100.0)
        for power_w in ((), (None, None), (math.nan, None)):
            with pytest.raises(OrderRefused, match="no trusted power"):
                accept(book, id="c", reduce_by_w=1e3, power_w=power_w)
        for intake in (intake_of(book, decision=None), intake_of(book, fresh=False)):
            with pytest.raises(OrderRefused) as refused:
                intake.accept(OrderRequest(id="c", reduce_by_w=1e3), GRID)
            assert refused.value.reasons == (Reason(Code.ORDER_WITHOUT_POWER, "grid", {"node": "pcc"}),)
        assert len(book.limits()) == 2


def test_an_unknown_floor_is_the_declared_one(path):
    assert declared_floor_w(make_site()).tolist() == [2100.0, 600.0]
    with book_at(path) as (book, _):
        request = OrderRequest(id="z", limit_w=0)
        nowhere = replace(DECISION, floor_w=np.array([math.nan, math.nan]))
        stale = replace(DECISION, floor_w=np.array([9e4, 9e4]))
        for intake in (
            intake_of(book, decision=None),
            intake_of(book, decision=nowhere),
            intake_of(book, decision=stale, fresh=False),
        ):
            answer = intake.accept(request, GRID)
            assert (answer.outcome, answer.achievable_w) == (Outcome.PARTIAL, 2100.0)


def test_f58_without_a_journal_a_tightening_order_counts_and_a_release_does_not(path, monkeypatch, caplog):
    with book_at(path) as (book, journal):
        accept(book, id="before", limit_w=50e3)
        with monkeypatch.context() as broken:
            broken.setattr(journal._storage, "append", lambda lines: 1 / 0)
            answer = accept(book, id="during", limit_w=0)
            assert (answer.outcome, answer.durable) == (Outcome.PARTIAL, False)
            assert texts(answer.reasons) == "pcc draws 2.1 kW with everything off; applied, not durable"
            assert [view.durable for view in intake_of(book).list()] == [True, False]
            for order_id in ("before", "during"):
                with pytest.raises(JournalUnusable):
                    book.release(order_id, GRID, NOW_S)
            assert names(book) == ["before", "during"]
        journal.append(RecordKind.MODE, {})
        again = accept(book, id="during", limit_w=0)
        assert (again.durable, texts(again.reasons)) == (True, "pcc draws 2.1 kW with everything off")
    assert [record.event for record in caplog.records] == ["journal_lost"]
    with book_at(path) as (book, _):
        assert names(book) == ["before", "during"]


def test_a_release_is_final_and_idempotent(path):
    with book_at(path) as (book, _):
        accept(book, limit_w=40e3)
        first, again = (intake_of(book).release("o-1", GRID) for _ in range(2))
        assert (first.outcome, first.durable, first.reasons) == (Outcome.RELEASED, True, ())
        assert again.outcome is Outcome.RELEASED
        assert texts(again.reasons) == "it had been released before"
        with pytest.raises(OrderRefused, match="no order moon") as refused:
            book.release("moon", GRID, NOW_S)
        assert refused.value.cause is Cause.UNKNOWN
        assert refused.value.reasons == (Reason(Code.ORDER_UNKNOWN, "grid", {"order": "moon"}),)
    with book_at(path) as (book, _):
        assert book.limits() == ()
        assert list(listed(book).values()) == [Ending.RELEASED]


def test_f32_an_order_that_has_begun_stays_begun_and_ends_by_a_trusted_clock_only(path):
    with book_at(path) as (book, _):
        accept(book, limit_w=40e3, starts_at="2030-01-01T00:00:00Z", ends_at="2030-01-01T01:00:00Z")
        (limit,) = book.limits()
        assert (limit.begun, limit.starts_utc_s, limit.ends_utc_s) == (False, 1893456000.0, 1893459600.0)
        book.observe({}, utc_s=NOW_S, utc_trusted=True)
        assert not book.limits()[0].begun
        book.observe({"grid/o-1": ComesTo(1, 40e3)}, utc_s=1893456000.0, utc_trusted=False)
        assert book.limits()[0].begun
    with book_at(path) as (book, _):
        assert book.limits()[0].begun, "a clock set back across a restart suspends nothing"
        book.observe({}, utc_s=2e9, utc_trusted=False)
        assert len(book.limits()) == 1
        book.observe({}, utc_s=2e9, utc_trusted=True)
        assert book.limits() == ()
    with book_at(path) as (book, _):
        assert book.limits() == (), "and it does not come back when the clock does"
        assert list(listed(book).values()) == [Ending.EXPIRED]


def test_an_order_without_a_start_has_begun(path):
    with book_at(path) as (book, _):
        accept(book, limit_w=40e3, ramp_w_per_s=500)
        limit = OrderLimit(
            id="grid/o-1", node=0, limit_w=40e3, starts_utc_s=NOW_S, ends_utc_s=math.inf, ramp_w_s=500.0, begun=True
        )
        assert book.limits() == (limit,)


def test_f59_after_damage_the_book_is_unsure_until_every_issuer_has_stated_its_will(path):
    with book_at(path, "grid", "dso") as (book, _):
        accept(book, limit_w=40e3)
        assert book.unsure is None
    path.write_bytes(b"rubbish")
    for _ in range(2):
        with book_at(path, "grid", "dso") as (book, _):
            assert book.unsure.code is Code.ORDERS_MAY_BE_MISSING
            assert book.unsure.parameters["who"] == "dso, grid"
            assert "damaged" in book.unsure.parameters["why"]
    with book_at(path, "grid", "dso") as (book, _):
        answer = accept(book, limit_w=40e3)
        assert book.unsure is not None, "one order is no statement of all"
        assert answer.reasons[-1] == book.unsure, "and its sender is told so"
        state(book, "dso")
        assert book.unsure.parameters["who"] == "grid"
    with book_at(path, "grid", "dso") as (book, _):
        assert book.unsure.parameters["who"] == "grid", "over a restart"
        assert book.release("o-1", GRID, NOW_S).key.id == "o-1"
        assert book.unsure is not None, "nor is a release"
        answer = state(book, "grid", {"id": "o-2", "limit_w": 30e3})
        assert (book.unsure, answer.doubt) == (None, None)
    with book_at(path, "grid", "dso") as (book, _):
        assert book.unsure is None
        assert names(book) == ["o-2"]


def state(book, issuer, *orders):
    body = json.dumps({"orders": orders}).encode()
    by = Principal(name=issuer, role=Role.AUTHORITY)
    return intake_of(book).state(Statement.parse(body, issuer).orders, by)


def test_a_statement_ends_what_it_does_not_list_of_its_issuer_alone(path):
    with book_at(path, "grid", "dso") as (book, _):
        for k in range(3):
            accept(book, id=f"o-{k}", limit_w=40e3)
        state(book, "dso", {"id": "d-1", "limit_w": 50e3})
        answer = state(book, "grid", {"id": "o-1", "limit_w": 40e3}, {"id": "o-9", "limit_w": 20e3})
        assert [(order.id, order.durable) for order in answer.orders] == [("o-1", True), ("o-9", True)]
        assert names(book) == ["o-1", "d-1", "o-9"]
        assert (listed(book)["o-0"], listed(book)["o-2"]) == (Ending.RELEASED, Ending.RELEASED)
    with book_at(path, "grid", "dso") as (book, journal):
        assert names(book) == ["o-1", "d-1", "o-9"]
        assert state(book, "grid").orders == ()
        assert names(book) == ["d-1"]
        journal.append(RecordKind.MODE, {})
        assert len(list(journal.records(RecordKind.ORDER))) == 5, "what is known is not entered twice"


def test_a_statement_that_cannot_be_taken_changes_nothing_and_names_every_reason(path):
    with book_at(path, "grid") as (book, journal):
        accept(book, id="o-1", limit_w=40e3)
        accept(book, id="o-2", limit_w=40e3)
        book.release("o-2", GRID, NOW_S)
        state(book, "dso", {"id": "d-1", "limit_w": 50e3})
        before = book.limits(), book.entries()
        orders = ({"id": "o-1", "limit_w": 41e3}, {"id": "o-2", "limit_w": 40e3}, {"id": "d-1", "limit_w": 50e3})
        with pytest.raises(OrderRefused) as refused:
            state(book, "grid", *orders, {"id": "new", "limit_w": 1, "node": "moon"})
        assert [reason.code for reason in refused.value.reasons] == [
            Code.ORDER_CONFLICT,
            Code.ORDER_STATED_ENDED,
            Code.ORDER_NODE_UNKNOWN,
        ]
        with pytest.raises(OrderRefused, match="o-7 is listed twice"):
            state(book, "grid", {"id": "o-7", "limit_w": 1}, {"id": "o-7", "limit_w": 1})
        assert (book.limits(), book.entries()) == before
        journal.append(RecordKind.MODE, {})
        assert len(list(journal.records(RecordKind.STATEMENT))) == 1
    assert json.dumps(str(refused.value))


def test_f58_a_statement_that_is_not_on_the_disk_tightens_and_ends_nothing(path, monkeypatch):
    with book_at(path, "grid") as (book, journal):
        accept(book, id="o-1", limit_w=40e3)
        book.doubt("for the test")
        journal.append(RecordKind.MODE, {})
        with monkeypatch.context() as broken:
            broken.setattr(journal._storage, "append", lambda lines: 1 / 0)
            with pytest.raises(JournalUnusable):
                state(book, "grid", {"id": "o-2", "limit_w": 10e3})
            with pytest.raises(JournalUnusable):
                state(book, "grid")
            assert names(book) == ["o-1", "o-2"]
            assert book.unsure is not None
        journal.append(RecordKind.MODE, {})
        state(book, "grid")
        assert (book.limits(), book.unsure) == ((), None)


def test_where_the_site_names_no_issuer_an_operator_confirms_and_else_nobody_but_they(path):
    operator = Principal(name="olga", role=Role.OPERATOR)
    with book_at(path) as (book, _):
        book.doubt("for the test")
        assert book.unsure.parameters["who"] == "an operator"
        assert intake_of(book).confirm("called the grid", operator).doubt is None
        assert book.unsure is None
    with book_at(path) as (book, _):
        assert book.unsure is None
    with book_at(path, "grid") as (book, _):
        book.doubt("for the test")
        with pytest.raises(OrderRefused) as refused:
            intake_of(book).confirm("I know it", operator)
        assert refused.value.reasons == (Reason(Code.ISSUERS_MUST_STATE, "olga", {"issuers": "grid"}),)
        assert book.unsure is not None


def test_an_issuer_that_is_taken_out_of_the_site_file_has_still_to_speak_until_it_is_retired(path):
    with book_at(path, "grid", "dso") as (book, journal):
        journal.begin_epoch(issuers=["dso", "grid"])
        state(book, "dso", {"id": "d-1", "limit_w": 50e3})
        accept(book, id="o-1", limit_w=40e3)
        book.doubt("for the test")
    with book_at(path, "grid") as (book, _):
        assert book.unsure.parameters["who"] == "dso, grid"
        state(book, "grid", {"id": "o-1", "limit_w": 40e3})
        assert book.unsure.parameters["who"] == "dso", "deleting it from the file ends nothing"
        assert names(book) == ["d-1", "o-1"]
        assert book.retire("dso", ["grid"], "the company is no more", NOW_S) == ("d-1",)
        assert book.unsure is None
        assert names(book) == ["o-1"]
        for orders in ((), ({"id": "d-2", "limit_w": 50e3},)):
            with pytest.raises(OrderRefused, match="dso is retired") as refused:
                state(book, "dso", *orders)
            assert refused.value.cause is Cause.RETIRED
    with book_at(path, "grid", "dso") as (book, _):
        assert book.unsure is None
        assert listed(book) == {"d-1": Ending.RETIRED, "o-1": None}
        book.doubt("for the test")
        assert book.unsure.parameters["who"] == "grid"


def test_an_order_on_a_node_that_is_gone_limits_the_site(path, caplog):
    with book_at(path) as (book, _):
        accept(book, limit_w=1e3, node="feeder")
    caplog.set_level(logging.WARNING)
    site = make_site()
    journal = journal_at(path)
    book = OrderBook(journal, replace(site, tree=replace(site.tree, ids=("pcc", "other"))))
    journal.close()
    assert [(limit.node, limit.limit_w) for limit in book.limits()] == [(0, 1e3)]
    assert [record.event for record in caplog.records] == ["order_node_gone"]


def test_a_listing_has_every_open_order_and_the_newest_others(path, monkeypatch):
    monkeypatch.setattr(orders, "LISTED_ENDED", 2)
    with book_at(path) as (book, _):
        for k in range(6):
            accept(book, id=f"o-{k}", limit_w=40e3)
        for k in range(1, 5):
            book.release(f"o-{k}", GRID, NOW_S)
        assert list(listed(book)) == ["o-0", "o-3", "o-4", "o-5"]
        with pytest.raises(OrderRefused, match="has ended"):
            accept(book, id="o-1", limit_w=40e3)
        assert names(book) == ["o-0", "o-5"]


def test_a_record_that_is_not_understood_is_a_doubt_and_stops_no_start(path):
    with book_at(path, "grid") as (book, journal):
        accept(book, limit_w=40e3)
        journal.append(RecordKind.ORDER, {"id": "from the future"})
    with book_at(path, "grid") as (book, _):
        assert "record 2 of the journal is not understood" in book.unsure.parameters["why"]
        assert names(book) == ["o-1"]
        state(book, "grid", {"id": "o-1", "limit_w": 40e3})
        assert book.unsure is None
    with book_at(path, "grid") as (book, _):
        assert book.unsure is None


IDS = st.sampled_from(["a", "b", "c", "d"])
STEPS = st.lists(
    st.tuples(st.just("accept"), IDS, st.sampled_from([0.0, 40e3, 90e3]), st.sampled_from([None, 60, 3600]))
    | st.tuples(st.just("release"), IDS)
    | st.tuples(st.just("observe"), st.sets(IDS), st.integers(0, 7200), st.booleans())
    | st.tuples(st.just("restart")),
    max_size=30,
)


@settings(max_examples=examples(80), deadline=None)
@given(steps=STEPS)
def test_i3_any_history_is_replayed_to_the_same_book(steps):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        journal = journal_at(path)
        book = OrderBook(journal, make_site())
        for step in [*steps, ("restart",)]:
            if step == ("restart",):
                before = (book.limits(), book.entries(), book.unsure)
                journal.close()
                journal = journal_at(path)
                book = OrderBook(journal, make_site())
                assert (book.limits(), book.entries(), book.unsure) == before
            else:
                do(book, step)
        chain.verify(path)
        journal.close()


def do(book: OrderBook, step: tuple) -> None:
    """Carry out a step and hold what it did against the rules."""
    was = {OrderKey.of(limit.id).id: limit for limit in book.limits()}
    try:
        match step:
            case ("accept", order_id, limit_w, lasts_s):
                ends_at = lasts_s and datetime.fromtimestamp(NOW_S + lasts_s, UTC).isoformat()
                accept(book, id=order_id, limit_w=limit_w, ends_at=ends_at, utc_trusted=False)
            case ("release", order_id):
                book.release(order_id, GRID, NOW_S)
                assert order_id not in set(names(book))
            case ("observe", in_force, after_s, trusted):
                book.observe({f"grid/{each}": None for each in in_force}, utc_s=NOW_S + after_s, utc_trusted=trusted)
                left = set(names(book))
                assert trusted or left == set(was), "only a trusted clock ends an order"
    except OrderRefused:
        assert {OrderKey.of(limit.id).id: limit for limit in book.limits()} == was
