"""What of the agents' messages counts, and what becomes of it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from controller.core.reasons import Code, Reason
from controller.core.snapshot import Followed, Measurer
from controller.daemon.fleet.letters import codes
from controller.daemon.fleet.refusal import MessageRefused
from controller.daemon.fleet.reports import Reports
from drivers.errors import Refused
from drivers.fleet import wire
from drivers.fleet.head import ABSURD_EPOCH, seal
from drivers.fleet.keys import PrivateKey
from drivers.fleet.wire import Leaf, sign
from tests.controller.daemon.fleet.loop import (
    AGENT,
    EPOCH,
    FULL,
    HEAD,
    SITE,
    device_of,
    inventory_of,
    key,
    make_reports,
    make_site,
    own_devices,
    report_of,
)
from tests.examples import examples

STRANGER = PrivateKey.generate()
NOW_S = 1000.0
INVENTORY = sign(inventory_of(boot="b0"), key())


@pytest.fixture
def reports() -> Reports:
    """All that a controller knows once the broker has given it the inventory that it had kept."""
    made = make_reports()
    made.take(AGENT, Leaf.INVENTORY, INVENTORY, True, NOW_S)
    return made


def hear(reports: Reports, *, now_s: float = NOW_S, **fields) -> None:
    reports.take(AGENT, Leaf.REPORT, sign(report_of(**fields), key()), False, now_s)


def introduce(reports: Reports, listed, **more) -> None:
    reports.take(AGENT, Leaf.INVENTORY, sign(inventory_of(listed, **more), key()), True, NOW_S)


def refused(reports: Reports, **fields) -> Code:
    before = reports.newest
    with pytest.raises(MessageRefused) as found:
        hear(reports, **fields)
    assert reports.newest is before
    assert found.value.reason.subject == AGENT
    return found.value.reason.code


def status(state: str, **more) -> bytes:
    return json.dumps({"v": 2, "site": SITE, "agent": AGENT, "state": state} | more).encode()


def test_before_the_first_report_nothing_is_known_and_no_lease_can_be_given():
    (view,) = make_reports().newest
    assert (view.heard_s, view.echo, view.online, view.inventory) == (-math.inf, None, False, None)
    assert set(view.follow) == {Followed.LOST}
    assert np.isnan(view.measured_w).all()
    assert np.array_equal(view.max_w, make_site().devices.max_w)


def test_a_report_becomes_columns_in_the_order_of_the_site():
    reports = make_reports()
    turned = [device_of(id_) for id_ in ("c-gpu", "a-s21", "b-s19k")]
    introduce(reports, turned, boot="b0")
    hear(
        reports, listed=turned, applied={"c-gpu": 5000, "a-s21": 1500, "b-s19k": 25}, epoch=4, accepted_seq=9,
        applied_seq=8, lease_left_ms=12_500, lapsed=False, measured_w=[4990, None, -3], measured_by="mne",
        state="sgx", activity="rno",
    )  # fmt: skip
    (view,) = reports.newest
    assert view.applied_w.tolist() == [1500.0, 25.0, 5000.0]
    assert np.array_equal(view.measured_w, [np.nan, -3.0, 4990.0], equal_nan=True), "unknown is not zero"
    assert view.measured_by.tolist() == [Measurer.NOTHING, Measurer.ESTIMATE, Measurer.METER]
    assert view.follow.tolist() == [Followed.GRANTED, Followed.DEFIANT, Followed.SETTLING]
    assert view.activity.tolist() == [4, 0, 2]
    assert (view.epoch, view.accepted_seq, view.applied_seq, view.lease_left_s) == (4, 9, 8, 12.5)
    assert (view.heard_s, view.online, view.lapsed) == (NOW_S, True, False)


def test_which_devices_rest_is_told_in_the_order_of_the_site_and_forgotten_when_none_does():
    reports = make_reports()
    turned = [device_of(id_) for id_ in ("c-gpu", "a-s21", "b-s19k")]
    introduce(reports, turned, boot="b0")
    hear(reports, listed=turned, state="oop", rests="rnn", epoch=4)
    assert reports.resting().tolist() == [False, False, True]
    hear(reports, listed=turned, state="oop", rests="nrn", epoch=4, now_s=NOW_S + 1.0, now_ms=1_001_000)
    assert reports.resting().tolist() == [True, False, False]
    hear(reports, listed=turned, state="oop", epoch=4, now_s=NOW_S + 2.0, now_ms=1_002_000)
    assert reports.resting().tolist() == [False] * 3


def test_a_device_that_an_inventory_lacks_does_not_rest():
    reports = make_reports()
    listed = [device_of(id_) for id_ in ("c-gpu", "a-s21")]
    introduce(reports, listed, boot="b0")
    hear(reports, listed=listed, state="oo", rests="rr", epoch=4)
    assert reports.resting().tolist() == [True, False, True]


def test_every_letter_has_its_meaning():
    count = 55  # of which each of 11, 5 and 5 letters is a part
    columns = [list(letters) * (count // len(letters)) for letters in (wire.Follow, wire.MeasuredBy, wire.Activity)]
    state, measured_by, activity = map("".join, columns)
    found = codes((state, measured_by, activity))
    assert [Followed(code).name for code in found[0]] == [letter.name for letter in columns[0]]
    assert [Measurer(code).name for code in found[1]] == [letter.name for letter in columns[1]]
    assert [list(wire.Activity)[code] for code in found[2]] == columns[2]


@pytest.mark.parametrize(
    ("why", "payload"),
    [
        ("unsigned", lambda: sign(report_of(), key())[64:]),
        ("signed by a stranger", lambda: sign(report_of(), STRANGER)),
        ("changed on the way", lambda: sign(report_of(), key())[:-4] + b"9999"),
        ("of another agent", lambda: sign(report_of(agent="hall-b"), key())),
        ("another inventory", lambda: sign(report_of(ids=["a-s21", "b-s19k"]), key())),
        ("the columns of another inventory", lambda: sign(_short(), key())),
        ("an inventory where a report belongs", lambda: sign(inventory_of(), key())),
        ("empty", lambda: b""),
        ("NaN", lambda: _signed_text(report_text().replace('"measured_w":[25', '"measured_w":[NaN', 1))),
        ("Infinity", lambda: _signed_text(report_text().replace('"measured_w":[25', '"measured_w":[1e999', 1))),
        (
            "watts that are a text",
            lambda: _signed_text(report_text().replace('"applied_w":[25', '"applied_w":["25"', 1)),
        ),
        ("watts below zero", lambda: _signed_text(report_text().replace('"applied_w":[25', '"applied_w":[-1', 1))),
        ("a letter of none", lambda: _signed_text(report_text().replace('"state":"ppp', '"state":"ppz', 1))),
        ("columns of two lengths", lambda: _signed_text(report_text().replace('"state":"ppp', '"state":"pp', 1))),
    ],
)
def test_what_does_not_count_is_refused_and_changes_nothing(reports, why, payload):
    before = reports.newest
    with pytest.raises(MessageRefused) as found:
        reports.take(AGENT, Leaf.REPORT, payload(), False, NOW_S)
    code = Code.INVENTORY_UNKNOWN if "another inventory" in why else Code.MESSAGE_INVALID
    assert (found.value.reason.code, found.value.reason.subject) == (code, AGENT), why
    assert reports.newest is before, why


def report_text() -> str:
    return sign(report_of(), key())[64:].decode()


def _short() -> wire.Report:
    return structs.replace(report_of(ids=["a-s21", "b-s19k"]), inventory=report_of().inventory)


def _signed_text(text: str) -> bytes:
    return key().sign(text.encode()) + text.encode()


def test_a_report_before_any_inventory_is_refused():
    assert refused(make_reports()) is Code.INVENTORY_UNKNOWN


def test_an_unknown_agent_is_refused(reports):
    with pytest.raises(MessageRefused, match="hall-z") as found:
        reports.take("hall-z", Leaf.REPORT, sign(report_of(agent="hall-z"), key()), False, NOW_S)
    assert found.value.reason.code is Code.AGENT_UNKNOWN
    assert found.value.reason.subject == "pcc", "what a stranger says names no series"


def test_a_retained_report_is_refused(reports):
    with pytest.raises(MessageRefused, match="a retained report of an agent is never taken") as found:
        reports.take(AGENT, Leaf.REPORT, sign(report_of(), key()), True, NOW_S)
    assert found.value.reason.code is Code.MESSAGE_NEVER_TAKEN
    assert reports.newest[0].echo is None


def test_an_echo_of_our_own_statements_is_refused(reports):
    with pytest.raises(Refused, match="set"):
        reports.take(AGENT, Leaf.SET, b"", False, NOW_S)


def test_an_echo_counts_only_out_of_a_report_that_has_taken_a_statement_of_this_controller(reports):
    hear(reports, epoch=EPOCH - 1, accepted_seq=40, applied=FULL)
    (view,) = reports.newest
    assert (view.echo, view.applied_w[0], view.heard_s) == (None, 3500.0, NOW_S), "its watts count"
    hear(reports, now_ms=1_000_500, epoch=EPOCH, accepted_seq=1)
    assert reports.newest[0].echo == wire.Echo(boot="b1", boottime_ms=1_000_500)


def test_a_report_that_another_has_overtaken_is_refused(reports):
    hear(reports, now_ms=5000, applied=FULL)
    assert refused(reports, now_ms=4999) is Code.REPORT_OUT_OF_ORDER
    assert reports.newest[0].applied_w[0] == 3500.0
    reports.forget_clocks()
    assert refused(reports, now_ms=4999) is Code.REPORT_OUT_OF_ORDER, "also after a loss of the link"


def test_an_agent_that_starts_anew_may_count_its_time_from_anew(reports):
    hear(reports, now_ms=5000, epoch=EPOCH)
    hear(reports, now_ms=10, boot="b2", epoch=EPOCH)
    assert reports.newest[0].echo.boottime_ms == 10


def test_a_report_of_a_former_start_is_refused(reports):
    hear(reports, now_ms=5000, epoch=EPOCH)
    hear(reports, now_ms=10, boot="b2", epoch=EPOCH)
    assert refused(reports, now_ms=9000, epoch=EPOCH) is Code.REPORT_OF_FORMER_START
    assert refused(reports, boot="recorded", now_ms=9000, epoch=EPOCH - 1) is Code.REPORT_OF_FORMER_START, "a recording"
    hear(reports, now_ms=11, boot="b2", epoch=EPOCH)


def test_a_recording_from_before_this_controller_hides_no_agent_that_it_leads_next(reports):
    hear(reports, boot="recorded", now_ms=9000, epoch=EPOCH - 1)
    hear(reports, boot="b2", now_ms=10, epoch=EPOCH - 1)
    hear(reports, boot="recorded", now_ms=9000, epoch=EPOCH - 1)
    hear(reports, boot="b2", now_ms=11, epoch=EPOCH)
    assert reports.newest[0].echo.boot == "b2"


def test_a_start_that_takes_what_is_sent_in_a_new_epoch_is_let_in_whatever_was_sent_in_the_one_before(reports):
    """A late report of an earlier start hides the one that runs; the statements of the new epoch count from one again."""
    hear(reports, now_ms=10, boot="runs", epoch=EPOCH)
    reports.sent_seq[0] = 500
    hear(reports, now_ms=9000, boot="came late", epoch=EPOCH)
    assert refused(reports, now_ms=11, boot="runs", epoch=EPOCH, accepted_seq=500) is Code.REPORT_OF_FORMER_START
    reports.lead(EPOCH + 1)
    hear(reports, now_ms=12, boot="runs", epoch=EPOCH + 1, accepted_seq=1)
    assert reports.newest[0].echo.boot == "runs"


def test_memory_of_former_starts_is_bounded(reports):
    for k in range(200):
        hear(reports, boot=f"b-{k}", epoch=EPOCH)
    assert len(reports.newest[0].start.former) == 64
    assert refused(reports, boot="b-198", epoch=EPOCH) is Code.REPORT_OF_FORMER_START


def test_forgotten_clocks_come_back_with_the_next_report_and_nothing_else_is_forgotten(reports):
    hear(reports, applied=FULL, epoch=EPOCH)
    reports.forget_clocks()
    (view,) = reports.newest
    assert (view.echo, view.heard_s, view.applied_w[0]) == (None, NOW_S, 3500.0)
    hear(reports, now_ms=2_000_000, now_s=NOW_S + 1, epoch=EPOCH)
    assert reports.newest[0].echo.boottime_ms == 2_000_000


@given(
    told=st.lists(st.integers(0, 10_000_000), min_size=3, max_size=3),
    order=st.permutations(range(3)),
    missing=st.sets(st.integers(0, 2)),
    more=st.booleans(),
    retained=st.booleans(),
)
@settings(max_examples=examples(100))
def test_i5_an_inventory_may_only_narrow_the_signed_maximum(told, order, missing, more, retained):
    """Whatever it lists, in whatever order: the most is that of both, and off for what the agent does not have."""
    listed = [structs.replace(own_devices()[k], max_w=told[k]) for k in order if k not in missing]
    listed += [device_of("a-s21", name="d-new")] if more else []
    reports, devices = make_reports(), make_site().devices
    reports.take(AGENT, Leaf.INVENTORY, sign(inventory_of(listed), key()), retained, NOW_S)
    (view,) = reports.newest
    for k in range(3):
        both = devices.off_w[k] if k in missing else min(told[k], devices.max_w[k])
        assert view.max_w[k] == both
    assert view.echo is None, "an inventory gives no clock"
    setpoints = view.inventory.setpoints_w(devices.max_w)
    assert setpoints == [FULL.get(device.id, 0) for device in listed], (
        "in the order of the inventory, 0 for what is not the site's"
    )
    hear(reports, listed=listed, epoch=EPOCH)
    (view,) = reports.newest
    assert [k for k in range(3) if view.follow[k] == Followed.LOST] == sorted(missing)
    assert all(view.applied_w[k] == devices.max_w[k] and np.isnan(view.measured_w[k]) for k in missing)


def test_an_inventory_that_says_what_the_site_file_says_is_no_finding(reports):
    hear(reports)
    assert reports.newest[0].findings == ()


def test_devices_that_only_one_of_both_has_are_named_and_the_others_are_led():
    reports = make_reports()
    listed = [device_of("b-s19k"), device_of("a-s21", name="z-1"), device_of("a-s21", name="z-2")]
    introduce(reports, listed)
    missing = Reason(Code.DEVICES_MISSING, AGENT, {"devices": "a-s21, c-gpu", "more": 0})
    undeclared = Reason(Code.DEVICES_UNDECLARED, AGENT, {"devices": "z-1, z-2", "more": 0})
    assert reports.newest[0].findings == (missing, undeclared)
    hear(reports, listed=listed, applied={"b-s19k": 2794}, epoch=EPOCH)
    (view,) = reports.newest
    assert view.findings == (missing, undeclared)
    assert (view.applied_w[1], view.follow[1], view.echo is None) == (2794.0, Followed.PROVEN, False)
    assert view.inventory.setpoints_w(np.array([3500.0, 1916.0, 9000.0])) == [1916, 0, 0]


@pytest.mark.parametrize(
    ("fact", "change", "found", "allowed"),
    [
        ("model", {"model": "antminer-s9"}, "antminer-s9", "antminer-s21"),
        ("max_w", {"max_w": 3000}, "3000", "3500"),
        ("off_w", {"off_w": 40}, "40", "25"),
        ("failsafe_w", {"failsafe_w": 1400}, "1400", "25"),
        ("ranges", {"ranges": [wire.Range(from_w=1400, to_w=1400)]}, "1400", "1400-3500"),
        ("up_ms", {"up_ms": 90_000}, "90000", "5000"),
        ("down_ms", {"down_ms": 10}, "10", "2000"),
    ],
)
def test_a_fact_that_differs_is_named_with_both_sides(fact, change, found, allowed):
    reports = make_reports()
    introduce(reports, [device_of("a-s21", **change), device_of("b-s19k"), device_of("c-gpu")])
    differs = {"fact": fact, "found": found, "allowed": allowed, "devices": "a-s21", "more": 0}
    assert reports.newest[0].findings == (Reason(Code.DEVICES_DIFFER, AGENT, differs),)


def test_of_the_times_that_the_site_file_and_an_agent_say_the_longer_count():
    reports = make_reports()
    listed = [
        device_of("a-s21", up_ms=900_000, down_ms=10),
        device_of("b-s19k", down_ms=86_400_000),
        device_of("c-gpu"),
    ]
    introduce(reports, listed)
    devices, (view,) = reports._site.devices, reports.newest
    assert view.up_seen_s[0] == 1.25 * 900.0 + 1.5 > devices.up_seen_s[0]
    assert view.down_seen_s[0] == devices.down_seen_s[0], "a shorter one would be a proof too early"
    assert view.down_seen_s[1] == 1.25 * 3600.0 + 1.5, "and an absurd one would keep the device's watts for a day"
    assert (view.up_seen_s[2], view.down_seen_s[2]) == (devices.up_seen_s[2], devices.down_seen_s[2])
    introduce(reports, [device_of("a-s21", up_ms=900_000), device_of("c-gpu")], boot="b1")
    assert reports.newest[0].up_seen_s[1] == devices.up_seen_s[1], "of what it lacks the site file's count"


def test_another_inventory_gives_the_same_letters_to_other_devices(reports):
    hear(reports, state="pxl", epoch=EPOCH)
    turned = own_devices()[::-1]
    introduce(reports, turned)
    hear(reports, listed=turned, state="pxl", epoch=EPOCH)
    assert reports.newest[0].follow.tolist() == [Followed.LOST, Followed.DEFIANT, Followed.PROVEN]


def test_an_inventory_without_devices_leads_none(reports):
    introduce(reports, [], boot="b1")
    hear(reports, listed=[], epoch=EPOCH)
    (view,) = reports.newest
    assert set(view.follow) == {Followed.LOST}
    assert view.inventory.setpoints_w(view.max_w) == []


def test_an_inventory_of_a_former_start_or_an_older_one_is_refused(reports):
    hear(reports, epoch=EPOCH)
    hear(reports, boot="b2", now_ms=50, epoch=EPOCH)
    introduce(reports, own_devices(), boot="b2", now_ms=60)
    before = reports.newest
    for boot, now_ms in (("b1", 2_000_000), ("b2", 59)):
        with pytest.raises(MessageRefused, match="another start") as found:
            introduce(reports, [device_of("a-s21")], boot=boot, now_ms=now_ms)
        assert found.value.reason.code is Code.REPORT_OF_FORMER_START
    assert reports.newest is before


def test_a_forged_inventory_narrows_nothing(reports):
    with pytest.raises(Refused):
        reports.take(AGENT, Leaf.INVENTORY, sign(inventory_of([device_of("a-s21")]), STRANGER), True, NOW_S)
    assert np.array_equal(reports.newest[0].max_w, make_site().devices.max_w)


@given(
    applied=st.lists(st.integers(0, 10_000_000), min_size=3, max_size=3),
    measured=st.lists(st.none() | st.integers(-10_000_000, 10_000_000), min_size=3, max_size=3),
)
@settings(max_examples=examples(100))
def test_absurd_watts_are_bounded_by_the_signed_maximum_and_named(applied, measured):
    reports, most_w = make_reports(), make_site().devices.max_w
    reports.take(AGENT, Leaf.INVENTORY, INVENTORY, True, NOW_S)
    hear(reports, applied_w=applied, measured_w=measured)
    (view,) = reports.newest
    absurd = [
        id_
        for id_, a, m, most in zip(FULL, applied, measured, most_w, strict=True)
        if a > most or abs(m or 0) > 1.5 * most
    ]
    assert np.all(view.applied_w == np.minimum(applied, most_w))
    for told, taken, most in zip(measured, view.measured_w, most_w, strict=True):
        assert np.isnan(taken) if told is None else abs(taken) <= 1.5 * most
        assert told is None or abs(told) > 1.5 * most or taken == told, "what can be is taken as it is"
    named = [Reason(Code.WATTS_ABSURD, AGENT, {"devices": ", ".join(absurd), "more": 0})] if absurd else []
    assert list(view.findings) == named


def test_a_head_that_is_given_back_is_known_again(reports):
    newer = structs.replace(HEAD, seq=9)
    tokens = [seal(head, site=SITE, key=key()) for head in (newer, HEAD)]
    hear(reports, head_seen=tokens[0], head_stored=tokens[1])
    (view,) = reports.newest
    assert (view.head_seen, view.head_stored, view.findings) == (newer, HEAD, ())
    hear(reports, now_ms=1_000_001)
    assert (reports.newest[0].head_seen, reports.newest[0].head_stored) == (None, None)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (seal(HEAD, site=SITE, key=STRANGER), "not signed by this controller"),
        ("nonsense", "not signed by this controller"),
        (seal(HEAD, site="elsewhere", key=key()), "of the site elsewhere"),
        (seal(structs.replace(HEAD, epoch=ABSURD_EPOCH + 1), site=SITE, key=key()), "no controller can have come to"),
    ],
)
def test_a_foreign_or_absurd_head_is_named_and_locks_nothing(reports, token, why):
    hear(reports, epoch=EPOCH, head_seen=token, applied=FULL)
    (view,) = reports.newest
    assert (view.head_seen, view.applied_w[0], view.echo is None) == (None, 3500.0, False), "the report counts"
    (finding,) = view.findings
    assert (finding.code, finding.subject) == (Code.HEAD_REFUSED, AGENT)
    assert why in finding.parameters["error"]


def test_why_an_agent_takes_no_sets_is_said_until_it_takes_one(reports):
    why = "nothing is raised, the agent's store is unusable: no space left on device"
    hear(reports, epoch=EPOCH, refused=why)
    assert reports.newest[0].findings == (Reason(Code.SET_REFUSED, AGENT, {"error": why}),)
    hear(reports, epoch=EPOCH, refused=None)
    assert reports.newest[0].findings == ()


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
    reports = make_reports()
    before = reports.newest
    with pytest.raises(Refused):
        reports.take(AGENT, leaf, payload, retained, NOW_S)
    assert reports.newest is before


def test_columns_that_the_tick_has_taken_do_not_change(reports):
    hear(reports, applied=FULL)
    (view,) = reports.newest
    hear(reports, now_ms=1_000_001)
    assert view.applied_w.tolist() == [3500.0, 2794.0, 10200.0]
    assert reports.newest[0].applied_w.tolist() == [25.0, 25.0, 150.0]
