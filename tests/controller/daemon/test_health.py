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


def recorder(mode=Mode.NORMAL, *, ended_ago_s=0.1, reasons=()):
    decision = replace(make_decision(), mode=mode, reasons=reasons)
    tick = Tick(decision=decision, trust=no_trust(make_site()), duration_s=0.004, late_s=0.0)
    return SimpleNamespace(latest=tick, ended_s=boottime_s() - ended_ago_s)


NEVER = SimpleNamespace(latest=None, ended_s=-math.inf)


def test_before_the_first_tick_it_is_neither_healthy_nor_ready():
    assert not health(NEVER, 1.0).ok
    assert health(NEVER, 1.0).tick_age_s is None
    assert readiness(make_site(), NEVER) == Readiness(ready=False, reason="no tick yet")


@pytest.mark.parametrize(
    ("period_s", "age_s", "ok"),
    [(0.1, 0.2, True), (0.1, 4.9, True), (0.1, 5.1, False), (1.0, 5.1, False), (2.0, 9.9, True), (2.0, 10.1, False)],
)
def test_a_tick_that_hangs_is_ill(period_s, age_s, ok):
    seen = health(recorder(ended_ago_s=age_s), period_s)
    assert seen.ok is ok
    assert seen.tick_age_s == pytest.approx(age_s, abs=0.05)


@pytest.mark.parametrize("mode", list(Mode))
def test_ready_is_every_mode_but_init(mode):
    seen = readiness(make_site(), recorder(mode, reasons=(Reason(Code.STARTING, "pcc"),)))
    assert seen.ready is (mode is not Mode.INIT)
    assert seen.reason == ("starting" if mode is Mode.INIT else "")
