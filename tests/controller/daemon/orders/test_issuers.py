"""Whose order it is: ids are their issuer's own, and only the issuer relaxes or ends an order."""

import json

import pytest

from controller.core.reasons import Code, Reason
from controller.daemon.access import Principal, Role
from controller.daemon.journal.journal import RecordKind
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.history import history
from controller.daemon.orders.records import ComesTo, Ending, OrderKey
from controller.daemon.orders.refusal import Cause, OrderRefused
from controller.daemon.orders.request import OrderChange, OrderRequest
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.daemon.orders.test_book import GRID, NOW_S, accept, book_at, intake_of

DSO = Principal(name="dso", role=Role.AUTHORITY)
OLGA, OMAR = (Principal(name=name, role=Role.OPERATOR) for name in ("olga", "omar"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def send(book: OrderBook, by: Principal, **fields):
    return intake_of(book).accept(OrderRequest.parse(json.dumps({"id": "o-1"} | fields).encode(), by.name), by)


def limits(book: OrderBook) -> dict[str, float]:
    return {limit.id: limit.limit_w for limit in book.limits()}


def refusal_of(work) -> OrderRefused:
    with pytest.raises(OrderRefused) as refused:
        work()
    return refused.value


def test_two_issuers_use_the_same_id_and_neither_touches_the_other_over_a_restart(path):
    with book_at(path) as (book, journal):
        send(book, GRID, limit_w=40e3)
        send(book, DSO, limit_w=30e3)
        assert limits(book) == {"grid/o-1": 40e3, "dso/o-1": 30e3}
        book.release("o-1", GRID, NOW_S)
        book.observe({"dso/o-1": ComesTo(1, 30e3)}, utc_s=NOW_S, utc_trusted=True)
        journal.append(RecordKind.MODE, {})
    with book_at(path) as (book, _):
        assert limits(book) == {"dso/o-1": 30e3}
        assert refusal_of(lambda: send(book, GRID, limit_w=40e3)).reasons[0].code is Code.ORDER_ENDED
        assert send(book, DSO, limit_w=30e3).durable


def test_an_authority_neither_releases_nor_changes_anothers_order(path):
    with book_at(path) as (book, _):
        send(book, GRID, limit_w=40e3)
        wanted = Reason(Code.ORDER_OF_ANOTHER, "dso", {"order": "o-1", "issuers": "grid"})
        tries = (
            lambda: book.release("o-1", DSO, NOW_S),
            lambda: book.release("o-1", DSO, NOW_S, "grid"),
            lambda: intake_of(book).change("o-1", OrderChange(revision=2, limit_w=50e3), DSO),
            lambda: book.release("o-1", OLGA, NOW_S),
        )
        for work in tries:
            refusal = refusal_of(work)
            assert refusal.cause is Cause.FORBIDDEN
            assert refusal.reasons[0].code is Code.ORDER_OF_ANOTHER
        assert refusal_of(tries[0]).reasons == (wanted,)
        assert limits(book) == {"grid/o-1": 40e3}


def test_a_limit_that_an_operator_set_is_an_operators_to_lift(path):
    with book_at(path, "grid") as (book, _):
        send(book, OLGA, limit_w=40e3)
        assert refusal_of(lambda: book.release("o-1", GRID, NOW_S)).cause is Cause.FORBIDDEN
        assert intake_of(book).change("o-1", OrderChange(revision=2, limit_w=45e3), OMAR).limit_w == 45e3
        assert book.issuers == {"grid"}, "and who sets a limit is no issuer that has to state its will"
    with book_at(path, "grid") as (book, _):
        assert limits(book) == {"olga/o-1": 45e3}
        assert book.issuers == {"grid"}
        book.release("o-1", OMAR, NOW_S)
        assert limits(book) == {}


def test_a_name_that_has_another_role_by_now_lifts_nothing_of_before(path):
    """The site file made an operator of an authority, and the other way round; each may still tighten by an order of its own."""
    with book_at(path) as (book, _):
        send(book, DSO, limit_w=30e3)
        send(book, OLGA, limit_w=40e3)
    with book_at(path) as (book, _):
        now_operator, now_authority = Principal(name="dso", role=OLGA.role), Principal(name="olga", role=DSO.role)
        later = OrderChange(revision=2, limit_w=99e3)
        for by in (now_operator, now_authority):
            assert refusal_of(lambda by=by: book.release("o-1", by, NOW_S, by.name)).cause is Cause.FORBIDDEN
            assert refusal_of(lambda by=by: intake_of(book).change("o-1", later, by, by.name)).cause is Cause.FORBIDDEN
        assert intake_of(book).state((), now_authority).ended == ()
        assert limits(book) == {"dso/o-1": 30e3, "olga/o-1": 40e3}
        book.release("o-1", OMAR, NOW_S, "olga")
        book.release("o-1", DSO, NOW_S)
        assert limits(book) == {}


def test_an_operator_names_the_issuer_where_an_id_is_ambiguous(path):
    with book_at(path) as (book, _):
        for by in (OLGA, Principal(name="otto", role=Role.OPERATOR), GRID):
            send(book, by, limit_w=40e3)
        refusal = refusal_of(lambda: book.release("o-1", OMAR, NOW_S))
        assert refusal.reasons == (Reason(Code.ORDER_AMBIGUOUS, "omar", {"order": "o-1", "issuers": "olga, otto"}),)
        assert refusal_of(lambda: book.find("o-1", OMAR)).reasons[0].parameters["issuers"] == "grid, olga, otto"
        assert book.find("o-1", OMAR, "grid").by == "grid"
        book.release("o-1", OMAR, NOW_S, "otto")
        assert limits(book).keys() == {"olga/o-1", "grid/o-1"}
        assert refusal_of(lambda: book.release("o-1", OMAR, NOW_S, "nobody")).cause is Cause.UNKNOWN


def old_body(order_id: str, by: str, limit_w: float, *, begun: bool = True) -> dict:
    """Return the record of an order as it was written before orders had an issuer of their own and a revision."""
    return {
        "id": order_id, "node": "pcc", "limit_w": limit_w, "starts_utc_s": NOW_S, "ends_utc_s": None, "ramp_w_s": None,
        "begun": begun, "content": "c", "by": by, "accepted_utc_s": NOW_S, "outcome": "accepted", "achievable_w": limit_w,
        "why": "",
    }  # fmt: skip


def test_an_old_journal_is_read_as_it_was_meant(path):
    journal = journal_at(path)
    for order_id, by in (("a", "grid"), ("b", "dso"), ("c", "grid"), ("d", "grid")):
        journal.append(RecordKind.ORDER, old_body(order_id, by, 40e3, begun=order_id != "d"))
    journal.append(RecordKind.ORDER_BEGUN, {"id": "d", "utc_s": NOW_S})
    # In those days any authority released another's.
    journal.append(RecordKind.RELEASE, {"id": "b", "by": "grid", "utc_s": NOW_S})
    journal.append(RecordKind.ORDER_ENDED, {"id": "a", "utc_s": NOW_S})
    journal.append(RecordKind.STATEMENT, {"by": "grid", "orders": ["d"], "ends": ["c"], "utc_s": NOW_S, "epoch": 1})
    journal.close()
    with book_at(path) as (book, journal):
        assert [(limit.id, limit.revision, limit.begun) for limit in book.limits()] == [("grid/d", 1, True)]
        ended = {view.order.key.id: view.standing for view in intake_of(book).list() if view.order.key.id != "d"}
        assert {order_id: (how.ending, how.by) for order_id, how in ended.items()} == {
            "a": (Ending.EXPIRED, "schedule"), "b": (Ending.RELEASED, "grid"), "c": (Ending.RELEASED, "grid"),
        }  # fmt: skip
        assert [event.event for event in history(journal, OrderKey("grid", "d"))] == ["accepted", "begun"]
        assert [event.event for event in history(journal, OrderKey("dso", "b"))] == ["accepted", "released"]
        assert intake_of(book).change("d", OrderChange(revision=2, limit_w=30e3), GRID).revision == 2
    with book_at(path) as (book, _):
        assert limits(book) == {"grid/d": 30e3}


def test_what_an_older_build_took_is_known_by_its_content_when_it_is_sent_again(path):
    body = old_body("o-1", "grid", 40e3) | {
        "content": "fc765fe878cd4e220a53a3a05040892d38b3d69acf23cff668d7b40117a6ddf8"
    }
    journal = journal_at(path)
    journal.append(RecordKind.ORDER, body)
    journal.close()
    with book_at(path) as (book, _):
        assert accept(book, limit_w=40e3).durable
        assert len(book.limits()) == 1
