"""A cut that is to come: it is worked out at its start, then fixed, on record, and there after a restart."""

import math

import pytest

from controller.core.reasons import Code
from controller.daemon.journal.journal import RecordKind
from controller.daemon.orders.records import ComesTo, OrderKey
from controller.daemon.orders.standing import InForce, Scheduled
from tests.controller.daemon.orders.test_book import NOW_S, accept, book_at, intake_of

SOON, LATER = "2030-01-01T00:00:00Z", "2030-01-01T01:00:00Z"
NAME = "grid/o-1"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def test_it_is_taken_without_a_power_and_has_no_limit_yet(path):
    with book_at(path) as (book, _):
        answer = accept(book, reduce_by_w=30e3, starts_at=SOON, power_w=(None, None))
        assert [reason.code for reason in answer.reasons] == [Code.ORDER_WORKED_OUT_LATER]
        (limit,) = book.limits()
        assert (limit.limit_w, limit.reduce_by_w, limit.begun) == (math.inf, 30e3, False)
    with book_at(path) as (book, _):
        assert book.limits() == (limit,)
        (view,) = intake_of(book).list()
        assert view.standing == Scheduled()


def test_what_it_comes_to_is_fixed_at_its_start_and_survives_a_restart(path):
    with book_at(path) as (book, journal):
        accept(book, reduce_by_w=30e3, starts_at=SOON, ends_at=LATER)
        book.observe({NAME: ComesTo(1, 41e3)}, utc_s=NOW_S, utc_trusted=True)
        book.observe({NAME: ComesTo(1, 22e3)}, utc_s=NOW_S, utc_trusted=True)
        (limit,) = book.limits()
        assert (limit.limit_w, limit.reduce_by_w, limit.begun) == (41e3, None, True)
        journal.append(RecordKind.MODE, {})
        (record,) = journal.records(RecordKind.ORDER_BEGUN)
        assert record.body["limit_w"] == 41e3
    with book_at(path) as (book, _):
        assert book.limits() == (limit,)
        events = book.history(OrderKey("grid", "o-1"))
        assert [(event.event, event.limit_w) for event in events] == [("accepted", None), ("begun", 41e3)]
        assert accept(book, reduce_by_w=30e3, starts_at=SOON, ends_at=LATER).limit_w == 41e3, "sent once more"


def test_while_the_safe_step_decides_it_has_begun_and_is_worked_out_afterwards(path):
    with book_at(path) as (book, _):
        accept(book, reduce_by_w=30e3, starts_at=SOON)
        book.observe({NAME: None}, utc_s=NOW_S, utc_trusted=True)
        (limit,) = book.limits()
        assert (limit.begun, limit.reduce_by_w) == (True, 30e3)
    with book_at(path) as (book, journal):
        for _ in range(2):
            book.observe({NAME: None}, utc_s=NOW_S, utc_trusted=True)
        book.observe({NAME: ComesTo(1, 12e3)}, utc_s=NOW_S, utc_trusted=True)
        assert book.limits()[0].limit_w == 12e3
        journal.append(RecordKind.MODE, {})
        assert len(list(journal.records(RecordKind.ORDER_BEGUN))) == 2


def test_the_power_at_the_acceptance_does_not_count(path):
    with book_at(path) as (book, _):
        accept(book, reduce_by_w=30e3, starts_at=SOON, power_w=(80e3, None))
        assert book.limits()[0].limit_w == math.inf
        accept(book, id="now", reduce_by_w=30e3, starts_at="2020-01-01T00:00:00Z", power_w=(80e3, None))
        assert book.limits()[1].limit_w == 50e3, "it has started already"


def test_an_order_whose_start_has_come_is_not_called_scheduled_until_a_tick_sees_it(path):
    with book_at(path) as (book, _):
        accept(book, limit_w=40e3, starts_at="2020-01-01T00:00:00Z")
        assert intake_of(book).list()[0].standing == InForce()
