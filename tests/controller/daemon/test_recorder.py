"""What becomes of a tick, and what a tick sees: over the real journal, order book and metrics."""

import logging
import math
from dataclasses import replace

import numpy as np
import pytest

from controller.core.limits.orders import Compliance, OrderNow
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.core.trust.judge import no_trust
from controller.daemon.clock.desk import ClockDesk
from controller.daemon.contactors.resets import ResetDesk
from controller.daemon.contactors.switchboard import Switchboard
from controller.daemon.desks import Desks
from controller.daemon.events.changes import Changes
from controller.daemon.events.feed import Feed
from controller.daemon.holding import Holding
from controller.daemon.journal.journal import RecordKind
from controller.daemon.mailbox import Mailbox
from controller.daemon.metrics import Metrics
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.lock_certainty import LockCertainty
from controller.daemon.people.locks import LockDesk
from controller.daemon.people.meters import MeterDesk
from controller.daemon.people.stop import StopDesk
from controller.daemon.recorder import COMPLIANCE_S, RECORD_S, Recorder
from controller.daemon.snapshots import Snapshots
from controller.daemon.status import make_latest
from controller.daemon.tick import Tick
from controller.texts.english import texts
from drivers.readings import Quality, Sample
from tests.controller.daemon.clock.machine import NOW_S, Machine
from tests.controller.daemon.fleet.test_fleet import Rig
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.north import make_decision, make_site, make_terms

SILENT = Reason(Code.METER_SILENT, "main")
DAMAGED = Reason(Code.ORDERS_MAY_BE_MISSING, "pcc", {"why": "a row", "who": "grid"})


class Fleet:
    """Notes what it is sent, and gives the columns of a fleet that was never heard."""

    def __init__(self, calls: list[str]) -> None:
        self.calls, self.link_lost_s = calls, 12.0
        self.real = Rig(make_site()).fleet
        self.sent = []

    def send(self, decision) -> None:
        self.calls.append("leases")
        self.sent.append(decision)

    def findings(self):
        return ()

    def second_controller(self):
        return self.real.second_controller()

    def columns(self):
        self.calls.append("columns")
        return self.real.columns()


class Notifier:
    def __init__(self, calls: list[str]) -> None:
        self.calls = calls
        self.texts: list[str] = []

    def ready(self) -> None:
        self.calls.append("ready")

    def watchdog(self) -> None:
        self.calls.append("watchdog")

    def status(self, text: str) -> None:
        self.texts.append(text)


class Bench:
    def __init__(self, path) -> None:
        self.calls: list[str] = []
        self.now_s = 1000.0
        self.site, self.journal = make_site(), journal_at(path)
        self.book = OrderBook(self.journal, self.site)
        self.fleet, self.notifier, self.mailbox = Fleet(self.calls), Notifier(self.calls), Mailbox()
        latest = make_latest(self.site, lambda: None, self.fleet.real)
        holding = Holding()
        self.metrics = Metrics(
            self.site,
            latest,
            self.book,
            self.journal,
            terms=make_terms(),
            holding=holding,
            clock=lambda: self.now_s,
        )
        switchboard = Switchboard(self.site, {}, dict)
        self.machine, self.lock_certainty = Machine(path.parent), LockCertainty("pcc")
        self.wall_clock = self.machine.clock
        desks = Desks(
            resets=ResetDesk(site=self.site, journal=self.journal, decision=lambda: None),
            locks=LockDesk(site=self.site, journal=self.journal, certainty=self.lock_certainty, utc=lambda: 0.0),
            meters=MeterDesk(site=self.site, journal=self.journal, tick=lambda: None),
            stops=StopDesk(site=self.site, journal=self.journal, utc=lambda: 0.0),
            clock=ClockDesk(self.wall_clock, self.journal),
        )
        self.snapshots = Snapshots(
            self.mailbox, self.fleet, self.book, switchboard, desks, self.wall_clock, clock=lambda: self.now_s
        )
        self.recorder = Recorder(
            fleet=self.fleet,
            book=self.book,
            journal=self.journal,
            metrics=self.metrics,
            notifier=self.notifier,
            wall_clock=self.wall_clock,
            site=self.site,
            holding=holding,
            changes=Changes(Feed(self.journal), self.site, holding=holding, locks=lambda: (), head=lambda: None),
            switch=lambda _: self.calls.append("switch"),
            clock=lambda: self.now_s,
        )

    def act(self, **changes) -> None:
        self.now_s += 1.0
        decision = replace(make_decision(), at_s=self.now_s, **changes)
        trust = no_trust(self.site)
        self.recorder.act(Tick(decision=decision, trust=trust, duration_s=0.004, late_s=0.0))

    def stored(self, kind: RecordKind) -> list[dict]:
        self.journal.append(RecordKind.MODE, {"mode": "flush", "reason": ""})
        return [record.body for record in self.journal.records(kind) if record.body.get("mode") != "flush"]


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path / "journal.db")
    yield made
    made.journal.close()


