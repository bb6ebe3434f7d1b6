"""What holds now, and since when."""

from __future__ import annotations

from dataclasses import replace

from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.daemon.holding import Holding
from tests.controller.north import make_decision

SILENT = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3})
LATER = replace(SILENT, parameters={"since_s": 99.0, "count": 2, "most_w": 7e3})
DOWN = Reason(Code.LINK_DOWN, "pcc")
#: The wall clock less the time of the ticks.
AHEAD_S = 5000.0


class Ticks:
    """Ticks that find something; `ahead_s`: the wall clock less their time."""

    def __init__(self) -> None:
        self.holding, self.ahead_s = Holding(), AHEAD_S

    def at(self, at_s: float, *apart: Reason, **decided: object) -> Holding:
        decision = replace(make_decision(), at_s=at_s, **decided)
        self.holding.observe(decision, apart, at_s + self.ahead_s)
        return self.holding


def test_a_reason_is_as_old_as_it_holds_without_a_gap_whatever_its_figures_are():
    ticks = Ticks()
    ticks.at(100.0, warnings=(SILENT,))
    kept = ticks.at(101.0, DOWN, warnings=(LATER,))
    assert (kept.since_utc_s(LATER), kept.since_utc_s(DOWN)) == (5100.0, 5101.0)
    assert kept.held.reasons == {(Code.AGENT_SILENT, "hall-a"): LATER, (Code.LINK_DOWN, "pcc"): DOWN}
    assert ticks.at(102.0).since_utc_s(SILENT) is None
    assert ticks.at(103.0, sources={"main": (SILENT,)}).since_utc_s(SILENT) == 5103.0


def test_a_mode_is_as_old_as_its_last_change():
    ticks = Ticks()
    assert ticks.holding.mode_since_utc_s() is None
    ticks.at(100.0)
    assert ticks.at(101.0).mode_since_utc_s() == 5100.0
    assert ticks.at(102.0, mode=Mode.HOLD).mode_since_utc_s() == 5102.0


def test_a_wall_clock_that_is_set_makes_nothing_older_or_younger():
    ticks = Ticks()
    ticks.at(100.0, DOWN)
    ticks.ahead_s = -3600.0
    kept = ticks.at(110.0, DOWN)
    assert kept.since_utc_s(DOWN) == kept.mode_since_utc_s() == 110.0 - 3600.0 - 10.0
    assert kept.held.since_s == {(Code.LINK_DOWN, "pcc"): 100.0}


def test_what_the_two_clocks_waver_changes_no_label():
    ticks = Ticks()
    ticks.at(100.0, DOWN)
    for ahead_s in (AHEAD_S + 0.4, AHEAD_S - 0.4, AHEAD_S + 0.01):
        ticks.ahead_s = ahead_s
        assert ticks.at(101.0, DOWN).since_utc_s(DOWN) == 5100.0


def test_while_nothing_changes_it_is_the_same_object():
    ticks = Ticks()
    first = ticks.at(100.0, DOWN).held
    assert ticks.at(101.0, DOWN).held is first
    assert ticks.at(102.0).held is not first
