"""When orders may end by the wall clock: over steps, slews, restarts, reboots, and by whose word."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from controller.core.limits.orders import in_force
from controller.core.reasons import Code
from controller.core.snapshot import OrderLimit
from controller.daemon.clock.anchor import LATE_S, RENEW_S
from controller.daemon.clock.wall_clock import STEADY_S
from controller.texts.english import text
from drivers.machine_clocks import Discipline
from tests.controller.core.world import World as OneTick
from tests.controller.daemon.clock.machine import NOW_S, UNSYNCHRONISED, Machine
from tests.controller.daemon.orders.disk import Disk
from tests.controller.north import make_site


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def code(utc):
    return None if utc.doubt is None else utc.doubt.code


# -- against the count


def test_a_clock_that_agrees_with_its_anchor_is_trusted_from_the_first_look(machine):
    utc = machine.clock.utc
    assert (utc.utc_s, utc.trusted, utc.doubt, utc.apart_s, utc.tolerance_s) == (NOW_S, True, None, 0.0, 2.0)
    later = machine.go(86_400.0, stepped_s=8.0)
    assert later.trusted
    assert (later.apart_s, later.tolerance_s) == pytest.approx((8.0, 2.0 + 8.64))
    assert (later.vouched_by, later.vouched_s) == ("surplusd init", 86_400.0)


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, 2.2, -2.2])
def test_f34_a_step_is_doubted_until_somebody_vouches_for_it(machine, step_s):
    utc = machine.go(1.0, stepped_s=step_s)
    assert code(utc) is Code.CLOCK_APART
    assert f"the wall clock is {step_s:+.1f} s off" in text(utc.doubt)
    assert "surplusd init vouched for it" in text(utc.doubt)
    assert not machine.go(3 * STEADY_S).trusted, "no time that goes by makes it right"
    machine.clock.vouch("grid")
    assert machine.go(1.0).trusted


def test_a_slew_of_0_9_s_at_every_look_is_doubted(machine):
    trusted = [machine.go(1.0, stepped_s=0.9).trusted for _ in range(2000)]
    assert trusted.index(False) == 2, "2 s of it may go by"
    assert not any(trusted[2:])


def test_a_slew_that_is_too_slow_for_a_look_is_doubted_by_what_it_comes_to(machine):
    machine.slew = 400e-6
    assert machine.go(6000.0, looks=100).trusted
    assert code(machine.go(2000.0, looks=100)) is Code.CLOCK_APART


def test_trust_comes_back_when_nothing_has_spoken_against_it_for_a_while(machine):
    machine.go(1.0, stepped_s=5.0)
    utc = machine.go(1.0, stepped_s=-5.0)
    assert (utc.trusted, code(utc)) == (False, Code.CLOCK_APART)
    assert not machine.go(STEADY_S - 2.0).trusted
    assert machine.go(2.0).trusted


# -- the kernel


@pytest.mark.parametrize(
    ("kernel", "wrong"),
    [
        (UNSYNCHRONISED, Code.CLOCK_UNSYNCHRONISED),
        ("Operation not permitted", Code.CLOCK_UNKNOWN),
        (Discipline(synchronised=True, turned_ppm=501.0), Code.CLOCK_TURNED),
        (Discipline(synchronised=True, turned_ppm=-501.0), Code.CLOCK_TURNED),
    ],
)
def test_a_clock_that_the_kernel_does_not_vouch_for_is_doubted_over_a_restart_too(machine, kernel, wrong):
    machine.kernel = kernel
    assert code(machine.go(1.0)) is wrong
    assert code(machine.start()) is wrong
    machine.kernel = Discipline(synchronised=True, turned_ppm=500.0)
    machine.go(1.0)
    assert machine.start().trusted


def test_without_an_anchor_a_synchronised_clock_is_not_trusted_and_a_restart_does_not_change_that(tmp_path):
    machine = Machine(tmp_path, anchored=False)
    assert code(machine.clock.utc) is Code.CLOCK_UNANCHORED
    machine.go(60.0)
    assert code(machine.start()) is Code.CLOCK_UNANCHORED
    machine.clock.hear("grid", machine.true_s - 0.2)
    assert not machine.go(1.0).trusted
    assert machine.go(STEADY_S).trusted


def test_a_damaged_anchor_is_no_anchor_and_is_told(machine, tmp_path, caplog):
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes().replace(b"1795", b"1794"))
    with caplog.at_level(logging.ERROR):
        assert code(machine.start()) is Code.CLOCK_UNANCHORED
    assert "its sum does not fit" in caplog.text


# -- restarts of the daemon


def test_f32_the_clock_is_an_hour_ahead_at_the_restart_and_no_acknowledged_order_is_lost(tmp_path):
    disk, machine = Disk(tmp_path / "state"), Machine(tmp_path)
    disk.init()
    ends_s = NOW_S + 1800.0
    with disk.running():
        answer = disk.order(ends_at_s=ends_s)
        assert answer.durable
    machine.wall_s += 3600.0
    utc = machine.start()
    with disk.running() as memory:
        for _ in range(3):
            memory.book.observe((), utc_s=utc.utc_s, utc_trusted=utc.trusted)
            utc = machine.go(1.0)
        assert answer.id in disk.limits()
        machine.wall_s -= 3600.0
        utc = machine.go(1800.0, looks=10)
        memory.book.observe((), utc_s=utc.utc_s, utc_trusted=utc.trusted)
        assert disk.limits() == {}, "it ends by a clock that is right again"


def test_a_restart_keeps_the_anchor_and_what_it_has_come_to(machine):
    machine.slew = 150e-6
    machine.go(50_000.0, looks=10)
    assert code(machine.start()) is Code.CLOCK_APART
    machine.slew = 0.0
    assert code(machine.go(10 * STEADY_S)) is Code.CLOCK_APART


# -- starts of the machine


def test_over_a_reboot_most_agents_clocks_tell_how_much_time_went_by(machine):
    machine.go(20.0)
    utc = machine.reboot(300.0)
    assert utc.trusted
    assert utc.vouched_by == "most agents' clocks"
    assert abs(utc.apart_s) < 0.1
    assert 3.0 < utc.tolerance_s < 3.1, "it is not better than the anchor that was carried"
    assert machine.start().trusted, "and is on the disk"
    assert not machine.go(1.0, stepped_s=3.5).trusted


@pytest.mark.parametrize("wrong_s", [3600.0, -3600.0, 10.0])
def test_the_rtc_is_wrong_at_boot_and_the_clock_is_doubted_until_it_is_set_right(machine, wrong_s):
    machine.go(20.0)
    utc = machine.reboot(300.0, rtc_wrong_s=wrong_s)
    assert code(utc) is Code.CLOCK_APART
    machine.go(120.0)
    machine.go(1.0, stepped_s=-wrong_s)
    assert machine.go(STEADY_S).trusted


def test_agents_that_were_started_anew_too_tell_nothing(machine):
    machine.go(20.0)
    machine.restart_agents("hall-0", "hall-1")
    assert code(machine.reboot(300.0)) is Code.CLOCK_UNANCHORED
    machine.go(600.0)
    assert code(machine.clock.utc) is Code.CLOCK_UNANCHORED


def test_what_agents_that_begin_anew_say_is_not_compared_with_what_they_said_before(machine):
    machine.go(20.0)
    for agent in machine.agents.values():
        agent.boot, agent.shows_s = "anew", agent.shows_s + 3600.0
    assert code(machine.reboot(300.0, rtc_wrong_s=3600.0)) is Code.CLOCK_UNANCHORED


def test_one_agent_in_three_may_be_away_or_an_hour_ahead(machine):
    machine.go(20.0)
    machine.agents["hall-0"].shows_s += 3600.0
    assert machine.reboot(300.0).trusted
    machine.go(20.0)
    machine.agents["hall-1"].reports = False
    assert machine.reboot(300.0).trusted


def test_agents_that_are_heard_later_carry_it_then(machine):
    machine.go(20.0)
    for agent in machine.agents.values():
        agent.reports = False
    assert code(machine.reboot(300.0)) is Code.CLOCK_UNANCHORED
    machine.agents["hall-0"].reports = True
    assert code(machine.go(5.0)) is Code.CLOCK_UNANCHORED, "one is not most of them"
    machine.agents["hall-1"].reports = True
    machine.go(1.0)
    assert machine.go(STEADY_S).trusted


def test_an_agent_that_was_started_anew_carries_it_over_the_next_reboot(machine):
    machine.go(20.0)
    machine.restart_agents(*machine.agents)
    machine.go(20.0)
    assert machine.reboot(300.0).trusted


def test_a_machine_that_was_paused_is_set_right_by_most_agents_and_its_own_clock_together(machine):
    machine.go(20.0)
    machine.pause(300.0)
    assert machine.go(1.0).apart_s == pytest.approx(0.0), "it does not notice"
    utc = machine.go(1.0, stepped_s=300.0)
    assert utc.vouched_by == "most agents' clocks"
    assert utc.trusted


def test_a_wrong_step_is_not_believed_because_agents_are_there(machine):
    machine.go(20.0)
    assert not machine.go(1.0, stepped_s=300.0).trusted
    assert machine.clock.utc.vouched_by == "surplusd init"


# -- by whose word


def test_an_issuers_time_makes_it_right_after_a_step_that_was_right(tmp_path):
    machine = Machine(tmp_path)
    machine.wall_s -= 3600.0
    machine.clock.vouch("grid")
    utc = machine.go(1.0, stepped_s=3600.0)
    assert code(utc) is Code.CLOCK_APART
    machine.clock.hear("grid", machine.true_s - 0.5)
    assert machine.go(STEADY_S).trusted
    assert machine.clock.utc.vouched_by == "grid"
    assert machine.start().trusted


def test_an_issuers_time_that_is_far_off_is_a_doubt_until_they_agree(machine):
    machine.clock.hear("grid", machine.true_s - 3600.0)
    utc = machine.go(1.0)
    assert (code(utc), utc.vouched_by) == (Code.CLOCK_APART, "grid")
    machine.clock.hear("grid", machine.true_s)
    assert machine.go(STEADY_S).trusted


def test_a_message_that_is_late_says_nothing(machine):
    machine.clock.hear("grid", machine.true_s - LATE_S)
    machine.clock.hear("grid", machine.true_s - 2.1)
    assert machine.go(1.0).vouched_by == "surplusd init"


def test_an_anchor_is_renewed_by_an_issuer_once_in_a_while(machine):
    machine.clock.hear("grid", machine.true_s)
    assert machine.go(RENEW_S).vouched_by == "surplusd init"
    machine.clock.hear("grid", machine.true_s - 1.0)
    utc = machine.go(1.0)
    assert (utc.vouched_by, utc.apart_s) == ("grid", pytest.approx(1.0)), "by its time, and not by that of the clock"


def test_a_word_counts_although_the_tick_looks_at_the_same_moment(machine):
    seen = machine.clock._anchor
    machine.clock.vouch("grid")
    assert machine.clock._replace(seen, None).by == "grid"


def test_an_anchor_that_cannot_be_written_counts_until_the_next_start_and_is_told_once(machine, monkeypatch, caplog):
    def full(_):
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(machine.file, "write", full)
    machine.go(1.0, stepped_s=5.0)
    machine.clock.hear("grid", machine.wall_s)
    with caplog.at_level(logging.WARNING):
        assert machine.go(STEADY_S).vouched_by == "grid"
        machine.go(1.0)
    assert caplog.text.count("no space left on device") == 1
    with pytest.raises(OSError, match="no space"):
        machine.clock.vouch("dso")
    assert machine.clock.utc.vouched_by == "grid"
    monkeypatch.undo()
    machine.go(1.0)
    assert machine.start().vouched_by == "grid"


# -- what it means for orders


def test_a_scheduled_start_comes_by_whichever_clock_is_ahead(machine):
    order = OrderLimit(
        id="o", node=0, limit_w=1e3, starts_utc_s=NOW_S + 600.0, ends_utc_s=NOW_S + 1200.0, ramp_w_s=1e9, begun=False
    )
    snapshot = OneTick(make_site(), 0.0).snapshot()

    def binds():
        utc = machine.clock.utc
        seen = replace(snapshot, utc_s=utc.utc_s, utc_trusted=utc.trusted, utc_latest_s=utc.latest_s)
        return in_force(order, seen)

    machine.go(590.0, stepped_s=-3600.0)
    assert not binds()
    machine.go(9.0)
    assert binds(), "the count says so, give or take its tolerance, while the clock is an hour behind"
    machine.go(1300.0)
    assert binds(), "and it does not end"
    machine.go(1.0, stepped_s=3600.0)
    machine.go(STEADY_S)
    assert not binds()


def test_by_a_clock_that_is_trusted_nothing_begins_early(machine):
    machine.go(1e6)
    assert machine.clock.utc.latest_s == machine.clock.utc.utc_s
