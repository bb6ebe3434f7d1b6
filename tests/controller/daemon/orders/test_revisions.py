"""The next revision of an order: what tightens counts at once, what relaxes once it is on the disk."""

import json
import math
import threading

import pytest

from controller.core.reasons import Code, Reason
from controller.core.snapshot import OrderLimit
from controller.daemon.journal.journal import RecordKind
from controller.daemon.orders.records import ComesTo, OrderKey, tightens
from controller.daemon.orders.refusal import Cause, OrderRefused
from controller.daemon.orders.request import OrderChange
from drivers.errors import JournalUnusable
from tests.controller.daemon.orders.test_book import GRID, NOW_S, accept, book_at, intake_of, state
from tests.waiting import DEADLINE_S, until

SOON, LATER = "2030-01-01T00:00:00Z", "2031-01-01T00:00:00Z"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def change(book, revision: int, order_id: str = "o-1", **fields):
    body = json.dumps({"revision": revision} | fields).encode()
    return intake_of(book).change(order_id, OrderChange.parse(body, GRID.name), GRID)


def refusal_of(work, afterwards) -> OrderRefused | None:
    """Return how some work is refused, None where it is not; `afterwards` is done in any case."""
    try:
        work()
    except OrderRefused as refusal:
        return refusal
    else:
        return None
    finally:
        afterwards()


def limits_w(book) -> list[float]:
    return [limit.limit_w for limit in book.limits()]


def test_the_next_revision_tightens_and_relaxes_and_is_there_after_a_restart(path):
    with book_at(path) as (book, _):
        accept(book, limit_w=40e3)
        tighter = change(book, 2, limit_w=20e3)
        assert (tighter.revision, tighter.limit_w, tighter.durable) == (2, 20e3, True)
        assert change(book, 3, limit_w=60e3, ends_at=SOON).limit_w == 60e3
    with book_at(path) as (book, journal):
        (limit,) = book.limits()
        assert (limit.revision, limit.limit_w, limit.begun, limit.ends_utc_s) == (3, 60e3, True, 1893456000.0)
        kinds = [event.event for event in book.history(OrderKey("grid", "o-1"))]
        assert kinds == ["accepted", "changed", "changed"]
        assert len(list(journal.records(RecordKind.ORDER_CHANGED))) == 2


def test_the_same_revision_once_more_changes_nothing(path):
    with book_at(path) as (book, journal):
        accept(book, limit_w=40e3)
        assert change(book, 2, limit_w=20e3) == change(book, 2, limit_w=20e3)
        journal.append(RecordKind.MODE, {})
        assert len(list(journal.records(RecordKind.ORDER_CHANGED))) == 1


@pytest.mark.parametrize(("revision", "limit_w"), [(1, 30e3), (2, 30e3), (4, 20e3), (1, 40e3)])
def test_a_revision_that_is_not_the_next_is_refused_and_the_present_one_named(path, revision, limit_w):
    with book_at(path) as (book, _):
        accept(book, limit_w=40e3)
        change(book, 2, limit_w=20e3)
        with pytest.raises(OrderRefused) as refused:
            change(book, revision, limit_w=limit_w)
        assert refused.value.cause is Cause.CONFLICT
        assert refused.value.reasons == (
            Reason(Code.ORDER_REVISION, "grid", {"order": "o-1", "revision": 2, "next": 3}),
        )
        assert refused.value.entry.revision == 2
        assert limits_w(book) == [20e3]


def test_what_was_sent_first_is_refused_once_a_change_has_overtaken_it(path):
    with book_at(path) as (book, _):
        accept(book, limit_w=40e3)
        change(book, 2, limit_w=20e3)
        change(book, 3, limit_w=40e3)
        with pytest.raises(OrderRefused, match="at revision 3") as refused:
            accept(book, limit_w=40e3)
        assert refused.value.reasons[0].code is Code.ORDER_CONFLICT


def test_an_ended_order_is_not_changed(path):
    with book_at(path) as (book, _):
        accept(book, limit_w=40e3)
        book.release("o-1", GRID, NOW_S)
        with pytest.raises(OrderRefused, match="has ended"):
            change(book, 2, limit_w=20e3)
        with pytest.raises(OrderRefused, match="no order o-9"):
            change(book, 2, "o-9", limit_w=20e3)
        assert book.limits() == ()


def test_f58_without_a_journal_a_change_that_tightens_counts_and_one_that_relaxes_is_refused(path, monkeypatch):
    with book_at(path) as (book, journal):
        accept(book, limit_w=40e3)
        with monkeypatch.context() as broken:
            broken.setattr(journal._storage, "append", lambda lines: 1 / 0)
            with pytest.raises(JournalUnusable):
                change(book, 2, limit_w=50e3)
            assert limits_w(book) == [40e3]
            answer = change(book, 2, limit_w=10e3)
            assert (answer.durable, limits_w(book)) == (False, [10e3])
        journal.append(RecordKind.MODE, {})
    with book_at(path) as (book, _):
        assert limits_w(book) == [10e3]


