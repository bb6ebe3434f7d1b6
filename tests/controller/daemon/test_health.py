"""What the running site tells about its health."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.core.trust.judge import no_trust
from controller.daemon.health import health, readiness
from controller.daemon.service import Readiness
from controller.daemon.tick import Tick
from drivers.clock import boottime_s
from tests.controller.north import make_decision, make_site


def recorder(mode=Mode.NORMAL, *, ended_ago_s=0.1, reasons=(), warnings=()):
    decision = replace(make_decision(), mode=mode, reasons=reasons, warnings=warnings)
    tick = Tick(decision=decision, trust=no_trust(make_site()), duration_s=0.004, late_s=0.0)
    return SimpleNamespace(latest=tick, ended_s=boottime_s() - ended_ago_s)


NEVER = SimpleNamespace(latest=None, ended_s=-math.inf)


def test_before_the_first_tick_it_is_neither_healthy_nor_ready():
    assert not health(NEVER, 1.0).ok
    assert health(NEVER, 1.0).tick_age_s is None
    assert readiness(make_site(), NEVER, 1.0) == Readiness(ready=False, reason="no tick yet")


@pytest.mark.parametrize(
    ("period_s", "age_s", "ok"),
    [(0.1, 0.2, True), (0.1, 4.9, True), (0.1, 5.1, False), (1.0, 5.1, False), (2.0, 9.9, True), (2.0, 10.1, False)],
)
def test_a_tick_that_hangs_is_ill(period_s, age_s, ok):
    seen = health(recorder(ended_ago_s=age_s), period_s)
    assert seen.ok is ok
    assert seen.tick_age_s == pytest.approx(age_s, abs=0.05)


SILENT = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3})


def test_a_site_whose_tick_hangs_or_whose_agents_are_all_silent_is_not_led():
    hung = readiness(make_site(), recorder(ended_ago_s=60.0), 1.0)
    assert hung == Readiness(ready=False, reason="the newest decision is 60 s old: nothing is known of now")
    alone = recorder(warnings=(SILENT,))
    assert readiness(make_site(), alone, 1.0).reason.startswith("agent hall-a has been silent for 8 s")
    of_two = replace(make_site(), agents=("hall-a", "hall-b"))
    assert readiness(of_two, alone, 1.0) == Readiness(ready=True, reason="")


@pytest.mark.parametrize("mode", list(Mode))
def test_ready_is_every_mode_but_init(mode):
    seen = readiness(make_site(), recorder(mode, reasons=(Reason(Code.STARTING, "pcc"),)), 1.0)
    assert seen.ready is (mode is not Mode.INIT)
    assert seen.reason == ("starting" if mode is Mode.INIT else "")
