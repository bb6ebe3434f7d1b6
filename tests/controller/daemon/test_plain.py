"""What replays a tick can be written down and read again."""

import json
import math
from dataclasses import replace

import numpy as np

from controller.core.reasons import Code, Reason
from controller.daemon.plain import plain
from tests.controller.core.world import World, site


def test_snapshot_and_state_are_json_with_every_number():
    world = World(site(miners=2, stepped=1, gpus=1), surplus_w=50e3)
    world.run(5)
    state = replace(world.state, failsafe_cap_w=math.inf)
    written = json.loads(json.dumps({"snapshot": plain(world.snapshot()), "state": plain(state)}, allow_nan=False))
    assert written["state"]["failsafe_cap_w"] == "inf"
    assert written["state"]["leases"]["setpoint_w"] == state.leases.setpoint_w.tolist()
    assert written["state"]["mode"]["mode"] == state.mode.mode.value
    assert set(written["state"]["trust"]["sources"]) == {"check", "main", "surplus"}
    assert written["snapshot"]["fleet"]["heard_s"] == world.heard_s.tolist()


def test_numbers_that_json_does_not_have_keep_their_names():
    assert plain(np.array([1.0, math.inf, -math.inf, math.nan])) == [1.0, "inf", "-inf", "nan"]


def test_reasons_as_they_stand_in_the_journal():
    reason = Reason(Code.COUNTERS_OFF, "main", {"times": 0.5})
    assert plain((reason,)) == [{"code": "counters_off", "subject": "main", "parameters": {"times": 0.5}}]
