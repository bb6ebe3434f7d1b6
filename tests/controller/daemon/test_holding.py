"""Since when what holds now has held."""

from __future__ import annotations

from dataclasses import replace

from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.daemon.holding import Holding
from tests.controller.north import make_decision

SILENT = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3})
LATER = replace(SILENT, parameters={"since_s": 99.0, "count": 2, "most_w": 7e3})
DOWN = Reason(Code.LINK_DOWN, "pcc")


def test_a_reason_is_as_old_as_it_holds_without_a_gap_whatever_its_figures_are():
    kept, tick = Holding(), make_decision()
    kept.observe(replace(tick, warnings=(SILENT,)), (), 100.0)
    kept.observe(replace(tick, warnings=(LATER,)), (DOWN,), 101.0)
    assert (kept.since_utc_s(LATER), kept.since_utc_s(DOWN)) == (100.0, 101.0)
    kept.observe(tick, (), 102.0)
    assert kept.since_utc_s(SILENT) is None
    kept.observe(replace(tick, sources={"main": (SILENT,)}), (), 103.0)
    assert kept.since_utc_s(SILENT) == 103.0


def test_a_mode_is_as_old_as_its_last_change():
    kept, tick = Holding(), make_decision()
    assert kept.mode_since_utc_s() is None
    kept.observe(tick, (), 100.0)
    kept.observe(tick, (), 101.0)
    assert kept.mode_since_utc_s() == 100.0
    kept.observe(replace(tick, mode=Mode.HOLD), (), 102.0)
    assert kept.mode_since_utc_s() == 102.0
