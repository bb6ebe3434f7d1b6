"""Who has to speak, and since when, before all orders are known."""

import pytest

from controller.core.reasons import Code
from controller.daemon.orders.certainty import Certainty


def doubted(*issuers, epoch=None):
    certainty = Certainty("pcc", frozenset(issuers))
    certainty.learn("doubt", {"why": "a test", "epoch": epoch})
    return certainty


def stated(certainty, by, epoch):
    certainty.learn("statement", {"by": by, "epoch": epoch, "orders": [], "ends": []})


def test_it_is_certain_until_a_record_says_otherwise():
    certainty = Certainty("pcc", frozenset({"grid"}))
    for kind, body in (("start", {"epoch": 1}), ("init", {"ends": []}), ("order", {"by": "grid"}), ("mode", {})):
        certainty.learn(kind, body)
    assert certainty.reason is None


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("init", {"ends": [{"journal": "f" * 16}]}),
        ("quarantine", {"damage": "a row"}),
        ("doubt", {"why": "x", "epoch": 3}),
    ],
)
def test_each_of_these_is_a_doubt_about_the_whole_site(kind, body):
    certainty = Certainty("pcc", frozenset({"grid"}))
    certainty.learn(kind, body)
    assert (certainty.reason.code, certainty.reason.subject) == (Code.ORDERS_MAY_BE_MISSING, "pcc")


def test_a_statement_that_was_on_its_way_when_a_newer_head_came_to_light_does_not_count():
    certainty = doubted("grid", epoch=5)
    stated(certainty, "grid", 5)
    assert certainty.reason is not None
    stated(certainty, "grid", 6)
    assert (certainty.reason, certainty.covered_epoch) == (None, 6)


def test_a_head_from_before_a_statement_takes_nothing_of_it_back_and_a_later_one_does():
    certainty = doubted("grid", "dso", epoch=5)
    stated(certainty, "grid", 6)
    certainty.learn("doubt", {"why": "an older one", "epoch": 4})
    assert certainty.missing == ("dso",)
    certainty.learn("doubt", {"why": "a newer one", "epoch": 6})
    assert certainty.missing == ("dso", "grid")
    certainty.learn("doubt", {"why": "nobody knows since when", "epoch": None})
    assert certainty.missing == ("dso", "grid")
    assert certainty.reason.parameters["why"] == "a test", "what began it is told"


def test_a_head_from_before_all_had_spoken_is_no_doubt_at_all():
    certainty = doubted("grid", epoch=5)
    stated(certainty, "grid", 7)
    certainty.learn("doubt", {"why": "locks were not stated since", "epoch": 6})
    assert certainty.reason is None
    certainty.learn("doubt", {"why": "a later one", "epoch": 7})
    assert certainty.missing == ("grid",)


def test_every_issuer_that_was_ever_named_has_to_speak_and_a_retired_one_has_not():
    certainty = Certainty("pcc", frozenset({"grid"}))
    certainty.learn("start", {"epoch": 1, "issuers": ["dso"]})
    certainty.learn("order", {"by": "tso"})
    certainty.learn("doubt", {"why": "x", "epoch": 1})
    assert certainty.missing == ("dso", "grid", "tso")
    for issuer in ("dso", "tso"):
        certainty.learn("retired", {"issuer": issuer, "epoch": 2})
    stated(certainty, "grid", 2)
    assert (certainty.reason, certainty.issuers) == (None, frozenset({"grid"}))


def test_a_confirmation_ends_no_doubt_that_an_issuer_has_to_end():
    certainty = doubted("grid")
    certainty.learn("confirmed", {"epoch": 1})
    assert certainty.reason is not None
    certainty.learn("retired", {"issuer": "grid", "epoch": 1})
    assert certainty.reason.parameters["who"] == "an operator"
    certainty.learn("confirmed", {"epoch": 1})
    assert certainty.reason is None


def test_an_issuer_that_the_site_file_names_while_the_site_runs_has_to_speak_too_and_none_is_left_out():
    certainty = doubted("grid")
    certainty.name(frozenset({"tso"}))
    assert certainty.issuers == {"grid", "tso"}
    assert certainty.reason.parameters["who"] == "grid, tso"
