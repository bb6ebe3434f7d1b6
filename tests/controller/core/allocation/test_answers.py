"""What is answered again, or at other limits alone, beside an allocator that decides all anew."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.allocation import answers
from controller.core.allocation.allocator import make_allocator
from controller.core.allocation.answers import Answers, Question
from controller.core.allocation.checks import BadSite
from tests.bench.trees import random_site
from tests.controller.core.kernels.sites import a_mode, fleets
from tests.examples import examples


class Asking:
    """The answers of a site's allocator, and how often it has decided all anew."""

    def __init__(self, site, columns):
        self.columns, self.allocator, self.anew = columns, make_allocator(site, columns), 0
        self.answers = Answers(self.allocator)

    def values(self):
        self.anew += 1
        return self.columns.mode_value

    def to(self, question):
        return self.answers.to(question, self.values)


def same(one, other):
    """Return whether two answers are the same to the bit."""
    found = asdict(one), asdict(other)
    return all(np.array_equal(found[0][name], found[1][name]) for name in found[0])


def a_site(seed=1, devices=24, per_pdu=4):
    site, columns = random_site(seed, devices, per_pdu, modes=3)
    off_w = columns.off_w
    return Asking(site, columns), Question(site.limit_w, off_w, columns.max_w, off_w, off_w)


@st.composite
def conversations(draw):
    """Return a site, and what is asked of it: at two limits, between two bounds, while devices run on one or the other, in any order."""
    site, columns = draw(fleets(most_devices=5, most_nodes=4))
    first, second = (np.array([a_mode(draw, columns, i) for i in range(len(columns.ids))]) for _ in range(2))
    low, high = np.minimum(first, second), np.maximum(first, second)
    questions = [
        Question(share * site.limit_w, base.copy(), high, held.copy(), columns.off_w)
        for share in (1.0, draw(st.sampled_from([0.0, 0.4, 0.9])))
        for base in (columns.off_w, low)
        for held in (low, high)
    ]
    return site, columns, draw(st.lists(st.sampled_from(questions), max_size=12))


@given(conversations())
@settings(max_examples=examples(60))
def test_whatever_was_asked_before_an_answer_is_that_of_an_allocator_that_decides_anew(conversation):
    site, columns, questions = conversation
    asking = Asking(site, columns)
    for question in questions:
        alone = make_allocator(site, columns).solve(**question._asdict(), mode_value=columns.mode_value)
        assert same(asking.to(question), alone)


def test_what_has_been_asked_of_late_is_not_decided_again():
    asking, question = a_site()
    first = asking.to(question)
    again = asking.to(Question(*(column.copy() for column in question)))
    assert again is first
    assert asking.anew == 1


def test_an_answer_stays_as_it_was_whatever_is_asked_afterwards():
    asking, question = a_site()
    first = asking.to(question)
    watts = first.watts.copy()
    asking.to(question._replace(limit_w=0.5 * question.limit_w))
    asking.allocator.solve(**question._replace(limit_w=0.2 * question.limit_w)._asdict())
    assert first.watts.tolist() == watts.tolist()


def test_at_other_limits_the_order_stands_and_no_longer():
    asking, question = a_site()
    lower = question._replace(limit_w=0.7 * question.limit_w)
    asking.to(question)
    asking.to(lower)
    assert asking.anew == 1
    asking.to(lower._replace(limit_w=0.6 * question.limit_w, held_w=question.upper_w))
    assert asking.anew == 2


@pytest.mark.parametrize("between", ["solve", "device"])
def test_where_somebody_else_has_asked_the_allocator_meanwhile_nothing_stands(between):
    asking, question = a_site()
    off_w, upper_w = float(question.base_w[0]), question.upper_w
    asking.to(question)
    if between == "solve":
        asking.allocator.solve(**question._replace(held_w=upper_w)._asdict())
    else:
        asking.allocator.device(0, base_w=off_w, upper_w=off_w, held_w=off_w)
    other = question._replace(limit_w=0.7 * question.limit_w)
    anew = make_allocator(*random_site(1, 24, 4, modes=3)).solve(**other._asdict())
    assert same(asking.to(other), anew)


def test_only_so_many_answers_are_kept():
    asking, question = a_site()
    shares = [1.0 - 0.1 * k for k in range(answers._REMEMBERED + 1)]
    asked = [question._replace(limit_w=share * question.limit_w) for share in shares]
    given = [asking.to(each) for each in asked]
    assert [asking.to(each) is answer for each, answer in zip(asked[1:], given[1:], strict=True)] == [True] * 3
    assert asking.to(asked[0]) is not given[0]


def test_a_limit_that_is_no_number_is_refused_though_the_order_stands():
    asking, question = a_site()
    asking.to(question)
    with pytest.raises(BadSite, match="is no number"):
        asking.to(question._replace(limit_w=np.full_like(question.limit_w, np.nan)))
