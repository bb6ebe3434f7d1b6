"""All orders in memory: what is listed of them, and that what ended years ago costs nobody anything."""

from __future__ import annotations

import time

import pytest

from controller.core.reasons import Code
from controller.daemon.orders.admission import PowerNow, admit
from controller.daemon.orders.ledger import Ledger
from controller.daemon.orders.records import EndedOrder, Ending, OpenOrder, OrderKey, order_of
from controller.daemon.orders.refusal import OrderRefused
from controller.daemon.orders.request import OrderRequest, Statement
from tests.controller.daemon.orders.test_admission import GRID, UTC
from tests.controller.north import make_site

SITE = make_site()


def order(order_id: str) -> OpenOrder:
    return admit(OrderRequest(id=order_id, limit_w=20e3), SITE, PowerNow(), UTC, GRID)


def key(order_id: str) -> OrderKey:
    return OrderKey("grid", order_id)


def listed(ledger: Ledger, ended: int) -> list[str]:
    entries = ledger.newest(ended)
    return [f"{'-' * isinstance(entry, EndedOrder)}{order_of(entry).key.id}" for entry in entries]


def test_all_open_orders_are_listed_and_the_newest_of_the_others_in_the_sequence_of_their_acceptance():
    ledger = Ledger()
    for order_id in "abcdefg":
        ledger.put(order(order_id))
    for order_id in "fbe":
        ledger.end(key(order_id), Ending.RELEASED, 1.0, "grid")
    assert listed(ledger, 2) == ["a", "c", "d", "-e", "-f", "g"]
    assert listed(ledger, 99) == ["a", "-b", "c", "d", "-e", "-f", "g"]
    assert listed(ledger, 0) == ["a", "c", "d", "g"]
    assert Ledger().newest(9) == ()


def test_a_list_of_many_counts_at_once():
    ledger = Ledger()
    ledger.put(*map(order, "abc"))
    assert len(ledger.limits) == 3
    ledger.end_all("grid", ["a", "c", "moon"], Ending.RELEASED, 1.0, "grid")
    assert [limit.id for limit in ledger.limits] == ["grid/b"]


def _listing_s(ended: int) -> float:
    """Return the processor's time for a listing beside so many orders that have ended."""
    ledger, one = Ledger(), order("a")
    for k in range(ended):
        ledger._entries[key(f"o-{k}")] = EndedOrder(order=one, ending=Ending.EXPIRED, ended_utc_s=1.0, by="schedule")
    ledger.put(order("last"))
    begun_s = time.thread_time()
    for _ in range(20):
        ledger.newest(200)
    return time.thread_time() - begun_s


def test_what_ended_long_ago_is_not_gone_through():
    assert _listing_s(100_000) < 5.0 * _listing_s(1_000)


def test_a_body_in_which_one_key_stands_ten_thousands_of_times_takes_no_time():
    """An issuer may send a megabyte: what is quadratic in that takes the processor for seconds."""
    body = b'{"orders": [], ' + b'"sent_at":null,' * 69_000 + b'"orders": []}'
    begun_s = time.thread_time()
    with pytest.raises(OrderRefused) as refused:
        Statement.parse(body, "grid")
    assert time.thread_time() - begun_s < 1.0
    assert {reason.code for reason in refused.value.reasons} == {Code.ORDER_FIELD_TWICE}
