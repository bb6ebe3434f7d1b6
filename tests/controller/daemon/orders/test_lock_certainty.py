"""When locks of people at work may be missing, and until when."""

import threading

import pytest

from controller.core.reasons import Code
from controller.daemon.orders.lock_certainty import LockCertainty


def doubted(*epochs):
    certainty = LockCertainty("pcc")
    for epoch in epochs:
        certainty.learn("doubt", {"why": f"of {epoch}", "epoch": epoch})
    return certainty


def test_it_is_certain_until_a_record_says_otherwise():
    certainty = LockCertainty("pcc")
    for kind, body in (
        ("init", {"ends": []}),
        ("start", {"epoch": 1}),
        ("lock", {}),
        ("statement", {"epoch": 1}),
        ("mode", {}),
    ):
        certainty.learn(kind, body)
    assert certainty.reason is None


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("init", {"ends": [{"journal": "f" * 16}]}),
        ("init", {}),
        ("quarantine", {"damage": "a row"}),
        ("doubt", {"why": "x", "epoch": 3}),
        ("doubt", {}),
    ],
)
def test_each_of_these_is_a_doubt_about_the_whole_site(kind, body):
    certainty = LockCertainty("pcc")
    certainty.learn(kind, body)
    assert (certainty.reason.code, certainty.reason.subject) == (Code.LOCKS_MAY_BE_MISSING, "pcc")


@pytest.mark.parametrize("body", [{"epoch": 5}, {"epoch": None}, {}])
def test_a_statement_that_was_on_its_way_when_a_newer_head_came_to_light_does_not_count(body):
    certainty = doubted(5)
    certainty.learn("locks_stated", body)
    assert certainty.reason is not None
    certainty.learn("locks_stated", {"epoch": 6})
    assert (certainty.reason, certainty.covered_epoch) == (None, 6)


@pytest.mark.parametrize(("epoch", "again"), [(5, False), (6, True), (7, True), (None, True)])
def test_a_head_from_before_a_statement_takes_nothing_of_it_back_and_a_later_one_does(epoch, again):
    certainty = doubted(4)
    certainty.learn("locks_stated", {"epoch": 6})
    certainty.learn("doubt", {"why": "another", "epoch": epoch})
    assert (certainty.reason is not None) == again


def test_orders_that_are_stated_or_confirmed_say_nothing_of_locks():
    certainty = doubted(None)
    for kind in ("statement", "confirmed", "retired", "lock", "unlock"):
        certainty.learn(kind, {"epoch": 9, "by": "grid", "issuer": "grid"})
    assert certainty.reason.parameters["why"] == "of None"


def test_a_doubt_that_comes_while_a_statement_is_taken_is_not_lost():
    certainty = doubted(4)
    doubting = threading.Thread(target=certainty.learn, args=("doubt", {"why": "another", "epoch": 9}))

    class Met(int):
        """An epoch that a doubt comes in between of, once it has been found to be above all heads."""

        def __gt__(self, other):
            if doubting.ident is None:
                doubting.start()
                doubting.join(0.05)
            return int(self) > other

    certainty.learn("locks_stated", {"epoch": Met(6)})
    doubting.join()
    assert certainty.reason is not None
