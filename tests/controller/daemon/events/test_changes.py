"""What changes from tick to tick, and nothing else, is told."""

import json
from dataclasses import replace

import numpy as np
import pytest

from controller.core.limits.locked import LockNow
from controller.core.limits.trip import ContactorState, Phase
from controller.core.reasons import Code, Reason
from controller.core.snapshot import ContactorNow, Position
from controller.daemon.events.changes import Changes
from controller.daemon.holding import Holding
from controller.daemon.people.locks import PersonalLock
from tests.controller.daemon.events.test_feed import absent_feed
from tests.controller.north import make_decision, make_site

LOCK = PersonalLock(subject="feeder", by="Ali", token="ops", reason="fan", utc_s=0.0)
SILENT = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3})


class Bench:
    def __init__(self):
        self.feed, self.head = absent_feed(), "head-1"
        self.holding = Holding()
        self.changes = Changes(
            self.feed, make_site(), holding=self.holding, locks=lambda: (LOCK,), head=lambda: self.head
        )
        self.place = self.feed.place

    def tick(self, *apart, **changed):
        """Return what a tick tells that decides so."""
        decision = replace(make_decision(), **changed)
        self.holding.observe(decision, apart, 0.0)
        self.changes.observe(decision)
        events = self.feed.after(self.place)
        self.place = self.feed.place
        return [(event.name.value, {k: v for k, v in json.loads(event.data).items() if k != "at"}) for event in events]


@pytest.fixture
def bench():
    bench = Bench()
    bench.tick()
    return bench


def test_the_first_tick_tells_what_binds_and_how_the_journal_is():
    bench = Bench()
    first = bench.tick()
    assert first[:2] == [
        ("binding", {"node": "pcc", "binding": "surplus", "before": None, "envelope_w": 80e3}),
        ("binding", {"node": "feeder", "binding": "rating:feeder", "before": None, "envelope_w": "unlimited"}),
    ]
    assert [name for name, _ in first[2:]] == ["journal", "head"]


def test_a_tick_like_the_one_before_tells_nothing(bench):
    assert bench.tick() == []
    assert bench.tick(seq=9, at_s=1001.0) == []


def test_another_limit_that_binds_is_told_of_its_node(bench):
    (only,) = bench.tick(binding=("order:grid/a", "rating:feeder"), envelope_w=np.array([20e3, np.inf]))
    assert only == ("binding", {"node": "pcc", "binding": "order:grid/a", "before": "surplus", "envelope_w": 20e3})


def test_a_reason_is_told_when_it_begins_and_when_it_is_over_wherever_it_stands(bench):
    doubt = Reason(Code.CLOCK_UNKNOWN, "pcc", {"error": "no clock"})
    begun = bench.tick(
        doubt, warnings=(SILENT,), sources={"main": (Reason(Code.METER_FROZEN, "main", {"since_s": 9.0}),)}
    )
    assert [(name, data["what"], data["code"], data["subject"]) for name, data in begun] == [
        ("reason", "begun", "agent_silent", "hall-a"),
        ("reason", "begun", "meter_frozen", "main"),
        ("reason", "begun", "clock_unknown", "pcc"),
    ]
    assert begun[0][1]["parameters"] == {"since_s": 8.0, "count": 2, "most_w": 7e3}
    assert "hall-a has been silent" in begun[0][1]["text"]
    later = replace(SILENT, parameters={"since_s": 9.0, "count": 2, "most_w": 7e3})
    over = bench.tick(doubt, warnings=(later,))
    assert [(data["what"], data["code"]) for _, data in over] == [("over", "meter_frozen")]
    assert [data["code"] for _, data in bench.tick()] == ["agent_silent", "clock_unknown"]


def test_a_contactor_is_told_in_each_phase(bench):
    closed = ContactorState(
        node=1, phase=Phase.CLOSED, since_s=0.0, now=ContactorNow(position=Position.CLOSED, fault="")
    )
    ((name, data),) = bench.tick(contactors=(closed,))
    assert (name, data) == (
        "contactor",
        {
            "node": "feeder",
            "state": "closed",
            "proven_open": False,
            "position": "closed",
            "fault": "",
            "trip": None,
            "void": None,
        },
    )
    assert bench.tick(contactors=(replace(closed, since_s=1.0),)) == []
    ((_, data),) = bench.tick(contactors=(replace(closed, phase=Phase.STARTING),))
    assert data["state"] == "starting"


def test_the_proof_of_a_lock_is_told_as_it_comes(bench):
    now = LockNow(id="feeder by Ali", devices=2, unproven=1, most_w=3500.0)
    assert bench.tick(locks=(now,)) == [
        ("lock_proof", {"subject": "feeder", "by": "Ali", "devices": 2, "unproven": 1, "most_w": 3500.0})
    ]
    ((_, data),) = bench.tick(locks=(replace(now, unproven=0, most_w=0.0),))
    assert data["unproven"] == 0


def test_the_head_and_a_journal_that_cannot_be_written_are_told(bench):
    bench.head = "head-2"
    assert bench.tick() == [("head", {"head": "head-2"})]
    bench.feed._journal.failure = "disk full"
    assert bench.tick() == [("journal", {"usable": False, "failure": "disk full"})]
    bench.head, bench.feed._journal.failure = None, None
    assert bench.tick() == [("journal", {"usable": True, "failure": None})]
