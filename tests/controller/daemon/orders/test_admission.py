"""Every reason why a well-formed request can be no order of this site, by its code and its text."""

import json

import pytest

from controller.core.reasons import Code
from controller.daemon.access import Principal, Role
from controller.daemon.orders.admission import PowerNow, admit
from controller.daemon.orders.refusal import Cause, OrderRefused
from controller.daemon.orders.request import OrderRequest
from controller.daemon.utc import Utc
from controller.texts.english import text
from tests.controller.north import make_site

GRID = Principal(name="grid", role=Role.AUTHORITY)
UTC = Utc(utc_s=1_795_000_000.0, trusted=True, doubt=None)


def refusal_of(fields: dict) -> OrderRefused:
    with pytest.raises(OrderRefused) as refused:
        admit(
            OrderRequest.parse(json.dumps({"id": "o-1"} | fields).encode(), GRID.name),
            make_site(),
            PowerNow(),
            UTC,
            GRID,
        )
    return refused.value


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"limit_w": 1, "node": "moon"}, Code.ORDER_NODE_UNKNOWN, "node: there is no node 'moon', allowed is one of pcc, feeder"),
        ({"reduce_by_w": 1}, Code.ORDER_WITHOUT_POWER, "reduce_by_w: there is no trusted power of pcc now; give a limit_w"),
        ({"limit_w": 2e6}, Code.ORDER_ABSURD, "limit_w: 2.000 MW is absurd for a site with a contract of 100.0 kW"),
        ({}, Code.ORDER_SIZE_AMBIGUOUS, "limit_w, limit_percent, reduce_by_w: exactly one of them is needed"),
        ({"limit_w": 1, "ends_at": "2020-01-01T00:00:00Z"}, Code.ORDER_ENDED_ALREADY, "ends_at: it has ended already"),
        (
            {"limit_w": 1, "starts_at": "2031-01-01T00:00:00Z", "ends_at": "2030-01-01T00:00:00Z"},
            Code.ORDER_ENDS_BEFORE_START,
            "ends_at: it ends before it starts",
        ),
        (
            {"limit_w": 1, "more": 1},
            Code.ORDER_FIELD_UNKNOWN,
            "more: there is no such field, allowed are limit_w, limit_percent, reduce_by_w, node, starts_at, ends_at, ramp_w_per_s, sent_at, id, revision",
        ),
        (
            {"limit_w": 1, "ramp_w_per_s": 1},
            Code.ORDER_RAMP_TOO_SLOW,
            "ramp_w_per_s: it never brings the node down in the order's time, allowed is 1.2 or more",
        ),
    ],
)  # fmt: skip
def test_a_refusal_has_a_code_its_issuer_and_a_text(fields, code, said):
    refusal = refusal_of(fields)
    assert refusal.cause is Cause.INVALID
    assert [(reason.code, reason.subject, text(reason)) for reason in refusal.reasons] == [(code, "grid", said)]


def test_a_field_that_stands_twice_has_a_code_too():
    with pytest.raises(OrderRefused, match=r"^limit_w: stands twice$") as refused:
        OrderRequest.parse(b'{"id": "o-1", "limit_w": 1, "limit_w": 2}', GRID.name)
    assert [reason.code for reason in refused.value.reasons] == [Code.ORDER_FIELD_TWICE]


def test_every_reason_is_named_at_once():
    refusal = refusal_of({"limit_w": 2e6, "reduce_by_w": 1, "node": "moon", "ends_at": "2020-01-01T00:00:00Z"})
    codes = [Code.ORDER_NODE_UNKNOWN, Code.ORDER_ABSURD, Code.ORDER_SIZE_AMBIGUOUS, Code.ORDER_ENDED_ALREADY]
    assert [reason.code for reason in refusal.reasons] == codes
