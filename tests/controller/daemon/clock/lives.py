"""One random life of a machine's clocks, by seed: no order ends earlier than the tolerance that is stated.

    PYTHONPATH=. .venv/bin/python -m tests.controller.daemon.clock.lives SEED

tells the story of one. The judge knows what is true, and shares no code with what it judges.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from controller.daemon.clock.wall_clock import STEADY_S
from drivers.machine_clocks import Discipline
from tests.controller.daemon.clock.machine import GOOD, NOW_S, UNSYNCHRONISED, Machine

#: What the docs state: two seconds, 100 ppm of the time since somebody vouched, a second for each time that agents carried it on.
STATED_S: Final = 2.0
STATED: Final = 100e-6
CARRIED_S: Final = 1.0
#: The crystals of these machines are off by so much.
CRYSTAL: Final = 60e-6
AGENTS: Final = 5


@dataclass
class Life:
    """`ends_s`: of the order. `vouched_s`: when somebody who knew last vouched, `carried`: how often the count broke since."""

    random: Random
    machine: Machine
    ends_s: float
    vouched_s: float = NOW_S
    carried: int = 0
    told: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def tell(self, words: str) -> None:
        self.told.append(f"{self.machine.true_s - NOW_S:9.1f} s: {words}")


def life(seed: int, folder: Path) -> Life:
    """Live until the order has ended, or long after it should have."""
    random, machine = Random(seed), Machine(folder, AGENTS)
    machine.rate = 1.0 + random.uniform(-CRYSTAL, CRYSTAL)
    for agent in machine.agents.values():
        agent.rate, agent.late_s = 1.0 + random.uniform(-CRYSTAL, CRYSTAL), random.uniform(0.0, 0.5)
    one = Life(random=random, machine=machine, ends_s=NOW_S + 10 ** random.uniform(2.0, 5.5))
    one.tell(f"the order is to end {one.ends_s - NOW_S:.1f} s from now")
    happens = (*random.sample(TROUBLES, random.randint(1, 3)), *REMEDIES)
    for _ in range(random.randint(1, 12)):
        random.choice(happens)(one)
        if _ends(one, random.uniform(0.02, 0.6) * max(one.ends_s - machine.true_s, 60.0)):
            return one
    if _ends(one, max(one.ends_s - machine.true_s, 0.0) + 900.0):
        return one
    _recover(one)
    return one


def _recover(one: Life) -> None:
    """Have all come right, and the order end."""
    machine = one.machine
    machine.wall_s, machine.slew, machine.kernel = machine.true_s, 0.0, GOOD
    machine.clock.hear("grid", machine.true_s)
    one.tell("all comes right, and the authority vouches for it")
    since_s = machine.true_s
    if not _ends(one, max(0.0, one.ends_s - machine.true_s) + STEADY_S + 10.0, math.inf):
        one.broken.append(f"did not end in {machine.true_s - since_s:.0f} s, though the clock is right")


def _ends(one: Life, for_s: float, patience_s: float = 600.0) -> bool:
    """Look for a while, every second about the moment at which the wall clock comes to the end; return whether the order ends."""
    machine = one.machine
    until_s = machine.true_s + for_s
    while machine.true_s < until_s:
        left_s = one.ends_s - machine.wall_s
        utc = machine.go(min(max(left_s / 3.0, 1.0), until_s - machine.true_s + 0.01, 900.0))
        if utc.trusted and utc.utc_s >= one.ends_s:
            _judge_end(one)
            return True
        if left_s < -patience_s:
            return False
    return False


def _judge_end(one: Life) -> None:
    """Say how early it is, and whether that is more than is stated."""
    early_s = one.ends_s - one.machine.true_s
    since_s = one.machine.true_s - one.vouched_s
    # The count itself may be off by the crystal, beside what the wall clock may be off the count.
    stated_s = STATED_S + (STATED + CRYSTAL) * since_s + CARRIED_S * one.carried
    one.tell(f"the order ends {early_s:+.2f} s early, where {stated_s:.2f} s are stated")
    if early_s > stated_s:
        one.broken.append(f"ended {early_s:.1f} s early, stated are {stated_s:.1f} s")


# -- what may happen


def _step(one: Life) -> None:
    by_s = one.random.choice((3600.0, -3600.0, 1.9, 300.0, one.random.uniform(-1e4, 1e4)))
    one.tell(f"the wall clock is stepped by {by_s:+.1f} s")
    one.machine.wall_s += by_s


def _slew(one: Life) -> None:
    one.machine.slew = one.random.choice((0.0, 0.9, -0.9, 500e-6, 90e-6, one.random.uniform(-0.1, 0.1)))
    one.tell(f"the wall clock is slewed by {one.machine.slew * 1e6:+.0f} ppm")


def _set_right(one: Life) -> None:
    one.tell(f"a time server sets it right, by {one.machine.true_s - one.machine.wall_s:+.1f} s")
    one.machine.wall_s, one.machine.slew = one.machine.true_s, 0.0


def _kernel(one: Life) -> None:
    one.machine.kernel = one.random.choice(
        (GOOD, GOOD, UNSYNCHRONISED, "no", Discipline(synchronised=True, turned_ppm=1e3))
    )
    one.tell(f"the kernel says {one.machine.kernel}")


def _restart(one: Life) -> None:
    one.tell("the daemon is started anew")
    one.machine.start()


def _reboot(one: Life) -> None:
    down_s, wrong_s = 10 ** one.random.uniform(1.0, 4.0), one.random.choice((0.0, 0.0, 3600.0, -3600.0, 2.5))
    one.tell(f"the machine is off for {down_s:.0f} s, and its own clock is {wrong_s:+.1f} s off more")
    one.machine.reboot(down_s, rtc_wrong_s=wrong_s)
    one.carried += 1


def _pause(one: Life) -> None:
    paused_s = 10 ** one.random.uniform(0.0, 3.5)
    one.tell(f"the machine is held up for {paused_s:.1f} s")
    one.machine.pause(paused_s)
    one.carried += 1


def _agents(one: Life) -> None:
    some = one.random.sample(sorted(one.machine.agents), one.random.randint(1, AGENTS))
    one.tell(f"{', '.join(some)} are started anew")
    one.machine.restart_agents(*some)


def _agents_jump(one: Life) -> None:
    some = sorted(one.machine.agents)[: (AGENTS - 1) // 2]  # always the same ones, so that most are sound
    for name in some:
        one.machine.agents[name].shows_s += one.random.choice((3600.0, 60.0))
    one.tell(f"the clocks of {', '.join(some)} jump ahead")


def _agents_fall_silent(one: Life) -> None:
    for agent in one.machine.agents.values():
        agent.reports = one.random.random() < 0.7
    one.tell(f"{sum(agent.reports for agent in one.machine.agents.values())} agents report")


def _issuer(one: Life) -> None:
    late_s = one.random.choice((0.05, 0.5, 3.0, 120.0))
    one.tell(f"the authority's message comes in {late_s} s after it was sent")
    before = one.machine.clock._anchor
    one.machine.clock.hear("grid", one.machine.true_s - late_s)
    if one.machine.clock._anchor is not before:
        one.vouched_s, one.carried = one.machine.true_s - late_s, 0


def _person(one: Life) -> None:
    """Vouch where the clock is right to the minute that a person sees; the clock may be off by what they do not."""
    if abs(one.machine.wall_s - one.machine.true_s) > 1.0:
        return
    one.tell("a person vouches for the wall clock")
    one.machine.clock.vouch("grid")
    one.vouched_s, one.carried = one.machine.true_s, 1


TROUBLES: Final[tuple[Callable[[Life], None], ...]] = (
    _step, _slew, _kernel, _reboot, _pause, _agents, _agents_jump, _agents_fall_silent
)  # fmt: skip
REMEDIES: Final[tuple[Callable[[Life], None], ...]] = (_set_right, _restart, _issuer, _person)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        one = life(int(sys.argv[1]), Path(folder))
    sys.stdout.write("\n".join((*one.told, *one.broken)) + "\n")


if __name__ == "__main__":
    main()
