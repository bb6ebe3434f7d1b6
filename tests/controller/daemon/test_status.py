"""Looks at the sources and the fleet: what is unknown is None or NaN, never a number."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from controller.core.fleet.bounds import nobody_below
from controller.core.fleet.leases import CONTACT_S
from controller.core.reasons import Code
from controller.core.site import SURPLUS
from controller.core.snapshot import Grade
from controller.core.trust.judge import judge, no_trust
from controller.daemon.latest import DEVICE_STATES
from controller.daemon.mailbox import as_heard
from controller.daemon.status import make_latest
from controller.daemon.tick import Tick
from drivers.fleet.head import seal
from drivers.fleet.wire import Activity
from drivers.readings import Loss, Quality, Sample
from tests.controller.daemon.fleet.loop import HEAD, SITE, make_site
from tests.controller.daemon.fleet.test_fleet import AGENTS, CONTROLLER_KEY, Rig
from tests.controller.north import make_decision


class Looked:
    """A rig, and what its meters have said to the newest tick; None before the first."""

    def __init__(self) -> None:
        self.rig, self.tick = Rig(make_site(AGENTS)), None
        self.trust = no_trust(self.rig.site)
        self.latest = make_latest(self.rig.site, lambda: self.tick, self.rig.fleet, clock=lambda: self.rig.now_s)

    def hear(self, *items) -> None:
        site, heard = self.rig.site, tuple(map(as_heard, items))
        self.trust, judged = judge(self.trust, site, heard, nobody_below(site), self.rig.now_s, starting=False)
        decision = replace(make_decision(), sources=judged.reasons)
        self.tick = Tick(decision=decision, trust=self.trust, duration_s=0.0, late_s=0.0)


def sample(taken_s, *, notes=None, **values) -> Sample:
    return Sample(
        meter="main",
        values=values,
        quality=Quality.GOOD,
        taken_at_s=taken_s,
        arrived_at_s=taken_s + 0.1,
        notes=notes or {},
    )


def test_before_anything_was_heard_nothing_has_a_value():
    looked = Looked()
    latest = looked.latest
    assert set(latest.meters()) == {*looked.rig.site.meters.ids, SURPLUS}
    assert all((view.value_w, view.age_s, view.quality) == (None, None, Grade.BAD) for view in latest.meters().values())
    assert {view.problem for view in latest.meters().values()} == {
        "has never been read",
        "the surplus has never been read",
    }
    assert set(latest.agents()) == set(AGENTS)
    assert all((view.online, view.age_s, view.lease_left_s) == (False, None, None) for view in latest.agents().values())
    columns = latest.devices()
    assert np.isnan(columns.measured_w).all()
    assert {DEVICE_STATES[code] for code in columns.state} == {"lost"}


def test_the_age_of_a_lost_meter_goes_on_with_its_last_value():
    looked = Looked()
    looked.hear(sample(998.0, active_power_w=5e3), Loss(meter="main", reason="no answer", at_s=999.0))
    view = looked.latest.meters()["main"]
    assert (view.value_w, view.quality, view.age_s) == (5e3, Grade.BAD, 2.0)
    looked.rig.now_s += 60.0
    assert looked.latest.meters()["main"].age_s == 62.0


def test_every_quantity_of_a_meter_is_shown_with_its_own_age():
    looked = Looked()
    looked.hear(sample(990.0, active_power_w=5e3, energy_import_wh=7e6), sample(999.0, active_power_w=6e3))
    view = looked.latest.meters()["main"]
    assert view.quantities == {"active_power_w": (6e3, 1.0), "energy_import_wh": (7e6, 10.0)}
    assert (view.value_w, view.problem) == (6e3, "")
    looked.hear(Loss(meter="main", reason="no answer", at_s=999.5))
    assert looked.latest.meters()["main"].problem == "is not read: no answer"


def test_what_a_person_has_forced_is_shown_and_is_no_problem():
    looked = Looked()
    looked.hear(sample(999.0, active_power_w=5e3, notes={"active_power_w": "a person has forced this value"}))
    view = looked.latest.meters()["main"]
    assert view.notes == {"active_power_w": "a person has forced this value"}
    assert ([reason.code.value for reason in view.reasons], view.problem) == (["value_noted"], "")


def test_agents_and_devices_are_as_they_reported_last():
    looked = Looked()
    rig, latest = looked.rig, looked.latest
    rig.introduce(1)
    rig.report(1, measured_w=[123, None, 0], state="apl", activity="snr", lease_left_ms=20_000)
    rig.now_s += 3.0
    view = latest.agents()[AGENTS[1]]
    assert (view.online, view.age_s, view.lease_left_s) == (True, 3.0, 17.0)
    columns, theirs = latest.devices(), rig.site.devices.agent == 1
    assert np.array_equal(columns.measured_w[theirs], [123.0, np.nan, 0.0], equal_nan=True)
    assert [DEVICE_STATES[code] for code in columns.state[theirs]] == ["starting", "unknown", "lost"]
    assert np.isnan(columns.measured_w[~theirs]).all()


def test_what_an_agent_said_is_gone_once_it_is_out_of_contact_and_so_is_what_was_left_of_its_lease():
    looked = Looked()
    rig, latest = looked.rig, looked.latest
    rig.introduce(1)
    rig.report(1, lease_left_ms=20_000)
    rig.now_s += CONTACT_S
    view = latest.agents()[AGENTS[1]]
    assert (view.online, view.lease_left_s) == (True, pytest.approx(20.0 - CONTACT_S))
    rig.now_s += 0.1
    view, columns = latest.agents()[AGENTS[1]], latest.devices()
    assert (view.online, view.age_s) == (False, pytest.approx(CONTACT_S + 0.1))
    assert view.lease_left_s is None
    assert np.isnan(columns.measured_w).all()
    assert {DEVICE_STATES[code] for code in columns.state} == {"lost"}


def test_every_state_of_a_device_can_be_shown():
    assert {activity.name.lower() for activity in Activity} | {"lost", "resting"} == set(DEVICE_STATES)


def test_a_device_that_rests_is_shown_so_while_its_agent_is_in_contact():
    looked = Looked()
    rig, theirs = looked.rig, looked.rig.site.devices.agent == 1
    rig.introduce(1)
    rig.report(1, state="opo", activity="oro", rests="rnn")
    states = [DEVICE_STATES[code] for code in looked.latest.devices().state[theirs]]
    assert states == ["resting", "running", "off"]
    rig.now_s += CONTACT_S + 0.1
    assert {DEVICE_STATES[code] for code in looked.latest.devices().state} == {"lost"}


def test_what_is_wrong_with_what_an_agent_says_is_shown_with_it_and_so_is_the_head_that_it_holds():
    looked = Looked()
    rig, tokens = looked.rig, [seal(structs.replace(HEAD, seq=seq), site=SITE, key=CONTROLLER_KEY) for seq in (4, 3)]
    rig.introduce(1, rig.devices(1)[1:])
    rig.report(1, listed=rig.devices(1)[1:], head_seen=tokens[0], head_stored=tokens[1])
    view = looked.latest.agents()[AGENTS[1]]
    assert view.problem == "agent hall-b does not have a-s21-1"
    assert [reason.code for reason in view.reasons] == [Code.DEVICES_MISSING]
    assert (view.head_seq, view.head_stored_seq) == (4, 3)
    assert looked.latest.agents()[AGENTS[0]].problem == ""
