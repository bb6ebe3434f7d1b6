"""What of the agents' messages counts, and what becomes of it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.reasons import Code, Reason
from controller.core.snapshot import Follow, MeasuredBy
from controller.daemon.fleet.reports import MessageRefused, Reports
from drivers.errors import Refused
from drivers.fleet.keys import PrivateKey
from drivers.fleet.wire import DeviceState, Leaf, sign
from tests.controller.daemon.fleet.loop import AGENT, FULL, SITE, inventory_of, key, make_site, report_of
from tests.examples import examples

STRANGER = PrivateKey.generate()
NOW_S = 1000.0


@pytest.fixture
def reports() -> Reports:
    return Reports(make_site(), {AGENT: key().public_key()})


def hear(reports: Reports, *, now_s: float = NOW_S, **fields) -> None:
    reports.take(AGENT, Leaf.REPORT, sign(report_of(**fields), key()), False, now_s)


def status(state: str, **more) -> bytes:
    return json.dumps({"v": 1, "site": SITE, "agent": AGENT, "state": state} | more).encode()


def test_before_the_first_report_nothing_is_known_and_no_lease_can_be_given(reports):
    (view,) = reports.newest
    assert (view.heard_s, view.echo, view.online) == (-math.inf, None, False)
    assert view.states == (DeviceState.LOST,) * 3
    assert np.array_equal(view.max_w, make_site().devices.max_w)


def test_a_report_becomes_columns_in_the_order_of_the_site(reports):
    applied = {"c-gpu": 5000, "a-s21": 1500, "b-s19k": 25}
    hear(reports, applied=applied, epoch=4, accepted_seq=9, applied_seq=8, lease_left_ms=12_500, lapsed=False)
    (view,) = reports.newest
    assert view.applied_w.tolist() == [1500.0, 25.0, 5000.0]
    assert np.isnan(view.measured_w).all(), "what says nothing is not known to draw what it is set to"
    assert view.measured_by.tolist() == [MeasuredBy.NOTHING] * 3
    assert (view.epoch, view.accepted_seq, view.applied_seq, view.lease_left_s) == (4, 9, 8, 12.5)
    assert (view.heard_s, view.online, view.lapsed, view.echo.boot) == (NOW_S, True, False, "b1")


def test_measured_watts_are_taken_where_there_are_any(reports):
    hear(reports, measured_w=777.5)
    assert reports.newest[0].measured_w.tolist() == [777.5] * 3
    assert reports.newest[0].measured_by.tolist() == [MeasuredBy.ESTIMATE] * 3


@pytest.mark.parametrize(
    ("why", "told", "follow"),
    [
        ("what fits", {"measured_w": 1600.0}, Follow.PROVEN),
        ("what draws more than its setpoint allows", {"measured_w": 3000.0}, Follow.SETTLING),
        ("a state, where nothing is measured", {}, Follow.PROVEN),
        ("what does not answer, whatever was measured", {"measured_w": 10.0, "state": DeviceState.LOST}, Follow.LOST),
    ],
)
def test_how_a_device_follows_as_well_as_the_contract_can_tell(reports, why, told, follow):
    assert {Follow(code) for code in reports.newest[0].follow} == {Follow.LOST}, "never heard"
    hear(reports, applied=dict.fromkeys(FULL, 1500), **told)
    view = reports.newest[0]
    assert view.follow[0] == follow, why
    assert np.isnan(view.measured_w).all() == (follow is Follow.LOST or not told)


@pytest.mark.parametrize(
    ("why", "payload"),
    [
        ("unsigned", lambda: sign(report_of(), key())[64:]),
        ("signed by a stranger", lambda: sign(report_of(), STRANGER)),
        ("changed on the way", lambda: sign(report_of(), key())[:-4] + b"9999"),
        ("of another agent", lambda: sign(report_of(agent="hall-b"), key())),
        ("a device too few", lambda: sign(report_of(applied={"a-s21": 25}), key())),
        ("a device too many", lambda: sign(report_of(applied=FULL | {"d-new": 25}), key())),
        ("an inventory where a report belongs", lambda: sign(inventory_of(FULL), key())),
        ("empty", lambda: b""),
        ("NaN", lambda: _signed_text(report_text().replace('"measured_w":null', '"measured_w":NaN', 1))),
        ("Infinity", lambda: _signed_text(report_text().replace('"measured_w":null', '"measured_w":1e999', 1))),
        (
            "watts that are a text",
            lambda: _signed_text(report_text().replace('"setpoint_w":25', '"setpoint_w":"25"', 1)),
        ),
        ("watts below zero", lambda: _signed_text(report_text().replace('"setpoint_w":25', '"setpoint_w":-1', 1))),
    ],
)
def test_what_does_not_count_is_refused_and_changes_nothing(reports, why, payload):
    before = reports.newest
    with pytest.raises(MessageRefused) as refused:
        reports.take(AGENT, Leaf.REPORT, payload(), False, NOW_S)
    code = Code.DEVICES_DIFFER if why.startswith("a device too") else Code.MESSAGE_INVALID
    assert (refused.value.reason.code, refused.value.reason.subject) == (code, AGENT), why
    assert reports.newest is before, why


def report_text() -> str:
    return sign(report_of(), key())[64:].decode()


def _signed_text(text: str) -> bytes:
    return key().sign(text.encode()) + text.encode()


def test_an_unknown_agent_is_refused(reports):
    with pytest.raises(MessageRefused, match="hall-z") as refused:
        reports.take("hall-z", Leaf.REPORT, sign(report_of(agent="hall-z"), key()), False, NOW_S)
    assert refused.value.reason.code is Code.AGENT_UNKNOWN
    assert refused.value.reason.subject == "pcc", "what a stranger says names no series"


def test_a_retained_report_is_refused(reports):
    with pytest.raises(MessageRefused, match="a retained report of an agent is never taken") as refused:
        reports.take(AGENT, Leaf.REPORT, sign(report_of(), key()), True, NOW_S)
    assert refused.value.reason.code is Code.MESSAGE_NEVER_TAKEN
    assert reports.newest[0].echo is None


def test_an_echo_of_our_own_statements_is_refused(reports):
    with pytest.raises(Refused, match="set"):
        reports.take(AGENT, Leaf.SET, b"", False, NOW_S)


def test_a_report_that_another_has_overtaken_is_refused(reports):
    hear(reports, now_ms=5000, applied=FULL)
    with pytest.raises(MessageRefused, match="before its last") as refused:
        hear(reports, now_ms=4999)
    assert refused.value.reason == Reason(Code.REPORT_OUT_OF_ORDER, AGENT)
    assert reports.newest[0].applied_w[0] == 3500.0


def test_an_agent_that_starts_anew_may_count_its_time_from_anew(reports):
    hear(reports, now_ms=5000)
    hear(reports, now_ms=10, boot="b2")
    assert reports.newest[0].echo.boottime_ms == 10


def test_forgotten_clocks_come_back_with_the_next_report_and_nothing_else_is_forgotten(reports):
    hear(reports, applied=FULL)
    reports.forget_clocks()
    (view,) = reports.newest
    assert (view.echo, view.heard_s, view.applied_w[0]) == (None, NOW_S, 3500.0)
    hear(reports, now_ms=2_000_000, now_s=NOW_S + 1)
    assert reports.newest[0].echo.boottime_ms == 2_000_000


@given(told=st.fixed_dictionaries({id_: st.integers(0, 10_000_000) for id_ in FULL}), retained=st.booleans())
@settings(max_examples=examples(50))
def test_i5_an_inventory_may_only_narrow_the_signed_maximum(told, retained):
    reports, most = Reports(make_site(), {AGENT: key().public_key()}), make_site().devices.max_w
    reports.take(AGENT, Leaf.INVENTORY, sign(inventory_of(told), key()), retained, NOW_S)
    assert np.all(reports.newest[0].max_w <= most)
    assert reports.newest[0].max_w.tolist() == [min(told[id_], w) for id_, w in zip(sorted(told), most, strict=True)]
    assert reports.newest[0].echo is None, "an inventory gives no clock"


def test_a_forged_inventory_narrows_nothing(reports):
    with pytest.raises(Refused):
        reports.take(AGENT, Leaf.INVENTORY, sign(inventory_of(dict.fromkeys(FULL, 0)), STRANGER), True, NOW_S)
    assert np.array_equal(reports.newest[0].max_w, make_site().devices.max_w)


def test_a_status_is_information_only(reports):
    hear(reports, applied=FULL)
    (before,) = reports.newest
    reports.take(AGENT, Leaf.STATUS, status("offline"), True, NOW_S + 9)
    (view,) = reports.newest
    assert not view.online
    assert (view.heard_s, view.echo, view.applied_w is before.applied_w) == (before.heard_s, before.echo, True)
    reports.take(AGENT, Leaf.STATUS, status("online"), True, NOW_S + 9)
    assert reports.newest[0].online
    assert reports.newest[0].heard_s == NOW_S, "an unsigned word is no contact"


@pytest.mark.parametrize("payload", [b"", b"offline", status("gone"), status("offline", agent="hall-b")])
def test_a_malformed_status_is_refused(reports, payload):
    before = reports.newest
    with pytest.raises(Refused):
        reports.take(AGENT, Leaf.STATUS, payload, False, NOW_S)
    assert reports.newest is before


@given(st.binary(max_size=300), st.sampled_from(list(Leaf)), st.booleans())
@settings(max_examples=examples(200))
def test_any_bytes_are_refused_and_nothing_else_happens(payload, leaf, retained):
    reports = Reports(make_site(), {AGENT: key().public_key()})
    before = reports.newest
    with pytest.raises(Refused):
        reports.take(AGENT, leaf, payload, retained, NOW_S)
    assert reports.newest is before


def test_columns_that_the_tick_has_taken_do_not_change(reports):
    hear(reports, applied=FULL)
    (view,) = reports.newest
    hear(reports, now_ms=1_000_001)
    assert view.applied_w.tolist() == [3500.0, 2794.0, 10200.0]
    assert reports.newest[0].applied_w.tolist() == [25.0] * 3
