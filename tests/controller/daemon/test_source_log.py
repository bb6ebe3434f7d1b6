"""What speaks against a source is logged when it begins and when it ends."""

import logging
from dataclasses import replace

import pytest

from controller.core.reasons import Code, Reason
from controller.core.site import SURPLUS
from controller.core.trust.energy_balance import EnergyBalance
from controller.core.trust.judge import no_trust
from controller.daemon.source_log import SourceLog
from controller.daemon.tick import Tick
from tests.controller.north import make_decision, make_site

TRUST = no_trust(make_site())
OFF_GRID = Reason(Code.METER_OFF_GRID, "main", {"grid_hz": 50.0})
FROZEN = Reason(Code.METER_FROZEN, "main")
SILENT = Reason(Code.METER_SILENT, "main")


def observe(log, *reasons, trust=TRUST):
    decision = replace(make_decision(), sources={"main": reasons})
    log.observe(Tick(decision=decision, trust=trust, duration_s=0.0, late_s=0.0))


@pytest.fixture
def logged(caplog):
    caplog.set_level(logging.INFO, "controller.daemon.source_log")
    return lambda: [record.event for record in caplog.records]


def test_a_doubt_is_logged_when_it_begins_changes_and_ends(logged, caplog):
    log = SourceLog()
    for reasons in ((), (OFF_GRID,), (OFF_GRID,), (OFF_GRID, FROZEN), (OFF_GRID, FROZEN), (), ()):
        observe(log, *reasons)
    assert logged() == ["meter_doubted", "meter_doubted", "meter_believed"]
    assert "meter main shows no 50 Hz grid frequency" in caplog.messages[0]
    assert "; meter main has stood still" in caplog.messages[1]


def test_what_the_driver_logs_itself_is_not_said_twice(logged):
    log = SourceLog()
    observe(log, SILENT)
    observe(log)
    assert logged() == []


@pytest.mark.parametrize("code", [Code.SAMPLE_NOT_FINITE, Code.SAMPLE_ALL_ZERO, Code.SAMPLE_DOUBTED])
def test_what_only_the_control_finds_in_a_sample_is_logged(logged, code):
    observe(SourceLog(), Reason(code, "main", {"quality": "bad"}))
    assert logged() == ["meter_doubted"]


def test_a_note_is_no_doubt_and_is_said_once(logged, caplog):
    log = SourceLog()
    note = Reason(Code.VALUE_NOTED, "main", {"quantity": "active_power_w", "note": "a person has forced this value"})
    for reasons in ((note,), (note,), (), (note,)):
        observe(log, *reasons)
    assert logged() == ["meter_noted", "meter_noted"]
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_a_frozen_surplus_is_logged_as_one(logged, caplog):
    log = SourceLog()
    frozen = Reason(Code.SURPLUS_FROZEN, SURPLUS, {"shown_w": 4e4, "from_w": 6e4, "to_w": 8e4})
    log.observe(
        Tick(decision=replace(make_decision(), sources={SURPLUS: (frozen,)}), trust=TRUST, duration_s=0.0, late_s=0.0)
    )
    log.observe(Tick(decision=replace(make_decision(), sources={SURPLUS: ()}), trust=TRUST, duration_s=0.0, late_s=0.0))
    assert caplog.messages[0].startswith("the surplus reading stands still at 40 kW")
    assert caplog.messages[1] == "the surplus is believed again"


def test_figures_that_move_are_no_new_doubt(logged):
    log = SourceLog()
    for times in (0.5, 0.51):
        observe(log, Reason(Code.COUNTERS_OFF, "main", {"times": times}))
    assert logged() == ["meter_doubted"]


def test_a_counter_that_fell_is_logged(logged):
    log = SourceLog()
    for falls in (0, 1, 1, 2):
        main = replace(TRUST.sources["main"], balance=EnergyBalance(falls=falls))
        observe(log, trust=replace(TRUST, sources={**TRUST.sources, "main": main}))
    assert logged() == ["counter_fell", "counter_fell"]
