"""Looks at the sources and the fleet: what is unknown is None or NaN, never a number."""

import numpy as np

from controller.core.site import SURPLUS
from controller.daemon.latest import DEVICE_STATES
from controller.daemon.mailbox import Board
from controller.daemon.status import make_views
from drivers.fleet.wire import DeviceState
from drivers.readings import Loss, Quality, Sample
from tests.controller.daemon.fleet.loop import make_site
from tests.controller.daemon.fleet.test_fleet import AGENTS, Rig


def looked():
    rig, board = Rig(make_site(AGENTS)), Board(make_site(AGENTS))
    return rig, board, make_views(rig.site, board, rig.fleet, clock=lambda: rig.now_s)


def test_before_anything_was_heard_nothing_has_a_value():
    rig, _, views = looked()
    assert set(views.meters()) == {*rig.site.meters.ids, SURPLUS}
    assert all(
        (view.value_w, view.age_s, view.quality) == (None, None, Quality.BAD) for view in views.meters().values()
    )
    assert set(views.agents()) == set(AGENTS)
    assert all((view.online, view.age_s, view.lease_left_s) == (False, None, None) for view in views.agents().values())
    columns = views.devices()
    assert np.isnan(columns.measured_w).all()
    assert {DEVICE_STATES[code] for code in columns.state} == {"lost"}


def test_the_age_of_a_lost_meter_goes_on_with_its_last_value():
    rig, board, views = looked()
    values = {"active_power_w": 5e3}
    board.publish(Sample(meter="main", values=values, quality=Quality.GOOD, taken_at_s=998.0, arrived_at_s=998.1))
    board.publish(Loss(meter="main", reason="no answer", at_s=999.0))
    view = views.meters()["main"]
    assert (view.value_w, view.quality, view.age_s) == (5e3, Quality.BAD, 2.0)
    rig.now_s += 60.0
    assert views.meters()["main"].age_s == 62.0


def test_every_quantity_of_a_meter_is_shown_with_its_own_age():
    _, board, views = looked()
    slow = {"active_power_w": 5e3, "energy_import_wh": 7e6}
    board.publish(Sample(meter="main", values=slow, quality=Quality.GOOD, taken_at_s=990.0, arrived_at_s=990.1))
    fast = {"active_power_w": 6e3}
    board.publish(Sample(meter="main", values=fast, quality=Quality.GOOD, taken_at_s=999.0, arrived_at_s=999.1))
    view = views.meters()["main"]
    assert view.quantities == {"active_power_w": (6e3, 1.0), "energy_import_wh": (7e6, 10.0)}
    assert (view.value_w, view.problem) == (6e3, "")
    board.publish(Loss(meter="main", reason="no answer", at_s=999.5))
    assert views.meters()["main"].problem == "no answer"


def test_agents_and_devices_are_as_they_reported_last():
    rig, _, views = looked()
    rig.report(1, measured_w=123.5, state=DeviceState.STARTING, lease_left_ms=20_000)
    rig.now_s += 3.0
    view = views.agents()[AGENTS[1]]
    assert (view.online, view.age_s, view.lease_left_s) == (True, 3.0, 20.0)
    columns, theirs = views.devices(), rig.site.devices.agent == 1
    assert columns.measured_w[theirs].tolist() == [123.5] * 3
    assert {DEVICE_STATES[code] for code in columns.state[theirs]} == {"starting"}
    assert np.isnan(columns.measured_w[~theirs]).all()


def test_every_state_of_a_device_can_be_shown():
    assert {state.value for state in DeviceState} == set(DEVICE_STATES)
