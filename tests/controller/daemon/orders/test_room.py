"""Row 30 of the fault table: a flood of orders is refused at a bound, and one that tightens always finds room."""

import contextlib
import itertools
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.reasons import Code
from controller.core.snapshot import OrderLimit
from controller.daemon.access import Principal, Role
from controller.daemon.orders import room
from controller.daemon.orders.records import OpenOrder, OrderKey, Outcome
from controller.daemon.orders.refusal import Cause, OrderRefused
from controller.daemon.orders.request import OrderChange, OrderRequest
from drivers.errors import JournalUnusable
from tests.controller.daemon.orders.test_book import GRID, NOW_S, book_at, intake_of
from tests.examples import examples

DSO = Principal(name="dso", role=Role.AUTHORITY)
SOON, LATER = "2030-01-01T00:00:00Z", "2031-01-01T00:00:00Z"


@pytest.fixture
def few(tmp_path, monkeypatch):
    """A book in which each issuer may have three orders that bind, and two that are scheduled."""
    monkeypatch.setattr(room, "BINDING_EACH", 3)
    monkeypatch.setattr(room, "SCHEDULED_EACH", 2)
    with book_at(tmp_path / "journal.db") as (book, _):
        yield book


def send(book, order_id: str, by: Principal = GRID, **fields):
    return intake_of(book).accept(OrderRequest.parse(json.dumps({"id": order_id} | fields).encode(), by.name), by)


def refused(book, order_id: str, **fields) -> Code:
    with pytest.raises(OrderRefused) as refusal:
        send(book, order_id, **fields)
    assert refusal.value.cause is Cause.FULL
    (reason,) = refusal.value.reasons
    return reason.code


def test_scheduled_orders_take_no_room_of_those_that_bind_nor_the_other_way_round(few):
    for k in range(2):
        send(few, f"later-{k}", limit_w=40e3, starts_at=SOON)
    assert refused(few, "later-2", limit_w=0, starts_at=SOON) is Code.TOO_MANY_SCHEDULED
    for k in range(3):
        send(few, f"now-{k}", limit_w=40e3)
    assert refused(few, "now-3", limit_w=40e3) is Code.TOO_MANY_ORDERS
    few.release("now-0", GRID, NOW_S)
    send(few, "now-4", limit_w=50e3)


def test_orders_that_begin_or_are_changed_make_no_room_without_end(few):
    for k in range(10):
        with contextlib.suppress(OrderRefused):
            send(few, f"later-{k}", limit_w=40e3, starts_at=SOON)
            few.observe({f"grid/later-{k}": None}, utc_s=NOW_S, utc_trusted=True)
        with contextlib.suppress(OrderRefused):
            send(few, f"now-{k}", limit_w=40e3)
            body = json.dumps({"revision": 2, "limit_w": 40e3, "starts_at": SOON}).encode()
            intake_of(few).change(f"now-{k}", OrderChange.parse(body, GRID.name), GRID)
    assert len(few.limits()) == room.BINDING_EACH + room.SCHEDULED_EACH


def test_one_issuers_flood_takes_no_room_of_another(few):
    for k in range(3):
        send(few, f"o-{k}", limit_w=40e3)
        assert send(few, f"o-{k}", DSO, limit_w=60e3).limit_w == 60e3


def test_an_order_that_tightens_always_finds_room_and_none_is_lost_for_it(few):
    for k in range(3):
        send(few, f"o-{k}", limit_w=40e3)
    assert refused(few, "same", limit_w=40e3) is Code.TOO_MANY_ORDERS
    assert refused(few, "looser", limit_w=50e3) is Code.TOO_MANY_ORDERS
    assert send(few, "tighter", limit_w=30e3).limit_w == 30e3
    hair = send(few, "by-a-hair", limit_w=29_999)
    assert hair.limit_w == pytest.approx(0.99 * 30e3), "it counts, and a little lower than it was asked for"
    assert [reason.code for reason in hair.reasons] == [Code.ORDER_TAKEN_LOWER]
    assert send(few, "nothing", limit_w=0).limit_w == 0.0
    assert len(few.limits()) == 6
    assert send(few, "feeder", limit_w=500e3, node="feeder").limit_w == 500e3, "nothing binds there yet"


@pytest.mark.parametrize("size", [{"limit_percent": 29.999}, {"reduce_by_w": 50_001}])
def test_that_an_order_is_taken_lower_is_said_however_it_gives_its_limit(few, size):
    for k in range(3):
        send(few, f"o-{k}", limit_w=30e3)
    answer = send(few, "lower", **size)
    assert answer.limit_w == pytest.approx(0.99 * 30e3)
    assert [reason.code for reason in answer.reasons] == [Code.ORDER_TAKEN_LOWER]


def test_whoever_tightens_again_and_again_comes_to_nothing_before_long(few):
    for k in range(3):
        send(few, f"o-{k}", limit_w=100e3)
    count = 0
    while few.limits()[-1].limit_w > 0.0:
        count += 1
        least_w = min(limit.limit_w for limit in few.limits())
        send(few, f"t-{count}", limit_w=least_w * 0.9999999)
    assert 1000 < count < 1200
    assert refused(few, "more", limit_w=0) is Code.TOO_MANY_ORDERS


