"""What is on the disk of orders is never said too soon."""

from __future__ import annotations

import threading

from controller.daemon.journal.chain import ChainLine, Record
from controller.daemon.journal.journal import Pending
from controller.daemon.orders.records import OrderKey
from controller.daemon.orders.unstored import Unstored

KEY = OrderKey("grid", "o-1")


def pending(*, stored: bool) -> Pending:
    made = Pending(ChainLine(utc_s=0.0, kind="order", body="{}"), keep=True)
    made.settle(Record(seq=1, utc_s=0.0, kind="order", body={}, prev_hash="", hash="") if stored else "disk full")
    return made


def test_an_order_is_durable_once_its_newest_record_is():
    unstored = Unstored()
    assert unstored.durable(KEY), "nothing is on its way"
    unstored.note(KEY, pending(stored=True))
    unstored.note(KEY, newest := pending(stored=False))
    assert not unstored.durable(KEY)
    newest.settle(Record(seq=2, utc_s=0.0, kind="order", body={}, prev_hash="", hash=""))
    assert unstored.durable(KEY)
    assert unstored._newest == {}, "and then nothing of it is kept"


def test_a_record_that_comes_while_the_one_before_is_taken_for_stored_is_waited_for():
    unstored, newer = Unstored(), pending(stored=False)
    noting = threading.Thread(target=lambda: unstored.note(KEY, newer))

    class Meddled(dict):
        def __delitem__(self, key):
            noting.start()
            noting.join(0.05)
            super().__delitem__(key)

    unstored.note(KEY, pending(stored=True))
    unstored._newest = Meddled(unstored._newest)
    assert unstored.durable(KEY)
    noting.join()
    assert not unstored.durable(KEY)
