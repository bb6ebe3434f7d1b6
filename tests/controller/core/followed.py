"""The small closed loop with the agents' own followers, over the simulated physics with all of its vices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from controller.core.site import Site
from controller.core.snapshot import Followed
from controller.site.compile import compile_site
from controller.site.devices import models_by_device
from controller.site.load import load
from drivers.fleet.agent.proof import measured_w
from drivers.fleet.wire import Follow
from simulators.world.vices import Vice
from tests.controller.core.world import World
from tests.drivers.fleet.agent.hall import STEP_S, Hall, Sight

#: How often an agent reports; at once, too, when it takes a set or a device has changed its state.
REPORT_S = 1.0
_PLACE = {letter: Followed[letter.name] for letter in Follow}
_DEMO = load(Path(__file__).parents[3] / "configs/demo.yaml")
#: The site of the demo with a few devices of each group, and ramps to match.
_FEW = {"s21-a": 14, "s21-b": 10, "s19k-a": 10, "s19k-b": 2, "s19xp-a": 8, "m60s-b": 2, "gpu": 4}
_GROUPS = tuple(group.model_copy(update={"count": _FEW[group.id]}) for group in _DEMO.fleet.groups)
_FILE = _DEMO.model_copy(update={"fleet": _DEMO.fleet.model_copy(update={"groups": _GROUPS})})
_MODELS = models_by_device(_FILE.fleet)


def few_devices(ramp_up_w_s: float = 10e3) -> Site:
    """Return the site of the demo with 50 of its devices."""
    site = compile_site(_FILE)
    return replace(site, rules=replace(site.rules, ramp_up_w_s=ramp_up_w_s))


@dataclass(repr=False)
class FollowedWorld(World):
    """A world whose devices are led by real followers; `relays`: all of them can be cut off."""

    relays: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        ids = self.site.devices.ids
        models = [_MODELS[id_] for id_ in ids]
        self.hall = Hall(models, [Sight(names=True, by=None)] * len(ids), [self.relays] * len(ids))
        self.told_w = np.full(len(ids), np.nan)
        self.follow = np.full(len(ids), Followed.LOST, dtype=np.int8)
        self.rests = np.zeros(len(ids), dtype=np.bool_)
        self.states = [""] * len(self.site.agents)

    def give(self, vice: Vice, names: list[str], *, on: bool = True) -> None:
        """Give devices a vice, or take it."""
        who = [self.hall.wired[self.site.devices.ids.index(name)].id for name in names]
        self.hall.devices.set_vice(who, vice, on=on)

    def _devices_move(self) -> None:
        for _ in range(round(self.tick_s / STEP_S)):
            took = self._take_sets(self.hall.now_s + STEP_S)
            self.hall.step()
            for a in range(len(self.site.agents)):
                self._report(a, took=took)
        self.draw_w = self.hall.physics.draw_w.copy()

    def _take_sets(self, now_s: float) -> bool:
        due = [each for each in self.pending if each[0] <= now_s]
        for each in due:
            self.pending.remove(each)
            _, self.confirmed_s[:], setpoint_w = each
            for wired, watts in zip(self.hall.wired, setpoint_w.tolist(), strict=True):
                wired.follower.grant(round(watts), now_s)
        return bool(due)

    def _report(self, a: int, *, took: bool) -> None:
        now_s, mine = self.hall.now_s, np.flatnonzero(self.site.devices.agent == a)
        followers = [self.hall.wired[k].follower for k in mine.tolist()]
        states = "".join([follower.state(now_s) for follower in followers])
        if not (took or states != self.states[a] or now_s >= self.heard_s[a] + REPORT_S):
            return
        self.states[a], self.heard_s[a] = states, now_s
        self.follow[mine] = [_PLACE[Follow(letter)] for letter in states]
        self.rests[mine] = [follower.is_resting(now_s) for follower in followers]
        self.applied_w[mine] = [follower.applied_w for follower in followers]
        readings = [None if follower.is_lost(now_s) else follower.reading for follower in followers]
        watts = [None if reading is None else measured_w(reading) for reading in readings]
        self.told_w[mine] = np.array(watts, dtype=np.float64)

    def _follow(self) -> np.ndarray:
        return self.follow.copy()

    def _rests(self) -> np.ndarray:
        return self.rests.copy()

    def _told_w(self) -> np.ndarray:
        return self.told_w.copy()