def test_an_order_that_only_outlasts_the_others_is_taken_until_it_is_released(few):
    for k in range(3):
        send(few, f"o-{k}", limit_w=40e3, ends_at=SOON)
    assert refused(few, "shorter", limit_w=40e3, ends_at="2029-12-31T00:00:00Z") is Code.TOO_MANY_ORDERS
    for _ in range(2):
        longer = send(few, "longer", limit_w=40e3, ends_at=LATER)
        assert [reason.code for reason in longer.reasons] == [Code.ORDER_TAKEN_LONGER]
    assert (few.limits()[-1].limit_w, few.limits()[-1].ends_utc_s) == (40e3, math.inf)
    assert refused(few, "longer-still", limit_w=40e3) is Code.TOO_MANY_ORDERS
    assert send(few, "lower", limit_w=30e3, ends_at=SOON).reasons == ()
    looser = send(few, "between", limit_w=35e3, ends_at=LATER)
    assert (looser.limit_w, few.limits()[-1].ends_utc_s) == (35e3, math.inf), "below all that last as long"


@settings(max_examples=examples(60), deadline=None)
@given(
    sent=st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 10e3, 39.9e3, 40e3]), st.integers(1, 2000)), min_size=10, max_size=60
    )
)
def test_whatever_is_sent_beyond_the_quota_what_tightens_at_some_time_is_taken_and_nothing_else(sent):
    binding = [_open(f"o-{k}", 40e3, 1000.0) for k in range(room.BINDING_EACH)]
    for k, (limit_w, ends_utc_s) in enumerate(sent):
        order = _open(f"t-{k}", limit_w, float(ends_utc_s))
        covered = any(each.limit.limit_w <= limit_w and each.limit.ends_utc_s >= ends_utc_s for each in binding)
        try:
            taken = room.in_its_room(order, binding)
        except OrderRefused:
            assert covered
            continue
        assert not covered
        assert taken.limit.limit_w <= limit_w
        assert taken.limit.ends_utc_s >= ends_utc_s, "it is kept in full"
        binding.append(taken)
    lasting = sorted(each.limit.limit_w for each in binding if each.limit.ends_utc_s == math.inf)
    assert all(lower <= room.STEP * higher or lower == 0.0 for lower, higher in itertools.pairwise(lasting))


def _open(order_id: str, limit_w: float, ends_utc_s: float) -> OpenOrder:
    limit = OrderLimit(
        id=f"grid/{order_id}",
        node=0,
        limit_w=limit_w,
        starts_utc_s=0.0,
        ends_utc_s=ends_utc_s,
        ramp_w_s=math.inf,
        begun=True,
    )
    return OpenOrder(
        limit=limit, node="pcc", content="c", by="grid", role=Role.AUTHORITY, accepted_utc_s=0.0,
        outcome=Outcome.ACCEPTED, achievable_w=0.0, reasons=(),
    )  # fmt: skip


def test_with_a_thousand_open_an_order_to_nothing_is_taken(tmp_path):
    with book_at(tmp_path / "journal.db") as (book, _):
        intake = intake_of(book)
        for k in range(1000):
            starts = {"starts_at": SOON} if k % 2 else {}
            order = OrderRequest.parse(json.dumps({"id": f"o-{k}", "limit_w": 40e3} | starts).encode(), "grid")
            # Without waiting for the disk, which this is not about.
            book.enter(OrderKey("grid", order.id), intake._wanted(order, GRID), GRID)
        assert len(book.limits()) == 1000
        assert send(book, "stop", limit_w=0).limit_w == 0.0
        assert book.limits()[-1].limit_w == 0.0


def test_statements_that_cannot_be_stored_fill_no_memory(tmp_path, monkeypatch):
    """What a statement lists counts at once, what it does not list ends on the disk first: without that, nothing ends."""
    monkeypatch.setattr(room, "WHILE_STATING", 5)
    monkeypatch.setattr("controller.daemon.orders.book.STORED_S", 0.05)
    with book_at(tmp_path / "journal.db") as (book, journal):

        def state(*ids: str) -> None:
            intake_of(book).state([OrderRequest(id=id_, limit_w=40e3) for id_ in ids], GRID)

        state("a-1", "a-2")
        with monkeypatch.context() as broken:
            broken.setattr(journal._storage, "append", lambda lines: 1 / 0)
            for fresh in (("b-1", "b-2"), ("b-1", "c-1")):
                with pytest.raises(JournalUnusable):
                    state(*fresh)
            with pytest.raises(OrderRefused) as refusal:
                state("d-1")
            (reason,) = refusal.value.reasons
            assert (refusal.value.cause, reason.code) == (Cause.FULL, Code.TOO_MANY_STATED)
            assert len(book.limits()) == 5
            assert not send(book, "tight", limit_w=1e3).durable, "one that tightens is taken all the same"
