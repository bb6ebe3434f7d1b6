"""What an issuer is told of an order's end, and what it tells of its own clock."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime

import pytest

from controller.core.reasons import Code, Reason
from controller.daemon.access import Principal, Role
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.refusal import OrderRefused
from controller.daemon.orders.request import OrderChange, OrderRequest, Statement
from controller.texts.english import texts
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.daemon.orders.test_book import GRID, NOW_S, intake_of
from tests.controller.north import make_site

DOUBT = Reason(Code.CLOCK_UNSYNCHRONISED, "pcc")
SENT = datetime.fromtimestamp(NOW_S - 0.4, UTC).isoformat()


@pytest.fixture
def book(tmp_path):
    journal = journal_at(tmp_path / "journal.db")
    yield OrderBook(journal, make_site())
    journal.close()


def order(**fields) -> OrderRequest:
    return OrderRequest.parse(json.dumps({"id": "o-1", "limit_w": 40e3} | fields).encode(), GRID.name)


def test_an_end_that_will_not_come_by_the_clock_is_said_in_the_answer(book):
    intake = intake_of(book, doubt=DOUBT, utc_trusted=False)
    answer = intake.accept(order(ends_at="2030-01-01T00:00:00Z"), GRID)
    assert texts(answer.reasons) == (
        "it does not end by the clock now: the kernel says that the wall clock is not synchronised"
    )
    (stated,) = intake.state([order(ends_at="2030-01-01T00:00:00Z")], GRID).orders
    assert stated.reasons == answer.reasons
    again = intake_of(book).accept(order(ends_at="2030-01-01T00:00:00Z"), GRID)
    assert again.reasons == (), "the answer tells of now"


def test_an_order_without_an_end_has_none_to_wait_for(book):
    assert intake_of(book, doubt=DOUBT, utc_trusted=False).accept(order(), GRID).reasons == ()


def test_an_issuers_time_is_heard_whatever_becomes_of_its_order(book):
    heard = []
    intake = intake_of(book, hear=lambda issuer, utc_s: heard.append((issuer, utc_s)))
    intake.accept(order(sent_at=SENT), GRID)
    intake.accept(order(), GRID)
    statement = Statement.parse(json.dumps({"orders": [], "sent_at": SENT}).encode(), GRID.name)
    intake.state(statement.orders, GRID, statement.sent_at)
    assert heard == [(GRID.name, NOW_S - 0.4)] * 2
    intake.accept(order(id="own", sent_at=SENT), Principal(name="ops", role=Role.OPERATOR))
    assert len(heard) == 2, "an operator vouches for no clock by the way"


def test_when_it_was_sent_is_no_part_of_an_order(book):
    intake = intake_of(book)
    intake.accept(order(sent_at="2026-11-21T18:00:00Z"), GRID)
    assert intake.accept(order(sent_at="2026-11-21T18:00:07Z"), GRID).durable


@pytest.mark.parametrize("size", ["limit_w", "limit_percent"])
def test_a_zero_with_a_sign_is_the_same_order(book, size):
    intake = intake_of(book)
    for zero in ("0", "-0.0", "0.0"):
        request = OrderRequest.parse(f'{{"id": "o-0", "{size}": {zero}}}'.encode(), "grid")
        assert str(intake.accept(request, GRID).limit_w) == "0.0"


def test_an_end_that_the_disk_has_not_taken_is_not_called_durable(book, monkeypatch):
    """After a power cut the order would be there again, and by a clock in doubt it would not end."""
    intake = intake_of(book)
    intake.accept(order(ends_at="2030-01-01T00:00:00Z"), GRID)
    monkeypatch.setattr(book._journal._storage, "append", lambda lines: 1 / 0)
    book.observe({}, utc_s=2e9, utc_trusted=True)
    assert book.limits() == ()
    answer = intake.release("o-1", GRID)
    assert (answer.durable, [reason.code for reason in answer.reasons]) == (
        False, [Code.ORDER_ENDED_BEFORE, Code.ORDER_NOT_DURABLE]
    )  # fmt: skip


def test_the_answer_tells_how_the_order_stands_when_it_is_given(book):
    """Both wait for the disk: who sent it is not told of an order in force that an operator has released meanwhile."""
    intake = intake_of(book)
    taken = intake.take(order(), GRID)
    intake.release("o-1", GRID)
    with pytest.raises(OrderRefused) as refused:
        taken.answer()
    assert [reason.code for reason in refused.value.reasons] == [Code.ORDER_ENDED]
    taken = intake.take(order(id="o-2"), GRID)
    change = OrderChange.parse(json.dumps({"limit_w": 20e3, "revision": 2}).encode(), GRID.name)
    intake.change("o-2", change, GRID)
    answer = taken.answer()
    assert (answer.revision, answer.limit_w, answer.durable) == (2, 20e3, True)


def test_a_tick_waits_for_nobody_who_is_at_the_orders(book):
    """An issuer that lists thousands of orders has the book for a while; what begins and ends is noted in the next tick."""
    intake_of(book).accept(order(ends_at="2030-01-01T00:00:00Z"), GRID)
    tick = threading.Thread(target=lambda: book.observe({}, utc_s=2e9, utc_trusted=True))
    with book._lock:
        tick.start()
        tick.join(1.0)
        assert not tick.is_alive()
    assert len(book.limits()) == 1
    book.observe({}, utc_s=2e9, utc_trusted=True)
    assert book.limits() == ()
