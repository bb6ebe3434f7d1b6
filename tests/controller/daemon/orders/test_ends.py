"""What an issuer is told of an order's end, and what it tells of its own clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from controller.core.reasons import Code, Reason
from controller.daemon.access import Principal, Role
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.request import OrderRequest, Statement
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