class SlowDisk:
    """A journal that stores nothing before it may; `relaxed`: how the change that waits for it is refused, None where it counts."""

    def __init__(self, book, journal, monkeypatch) -> None:
        self._disk, reached, store = threading.Event(), threading.Event(), journal._storage.append
        self.relaxed: OrderRefused | None = None

        def slow(lines):
            reached.set()
            assert self._disk.wait(DEADLINE_S)
            return store(lines)

        monkeypatch.setattr(journal._storage, "append", slow)
        self._sender = threading.Thread(target=self._relax, args=(book,))
        self._sender.start()
        assert reached.wait(DEADLINE_S)

    def _relax(self, book) -> None:
        self.relaxed = refusal_of(lambda: change(book, 2, limit_w=60e3), lambda: None)

    def goes_on(self) -> None:
        self._disk.set()
        self._sender.join(DEADLINE_S)


@pytest.mark.parametrize("revision", [2, 3], ids=["as it is shown", "as it was sent"])
def test_what_tightens_finds_a_way_past_what_waits_for_the_disk_to_relax(path, monkeypatch, revision):
    with book_at(path) as (book, journal):
        accept(book, limit_w=40e3)
        disk = SlowDisk(book, journal, monkeypatch)
        answers = []
        tightening = threading.Thread(target=lambda: answers.append(change(book, revision, limit_w=10e3)))
        tightening.start()
        until(lambda: limits_w(book) == [10e3], "it counts, with nothing on the disk")
        disk.goes_on()
        tightening.join(DEADLINE_S)
        assert (answers[0].revision, answers[0].limit_w, answers[0].durable) == (revision, 10e3, True)
        assert disk.relaxed.reasons[0].code is Code.ORDER_OVERTAKEN
        assert disk.relaxed.entry.revision == revision
        assert limits_w(book) == [10e3]
        assert change(book, revision + 1, limit_w=5e3).revision == revision + 1
    with book_at(path) as (book, _):
        assert limits_w(book) == [5e3]


def test_a_statement_that_tightens_finds_a_way_past_it_too(path, monkeypatch):
    with book_at(path, "grid") as (book, journal):
        accept(book, limit_w=40e3)
        disk = SlowDisk(book, journal, monkeypatch)
        looser, tighter = ({"id": "o-1", "limit_w": watts, "revision": 5} for watts in (70e3, 10e3))
        assert refusal_of(lambda: state(book, "grid", looser), lambda: None).reasons[0].code is Code.ORDER_REVISION
        stating = threading.Thread(target=lambda: state(book, "grid", tighter))
        stating.start()
        until(lambda: limits_w(book) == [10e3], "it counts")
        disk.goes_on()
        stating.join(DEADLINE_S)
        assert limits_w(book) == [10e3]


def test_a_change_that_relaxes_counts_only_once_it_is_on_the_disk_and_no_other_that_relaxes_overtakes_it(
    path, monkeypatch
):
    with book_at(path) as (book, journal):
        accept(book, limit_w=40e3)
        disk = SlowDisk(book, journal, monkeypatch)
        before_w = limits_w(book)
        refused = refusal_of(lambda: change(book, 2, limit_w=50e3), disk.goes_on)
        assert before_w == [40e3]
        assert refused is not None
        assert refused.reasons[0].parameters["revision"] == 1
        assert limits_w(book) == [60e3]
    with book_at(path) as (book, _):
        assert limits_w(book) == [60e3]


def test_an_issuer_states_an_order_at_its_present_revision(path):
    with book_at(path, "grid") as (book, _):
        accept(book, limit_w=40e3)
        change(book, 2, limit_w=20e3)
        book.doubt("for the test")
        with pytest.raises(OrderRefused, match="at revision 2"):
            accept(book, limit_w=20e3)
        assert accept(book, limit_w=20e3, revision=2).revision == 2


@pytest.mark.parametrize("limit_w", [20e3, 60e3])
def test_after_a_loss_an_issuer_states_an_order_at_a_later_revision_than_the_journal_has(path, limit_w):
    with book_at(path, "grid") as (book, _):
        accept(book, limit_w=40e3)
        book.doubt("for the test")
        (answer,) = state(book, "grid", {"id": "o-1", "limit_w": limit_w, "revision": 3}).orders
        assert (answer.revision, answer.limit_w, answer.durable) == (3, limit_w, True)
        assert book.unsure is None
        with pytest.raises(OrderRefused, match="at revision 3"):
            state(book, "grid", {"id": "o-1", "limit_w": 40e3})
        assert change(book, 4, limit_w=90e3).revision == 4
    with book_at(path, "grid") as (book, _):
        assert limits_w(book) == [90e3]


