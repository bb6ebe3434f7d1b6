"""A machine whose clocks are moved by hand, with agents on machines of their own, and what is true beside all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from controller.daemon.clock.anchor import AgentClock, vouched
from controller.daemon.clock.anchor_file import ANCHOR, AnchorFile
from controller.daemon.clock.wall_clock import WallClock
from controller.daemon.utc import Utc
from drivers.machine_clocks import Discipline, MachineClocks
from tests.controller.north import make_site

NOW_S = 1_795_000_000.0
GOOD = Discipline(synchronised=True, turned_ppm=12.0)
UNSYNCHRONISED = Discipline(synchronised=False, turned_ppm=0.0)


@dataclass
class Agent:
    """An agent's clock: what its start is called, what it shows, and how fast it runs."""

    boot: str = "a-1"
    shows_s: float = 5000.0
    rate: float = 1.0
    reports: bool = True
    late_s: float = 0.0


class Machine:
    """`true_s`: the UTC; `wall_s`: the wall clock; `count_s`: what the hardware has counted since its start."""

    def __init__(self, folder: Path, agents: int = 3, *, anchored: bool = True) -> None:
        self.file = AnchorFile(folder / ANCHOR)
        self.true_s = self.wall_s = NOW_S
        self.count_s, self.boots = 100.0, 1
        self.rate, self.slew = 1.0, 0.0
        self.kernel: Discipline | str = GOOD
        self.agents = {f"hall-{k}": Agent(shows_s=5000.0 * (k + 1)) for k in range(agents)}
        self.site = replace(make_site(), agents=tuple(self.agents))
        if anchored:
            self.file.write(vouched(self.read(), self.wall_s, "surplusd init"))
        self.start()

    def read(self) -> MachineClocks:
        return MachineClocks(
            utc_s=self.wall_s,
            count_s=self.count_s,
            boot=f"boot-{self.boots}",
            boottime_s=self.count_s,
            kernel=self.kernel,
        )

    def agent_clocks(self, clocks: MachineClocks) -> Mapping[str, AgentClock]:
        return {
            name: AgentClock(boot=agent.boot, ahead_s=agent.shows_s - agent.late_s - clocks.count_s)
            for name, agent in self.agents.items()
            if agent.reports
        }

    # -- what happens

    def start(self) -> Utc:
        """Start the daemon, as after a crash or in order: it remembers what is on the disk."""
        self.clock = WallClock(self.site, self.file, agents=self.agent_clocks, read=self.read)
        return self.clock.utc

    def go(self, passed_s: float, *, stepped_s: float = 0.0, looks: int = 1) -> Utc:
        """Let time go by, and the daemon look."""
        for k in range(looks):
            self._pass(passed_s / looks)
            self.wall_s += self.slew * passed_s / looks + (stepped_s if k == 0 else 0.0)
            self.count_s += self.rate * passed_s / looks
            self.clock.look()
        self.clock.store()
        return self.clock.utc

    def reboot(self, down_s: float = 60.0, *, rtc_wrong_s: float = 0.0) -> Utc:
        """Start the machine anew; its wall clock then is what a clock of its own says."""
        self._pass(down_s)
        self.wall_s += rtc_wrong_s
        self.count_s, self.boots = 3.0, self.boots + 1
        return self.start()

    def pause(self, paused_s: float) -> None:
        """Hold the whole machine up: none of its clocks notices."""
        self._pass(paused_s)
        self.wall_s -= paused_s

    def restart_agents(self, *names: str) -> None:
        for name in names:
            agent = self.agents[name]
            agent.boot, agent.shows_s = f"{agent.boot}+", 7.0

    def _pass(self, passed_s: float) -> None:
        self.true_s += passed_s
        self.wall_s += passed_s
        for agent in self.agents.values():
            agent.shows_s += agent.rate * passed_s