def test_leases_go_out_first_and_the_watchdog_is_kicked_last(bench):
    bench.act()
    assert (bench.calls[0], bench.calls[-1], bench.calls.count("watchdog")) == ("leases", "watchdog", 1)
    assert bench.fleet.sent[0] is bench.recorder.latest.decision


def test_the_daemon_is_ready_with_its_first_tick(bench):
    bench.act()
    bench.act()
    assert bench.calls.count("ready") == 1
    assert bench.calls.index("leases") < bench.calls.index("ready")


def test_nothing_but_a_tick_kicks_the_watchdog(bench):
    bench.snapshots.take()
    bench.metrics.render()
    assert "watchdog" not in bench.calls


def test_a_tick_that_fails_on_the_way_kicks_no_watchdog(bench, monkeypatch):
    def broken(*_args):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(bench.metrics, "observe_tick", broken)
    with pytest.raises(RuntimeError):
        bench.act()
    assert bench.calls == ["leases", "switch"], "what makes the site safe comes before all that is told"
    assert bench.recorder.latest is None


def test_the_newest_tick_and_its_time_are_kept(bench):
    assert (bench.recorder.latest, bench.recorder.ended_s) == (None, -math.inf)
    bench.act()
    assert bench.recorder.latest.decision.at_s == bench.recorder.ended_s == 1001.0


def test_a_change_of_mode_is_put_on_record_logged_and_told_once(bench, caplog):
    caplog.set_level(logging.INFO)
    modes = [Mode.INIT] * 3 + [Mode.NORMAL] * 3 + [Mode.HOLD] * 3
    for mode in modes:
        bench.act(mode=mode, reasons=(SILENT,) if mode is Mode.HOLD else ())
    assert [body["mode"] for body in bench.stored(RecordKind.MODE)] == ["init", "normal", "hold"]
    assert bench.stored(RecordKind.MODE)[2]["reason"] == "meter main is silent"
    assert bench.stored(RecordKind.MODE)[2]["reasons"] == [
        {"code": "meter_silent", "subject": "main", "parameters": {}}
    ]
    logged = [record for record in caplog.records if getattr(record, "event", "") == "mode"]
    assert [(record.before, record.mode) for record in logged] == [
        (None, "init"),
        ("init", "normal"),
        ("normal", "hold"),
    ]
    assert len(bench.notifier.texts) == 3
    assert "meter main is silent" in bench.notifier.texts[2]


def test_the_line_of_systemd_follows_the_reasons_within_a_mode(bench):
    frozen = Reason(Code.METER_FROZEN, "main")
    for reasons in ((SILENT,), (SILENT,), (frozen, DAMAGED), (frozen, DAMAGED), (DAMAGED,)):
        bench.act(mode=Mode.HOLD, reasons=reasons)
    assert [text.split(" envelope ")[0] for text in bench.notifier.texts] == [
        f"hold {texts(reasons)}" for reasons in ((SILENT,), (frozen, DAMAGED), (DAMAGED,))
    ]
    assert len(bench.stored(RecordKind.MODE)) == 1


def test_the_line_of_systemd_follows_the_envelope_and_is_told_once(bench):
    for envelope_w in (80e3, 80e3, 20e3):
        bench.act(envelope_w=np.array([envelope_w, envelope_w]))
    assert [text.rsplit("envelope ")[1] for text in bench.notifier.texts] == ["80.0 kW", "20.0 kW"]


def test_decisions_are_on_record_when_something_changes_and_now_and_then(bench):
    for _ in range(20):
        bench.act()
    assert len(bench.stored(RecordKind.DECISION)) == 1
    bench.now_s += RECORD_S
    for _ in range(20):
        bench.act()
    assert len(bench.stored(RecordKind.DECISION)) == 2
    bench.act(binding=("order:o1", "unlimited"), orders_in_force=())
    bench.act(binding=("order:o1", "unlimited"), orders_in_force=())
    bench.act(binding=("order:o1", "elsewhere"), orders_in_force=())
    assert [body["binding"] for body in bench.stored(RecordKind.DECISION)][2:] == ["order:o1"]


