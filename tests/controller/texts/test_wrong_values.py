"""What is said of a wrong value is said in our words: where, what was found, what is allowed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from controller.api.people import LockRequest
from controller.daemon.orders.request import OrderChange, OrderRequest, Statement
from controller.texts.wrong_values import wrong_value
from tests.examples import examples

#: How pydantic begins what it says, of which nothing is to leave.
LIBRARY = (
    "Input should",
    "Field required",
    "Extra inputs",
    "Invalid JSON",
    "Value error",
    "String should",
    "Tuple should",
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def wrong_of(model, body: bytes) -> list[str]:
    with pytest.raises(ValidationError) as raised:
        model.model_validate_json(body)
    return [str(wrong_value(error)) for error in raised.value.errors(include_url=False)]


@pytest.mark.parametrize(
    ("model", "body", "said"),
    [
        (OrderRequest, b"{", ["body: found what is no JSON, allowed is one JSON object"]),
        (OrderRequest, b"[]", ["body: found [], allowed is an object"]),
        (OrderRequest, b'{"id": "a", "limit_w": -1}', ["limit_w: found -1, allowed is a number of 0 or more"]),
        (OrderRequest, b'{"id": "a", "reduce_by_w": 0}', ["reduce_by_w: found 0, allowed is a number above 0"]),
        (OrderRequest, b'{"id": "a", "limit_w": "9 kW"}', ['limit_w: found "9 kW", allowed is a number']),
        (OrderRequest, b'{"id": "statement"}', ['id: found "statement", allowed is any other, for all orders are stated by statement']),
        (OrderChange, b"{}", ["revision: found nothing, allowed is a value, which is needed"]),
        (OrderChange, b'{"revision": 1.5}', ["revision: found 1.5, allowed is a whole number"]),
        (Statement, b'{"orders": {}}', ["orders: found {}, allowed is a list"]),
        (Statement, b'{"orders": [{"id": 7}]}', ["orders.0.id: found 7, allowed is a text"]),
        (LockRequest, b'{"subject": "x", "by": "", "reason": "r"}', ['by: found "", allowed is a text of 1 or more characters']),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_is_allowed(model, body, said):
    assert wrong_of(model, body) == said


FIELDS = {model: tuple(model.model_fields) for model in (OrderRequest, OrderChange, Statement, LockRequest)}


@settings(max_examples=examples(300), deadline=None)
@given(data=st.data(), model=st.sampled_from(list(FIELDS)))
def test_nothing_of_a_librarys_words_leaves_whatever_is_sent(data, model):
    fields = data.draw(st.dictionaries(st.sampled_from(FIELDS[model]) | st.text(max_size=5), VALUES, max_size=5))
    try:
        model.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        for each in error.errors(include_url=False):
            wrong = wrong_value(each)
            assert not any(word in wrong.allowed for word in LIBRARY)
            assert wrong.allowed != "what the description of the interface has", each["type"]