def test_what_a_statement_relaxes_does_not_count_without_the_disk_and_may_be_changed_later(path, monkeypatch):
    with book_at(path, "grid") as (book, journal):
        accept(book, limit_w=40e3)
        accept(book, id="o-2", limit_w=40e3)
        monkeypatch.setattr(journal._storage, "append", lambda lines: 1 / 0)
        looser = ({"id": each, "limit_w": 60e3, "revision": 2} for each in ("o-1", "o-2"))
        with pytest.raises(JournalUnusable):
            state(book, "grid", *looser, {"id": "o-3", "limit_w": 10e3})
        assert limits_w(book) == [40e3, 40e3, 10e3]
        monkeypatch.undo()
        assert [change(book, 2, each, limit_w=20e3).limit_w for each in ("o-1", "o-2")] == [20e3, 20e3]


def test_what_ends_while_a_statement_waits_for_the_disk_is_not_told_to_be_in_force(path, monkeypatch):
    with book_at(path, "grid") as (book, journal):
        accept(book, limit_w=40e3, ends_at=SOON)
        append = journal.append

        def slowly(kind, body):
            book.observe({}, utc_s=1893456000.0, utc_trusted=True)
            return append(kind, body)

        monkeypatch.setattr(journal, "append", slowly)
        assert state(book, "grid", {"id": "o-1", "limit_w": 40e3, "ends_at": SOON}).orders == ()


def limit(**more) -> OrderLimit:
    given = {"limit_w": 40e3, "starts_utc_s": 100.0, "ends_utc_s": 200.0, "ramp_w_s": 10.0, "begun": False}
    return OrderLimit(id="o", node=0, **(given | more))


@pytest.mark.parametrize(
    ("more", "tighter"),
    [
        ({}, True),
        ({"limit_w": 30e3}, True),
        ({"limit_w": 41e3}, False),
        ({"starts_utc_s": 90.0}, True),
        ({"starts_utc_s": 110.0}, False),
        ({"begun": True, "starts_utc_s": 110.0}, True),
        ({"ends_utc_s": math.inf}, True),
        ({"ends_utc_s": 190.0, "limit_w": 0.0}, False),
        ({"ramp_w_s": 20.0}, True),
        ({"ramp_w_s": 5.0}, False),
        ({"reduce_by_w": 5e3, "limit_w": math.inf}, False),
    ],
)
def test_only_what_allows_nothing_more_at_no_time_is_tighter(more, tighter):
    assert tightens(limit(**more), limit()) is tighter


def test_a_change_of_node_a_later_start_of_what_has_begun_and_a_smaller_cut_relax():
    begun, cut = limit(begun=True), limit(limit_w=math.inf, reduce_by_w=5e3)
    assert not tightens(OrderLimit(id="o", node=1, limit_w=0.0, starts_utc_s=0, ends_utc_s=math.inf, ramp_w_s=math.inf, begun=True), begun)  # fmt: skip
    assert not tightens(limit(begun=False), begun)
    assert tightens(limit(limit_w=math.inf, reduce_by_w=6e3), cut)
    assert not tightens(limit(limit_w=math.inf, reduce_by_w=4e3), cut)
    assert not tightens(limit(), cut)


def test_what_has_begun_goes_on_unless_it_is_to_start_later(path):
    with book_at(path) as (book, _):
        accept(book, limit_w=40e3)
        change(book, 2, limit_w=30e3)
        assert book.limits()[0].begun
        change(book, 3, limit_w=30e3, starts_at=SOON, ends_at=LATER)
        (limit,) = book.limits()
        assert (limit.begun, limit.starts_utc_s) == (False, 1893456000.0)


def test_what_a_tick_worked_out_for_the_revision_before_is_not_taken_for_the_next(path):
    with book_at(path) as (book, _):
        accept(book, reduce_by_w=30e3, starts_at=SOON)
        change(book, 2, reduce_by_w=40e3, starts_at=SOON)
        book.observe({"grid/o-1": ComesTo(1, 70e3)}, utc_s=NOW_S, utc_trusted=True)
        assert book.limits()[0].reduce_by_w == 40e3
        book.observe({"grid/o-1": ComesTo(2, 60e3)}, utc_s=NOW_S, utc_trusted=True)
        assert book.limits()[0].limit_w == 60e3


def test_an_order_that_was_extended_while_a_tick_looked_at_its_end_goes_on(path):
    with book_at(path) as (book, _):
        accept(book, limit_w=40e3, ends_at=SOON)
        before = book.limits()
        assert change(book, 2, limit_w=40e3, ends_at=LATER).durable
        (extended,), book._ledger.limits = book.limits(), before
        book.observe({}, utc_s=before[0].ends_utc_s, utc_trusted=True)
        assert book.find("o-1", GRID).limit == extended
    with book_at(path) as (book, _):
        assert book.limits() == (extended,)


def test_what_binds_and_is_new_or_tighter_is_told_at_once_and_nothing_else(path):
    with book_at(path) as (book, _):
        told = []
        book.on_binding = lambda: told.append(limits_w(book))
        accept(book, limit_w=40e3)
        accept(book, limit_w=40e3)
        accept(book, id="later", limit_w=10e3, starts_at=SOON)
        change(book, 2, limit_w=60e3)
        change(book, 3, limit_w=20e3)
        book.release("o-1", GRID, NOW_S)
        assert told == [[40e3], [20e3, 10e3]], "it counts already when it is told"