def test_a_limit_that_comes_before_minimum_times_is_on_record(bench):
    words = "order:o1 before the minimum and settle times of 2 devices"
    given_up = (Reason(Code.TIMES_OVERRULED, "pcc", {"limits": "order:o1", "count": 2}),)
    for overruled in ((), given_up, given_up, ()):
        bench.act(overruled=overruled)
    assert [body["overruled"] for body in bench.stored(RecordKind.DECISION)] == ["", words, ""]


def test_what_is_recorded_of_a_decision(bench):
    bench.act()
    (body,) = bench.stored(RecordKind.DECISION)
    assert body == {
        "seq": 7, "mode": "normal", "binding": "surplus", "envelope_w": 80000, "site_w": 80000,
        "planned_w": 7000, "committed_w": 7000, "infeasible": False, "orders": [], "overruled": "", "overruled_reasons": [],
        "achievable_w": 2100, "warnings": "",
    }  # fmt: skip


def order_now(compliance, power_w) -> OrderNow:
    return OrderNow(
        id="o-1",
        node=0,
        limit_w=50e3,
        power_w=power_w,
        achievable_w=2100.0,
        final_w=50e3,
        since_s=900.0,
        compliance=compliance,
        revision=1,
    )


def test_how_an_order_is_kept_is_on_record_whenever_that_changes_but_not_in_every_tick(bench):
    for compliance, power_w in [(Compliance.NOT_MET, 80e3), *[(Compliance.MET, 50e3)] * 20]:
        bench.act(orders=(order_now(compliance, power_w),), orders_in_force=("grid/o-1",))
    first, second = bench.stored(RecordKind.COMPLIANCE)
    assert (first["compliance"], first["shortfall_w"], first["limit_w"], first["node"]) == (
        "not_met",
        30000,
        50000,
        "pcc",
    )
    assert (second["compliance"], second["shortfall_w"], second["power_w"]) == ("met", 0, 50000)


def test_that_the_next_revision_is_kept_too_is_on_record(bench):
    for revision in [1] * 20 + [2] * 20:
        bench.act(orders=(replace(order_now(Compliance.MET, 50e3), revision=revision),))
    assert [body["revision"] for body in bench.stored(RecordKind.COMPLIANCE)] == [1, 2]


def test_a_power_that_wavers_about_its_limit_does_not_fill_the_journal(bench):
    for k in range(40):
        kept = (Compliance.NOT_MET, 51e3) if k % 2 else (Compliance.MET, 50e3)
        bench.act(orders=(order_now(*kept),))
    assert len(bench.stored(RecordKind.COMPLIANCE)) <= 1 + 40 / COMPLIANCE_S


def test_who_keeps_an_order_from_being_met_is_on_record_when_that_is_known(bench):
    silent = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3})
    kept = order_now(Compliance.NOT_MET, 80e3)
    for warnings in [()] * 6 + [(silent,), (replace(silent, parameters={**silent.parameters, "since_s": 9.0}),)] * 8:
        bench.act(orders=(kept,), warnings=warnings)
    first, second = bench.stored(RecordKind.COMPLIANCE)
    assert (first["compliance"], first["why"], first["reasons"]) == ("not_met", "", [])
    assert (second["compliance"], second["shortfall_w"]) == ("not_met", 30000)
    assert "agent hall-a has been silent" in second["why"]
    assert [reason["code"] for reason in second["reasons"]] == ["agent_silent"]


def test_what_is_said_of_elsewhere_is_no_cause_and_a_trip_and_the_floor_are(bench):
    elsewhere = Reason(Code.AGENT_SILENT, "hall-z", {"since_s": 8.0, "count": 2, "most_w": 7e3})
    tripped = Reason(Code.NODE_TRIPPED, "feeder", {"cause": "rating", "power_w": 9e3, "limit_w": 8e3, "for_s": 30.0})
    kept = replace(order_now(Compliance.NOT_MET, 80e3), limit_w=0.0)
    bench.act(
        orders=(kept,),
        warnings=(elsewhere, tripped, Reason(Code.DEVICE_RELUCTANT, "hall-a", {"count": 1, "missing_w": 3e3})),
    )
    (body,) = bench.stored(RecordKind.COMPLIANCE)
    assert [reason["code"] for reason in body["reasons"]] == ["order_under_floor", "node_tripped"]
    bench.now_s += 20.0
    bench.act(orders=(order_now(Compliance.MET, 40e3),), warnings=(elsewhere, tripped))
    assert bench.stored(RecordKind.COMPLIANCE)[-1]["reasons"] == []


