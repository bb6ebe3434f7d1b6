"""The small closed loop with the agents' own leases and followers: statements and reports that get lost, and agents that start anew."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from drivers.errors import Refused
from drivers.fleet.agent.follow import Follower
from drivers.fleet.agent.lease import Held, LeasedDevice, LeaseHolder
from drivers.fleet.agent.relay import RelayKeeper
from drivers.fleet.wire import Echo, Set
from tests.controller.core.followed import FollowedWorld
from tests.drivers.fleet.agent.hall import STEP_S

INVENTORY = "0" * 16


@dataclass
class LeasedAgent:
    """One agent: what it holds, until when it is dead or cut off, and when the newest lease that reached it ends."""

    mine: np.ndarray
    holder: LeaseHolder
    starts: int = 1
    dead_until_s: float = 0.0
    cut_until_s: float = 0.0
    end_s: float = 0.0
    echo: Echo | None = None  # as the controller knows it

    @property
    def boot(self) -> str:
        return f"start-{self.starts}"


@dataclass(repr=False)
class LeasedWorld(FollowedWorld):
    """A world whose agents hold real leases. `loses`: the share of statements and reports that get lost."""

    loses: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        devices = self.site.devices
        models = [device.model for device in self.hall.physics.site.devices]
        self.devices = [
            LeasedDevice(model=model, failsafe_w=float(devices.failsafe_w[k])) for k, model in enumerate(models)
        ]
        self.every, self.seq, self.decided_s, self.random = self.hall.wired, 0, {}, random.Random(1)
        places = [np.flatnonzero(devices.agent == a) for a in range(len(self.site.agents))]
        self.agents = [
            LeasedAgent(mine=mine, holder=self._holder(a, mine, "start-1", Held())) for a, mine in enumerate(places)
        ]

    def _holder(self, a: int, mine: np.ndarray, boot: str, held: Held) -> LeaseHolder:
        return LeaseHolder(
            agent=self.site.agents[a],
            boot=boot,
            devices={self.every[k].id: self.devices[k] for k in mine.tolist()},
            inventory=INVENTORY,
            settle_s=self.site.rules.settle_s,
            held=held,
            now_ms=round(1000 * self.hall.now_s),
        )

    def restart(self, a: int, after_s: float) -> None:
        """Kill an agent; its devices run on, and it starts anew after a while, by what it has stored."""
        self.agents[a].dead_until_s = self.hall.now_s + after_s

    def cut(self, a: int, for_s: float) -> None:
        """Let nothing reach an agent for a while, and nothing come from it."""
        self.agents[a].cut_until_s = self.hall.now_s + for_s

    def _devices_move(self) -> None:
        for _ in range(round(self.tick_s / STEP_S)):
            now_s = self.hall.now_s + STEP_S
            due = [each for each in self.pending if each[0] <= now_s]
            self.pending = [each for each in self.pending if each[0] > now_s]
            for a, agent in enumerate(self.agents):
                self._turn(a, agent, due, now_s)
            self.hall.wired = [wired for wired in self.every if now_s >= self._of(wired.index).dead_until_s]
            self.hall.step()
            self.hall.wired = self.every
            for a, agent in enumerate(self.agents):
                if now_s >= agent.dead_until_s and not self._is_lost(agent, now_s):
                    self._hear(a, agent, took=bool(due))
        self.draw_w = self.hall.physics.draw_w.copy()

    def _of(self, k: int) -> LeasedAgent:
        return self.agents[int(self.site.devices.agent[k])]

    def _is_lost(self, agent: LeasedAgent, now_s: float) -> bool:
        return now_s < agent.cut_until_s or self.random.random() < self.loses

    def _turn(self, a: int, agent: LeasedAgent, due: list, now_s: float) -> None:
        if 0.0 < agent.dead_until_s <= now_s:
            self._start_anew(a, agent, now_s)
        for _, decided_s, setpoint_w in due:
            self.seq += 1
            self.decided_s[self.seq] = decided_s
            if now_s >= agent.dead_until_s and not self._is_lost(agent, now_s):
                self._offer(a, agent, setpoint_w[agent.mine], now_s)
        if now_s < agent.dead_until_s:
            return
        agent.holder.advance(round(1000 * now_s))
        for k, watts in zip(agent.mine.tolist(), agent.holder.setpoints_w, strict=True):
            if self.every[k].follower.aim_w != watts:
                self.every[k].follower.grant(watts, now_s)
        agent.holder.took([self.every[k].follower.low_w for k in agent.mine.tolist()])

    def _offer(self, a: int, agent: LeasedAgent, setpoint_w: np.ndarray, now_s: float) -> None:
        lease_s = self.site.rules.lease_s
        statement = Set(
            v=2, site="demo", agent=self.site.agents[a], key="controller", epoch=1, seq=self.seq, ttl_ms=round(1000 * lease_s),
            echo=agent.echo, head=None, inventory=INVENTORY, setpoints_w=[round(watts) for watts in setpoint_w.tolist()],
        )  # fmt: skip
        try:
            agent.holder.offer(statement, round(1000 * now_s))
        except Refused:
            return
        if agent.echo is not None and agent.echo.boot == agent.boot:
            agent.end_s = max(agent.end_s, agent.echo.boottime_ms / 1000 + lease_s)

    def _start_anew(self, a: int, agent: LeasedAgent, now_s: float) -> None:
        stored = {self.every[k].id: self.every[k].follower.low_w for k in agent.mine.tolist()}
        held = Held(epoch=1, seq=agent.holder.accepted_seq, applied=stored)
        agent.starts, agent.dead_until_s, agent.end_s = agent.starts + 1, 0.0, now_s
        agent.holder = self._holder(a, agent.mine, agent.boot, held)
        for k in agent.mine.tolist():
            wired, device = self.every[k], self.devices[k]
            wired.waiting = None
            wired.follower = Follower(device, stored_w=stored[wired.id], has_relay=self.relays, now_s=now_s)
            wired.relay = RelayKeeper(hold_s=None, now_s=now_s) if self.relays else None

    def _hear(self, a: int, agent: LeasedAgent, *, took: bool) -> None:
        before_s = self.heard_s[a]
        self._report(a, took=took)
        if self.heard_s[a] != before_s:
            agent.echo = Echo(boot=agent.boot, boottime_ms=round(1000 * self.hall.now_s))
            self.confirmed_s[a] = self.decided_s.get(agent.holder.accepted_seq, -np.inf)