def test_a_node_above_its_envelope_is_on_record_when_it_begins_and_when_it_ends(bench):
    over = Reason(Code.OVER_ENVELOPE, "pcc", {"over_w": 9e3, "since_s": 18.0})
    for warnings in ((), (over,), (replace(over, parameters={"over_w": 8e3, "since_s": 19.0}),), ()):
        bench.act(warnings=warnings)
    begun, ended = bench.stored(RecordKind.OVER_ENVELOPE)
    assert (begun["nodes"], begun["why"]) == (["pcc"], "pcc has drawn more than it may for 18 s, 9.0 kW too much now")
    assert ended["nodes"] == []


def test_systemd_is_told_what_does_not_hold_the_site_too(bench):
    bench.act(warnings=(Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3}),))
    told = "normal agent hall-a has been silent for 8 s: its 2 devices may be drawing 7.0 kW envelope 80.0 kW"
    assert bench.notifier.texts == [told]


def test_a_decision_without_trusted_power_can_be_recorded(bench):
    bench.act(power_w=(None, None), mode=Mode.FAILSAFE)
    assert bench.stored(RecordKind.DECISION)[0]["site_w"] is None


def test_a_snapshot_holds_what_the_sources_said_last(bench):
    values = {"active_power_w": 42e3}
    bench.mailbox.publish(
        Sample(meter="main", values=values, quality=Quality.GOOD, taken_at_s=999.0, arrived_at_s=999.1)
    )
    snapshot = bench.snapshots.take()
    assert snapshot.now_s == 1000.0
    (heard,) = snapshot.heard
    assert (heard.source, heard.values, heard.taken_s, heard.arrived_s) == ("main", values, 999.0, 999.1)
    assert bench.snapshots.take().heard == (), "what was heard is in one snapshot only"
    assert snapshot.link_lost_s == 12.0
    assert (snapshot.orders, snapshot.orders_unsure) == ((), None)
    assert (snapshot.utc_s, snapshot.utc_trusted, snapshot.utc_latest_s) == (NOW_S, True, NOW_S)
    bench.machine.wall_s -= 3600.0
    doubted = bench.snapshots.take()
    assert (doubted.utc_s, doubted.utc_trusted, doubted.utc_latest_s) == (NOW_S - 3600.0, False, NOW_S + 2.0)
    bench.book.doubt("a row")
    assert bench.snapshots.take().orders_unsure == bench.book.unsure
    assert bench.book.unsure.code is Code.ORDERS_MAY_BE_MISSING
    assert bench.snapshots.take().locks_unsure is None
    bench.lock_certainty.learn("doubt", {"why": "a row", "epoch": None})
    assert bench.snapshots.take().locks_unsure.code is Code.LOCKS_MAY_BE_MISSING


def test_no_report_is_newer_than_the_time_of_the_snapshot_says(bench):
    """The time is taken before the columns: what they hold may be newer than it, what they miss is not older."""
    times = iter([5.0, 6.0, 7.0, 8.0])
    bench.snapshots._clock = lambda: (bench.calls.append("clock"), next(times))[1]
    bench.calls.clear()
    bench.snapshots.take()
    assert bench.calls == ["clock", "columns"]


def test_an_order_in_force_is_noted_as_begun(bench, monkeypatch):
    seen = []
    monkeypatch.setattr(bench.book, "observe", lambda ids, **more: seen.append((tuple(ids), more)))
    bench.act(orders_in_force=("grid/o1",))
    assert seen == [(("grid/o1",), {"utc_s": NOW_S, "utc_trusted": True})]


def test_the_loss_of_the_clock_and_its_return_are_said_recorded_and_counted_once(bench, caplog):
    with caplog.at_level(logging.INFO):
        for stepped_s in (0.0, 3600.0, 0.0, -3600.0, 0.0):
            bench.machine.go(60.0, stepped_s=stepped_s)
            bench.act()
    events = [record.event for record in caplog.records if getattr(record, "event", "").startswith("clock_")]
    assert events == ["clock_doubted", "clock_trusted"]
    assert "no order ends by the clock: the wall clock is +3600.0 s off" in caplog.text
    assert [record["trusted"] for record in bench.stored(RecordKind.CLOCK)] == [False, True]
    assert b"surplusd_utc_trusted 1.0" in bench.metrics.render()
    bench.machine.go(1.0, stepped_s=3600.0)
    bench.act()
    shown = bench.metrics.render()
    for line in (
        b"surplusd_utc_trusted 0.0",
        b"surplusd_utc_apart_seconds 3600.0",
        b"surplusd_utc_tolerance_seconds 2.0",
    ):
        assert line in shown
    assert b'surplusd_reason{code="clock_apart",subject="pcc"} 1.0' in shown
