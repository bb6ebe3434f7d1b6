"""The sites and the 36 cases: how bursty jobs are, how many nodes have them, how busy they are, and what they pay."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from controller.core.site import CapGroup, Meters, Site
from controller.site.compile import compile_site
from controller.site.load import load
from tests.controller.core.world import devices, tree, with_rules
from tests.verify.caps.hall import CapFigures, JobWorld
from tests.verify.caps.jobs import IDLE_W, MOST_W, Demand, inference, steady, training

CONFIGS: Final = Path(__file__).parents[3] / "configs"
#: What the small site may draw all the time, and what a miner's kWh is worth.
LIMIT_W: Final = 400e3
MINER_PER_KWH: Final = 0.05
HOUSE_W: Final = 6_000.0
_MINERS: Final = 118
#: Before a run counts, the control learns; then it counts for so long.
WARM_S: Final = 300.0
COUNTS_S: Final = 330.0

Jobs = Callable[[int, float, float, int], Demand]
JOBS: Final[dict[str, Jobs]] = {"training": training, "inference": inference, "steady": steady}


@dataclass(frozen=True, slots=True, kw_only=True)
class CapCase:
    """Jobs of a kind on `share` of the envelope at `duty` of their nodes' watts, a kWh of them worth `worth` of a miner's."""

    kind: str
    share: float
    duty: float
    worth: float

    @property
    def name(self) -> str:
        """The case in a few words."""
        return f"{self.kind} {self.share:.0%} {self.duty:.0%} {self.worth:g}:1"


def cases() -> Iterator[CapCase]:
    """Yield the 36 cases of bursty jobs."""
    every = itertools.product(("training", "inference"), (0.15, 0.5), (0.4, 0.75, 1.0), (1.0, 5.0, 30.0))
    for kind, share, duty, worth in every:
        yield CapCase(kind=kind, share=share, duty=duty, worth=worth)


def small_site(case: CapCase, headroom_w: float | None) -> Site:
    """Return 400 kW with miners that can take all of it, and the GPU nodes of a case; `headroom_w` as in `CapGroup`."""
    gpus = round(case.share * LIMIT_W / MOST_W)
    miner, gpu = MINER_PER_KWH / 1e3, MINER_PER_KWH / 1e3 * case.worth
    # Its first watts are worth a little more, as those of all miners are.
    modes = ((25.0, 0.0, False), (1400.0, 1400.0 * miner * 1.001, False), (3500.0, 3500.0 * miner, True))
    caps = ((150.0, 0.0, False), (3600.0, 3600.0 * gpu, False), (MOST_W, MOST_W * gpu, True))
    rows = [{"modes": modes, "node": 1, "report_error": 0.05} for _ in range(_MINERS)]
    node = {"node": 2, "agent": 1, "down": 1.0, "up": 1.0, "steady": False, "report_error": 0.03}
    rows += [{"modes": caps, **node} for _ in range(gpus)]
    inf = float("inf")
    return Site(
        id="small",
        tree=tree(("pcc", -1, inf, 8_000.0), ("miners", 0, inf, 0.0), ("gpus", 0, inf, 0.0)),
        devices=devices(rows),
        meters=Meters(
            ids=("check", "main"),
            node=np.array([0, 0], dtype=np.int64),
            rating_w=np.array([600_000.0, 600_000.0]),
            accuracy=np.array([0.005, 0.005]),
        ),
        agents=("miners", "gpus"),
        rules=with_rules(contract_w=LIMIT_W, firm_w=10_000.0),
        caps=(CapGroup(id="gpus", devices=np.arange(_MINERS, _MINERS + gpus), headroom_w=headroom_w),),
    )


def world_of(site: Site, jobs: Jobs, duty: float, limit_w: float, *, house_w: float, seed: int = 7) -> JobWorld:
    """Return a world under a steady envelope whose nodes run such jobs."""
    capped = np.flatnonzero(~site.devices.steady)
    course = jobs(capped.size, duty, WARM_S + COUNTS_S, seed)
    began_s: list[float] = []

    def demand_w(now_s: float) -> np.ndarray:
        began_s.append(now_s) if not began_s else None
        wanted_w = np.zeros(site.devices.off_w.size)
        wanted_w[capped] = np.maximum(course(now_s - began_s[0]), IDLE_W)
        return wanted_w

    surplus_w = limit_w - site.rules.firm_w
    return JobWorld(site, seed=seed, surplus_w=surplus_w, house_w=house_w, demand_w=demand_w)


def run_case(case: CapCase, site: Site) -> CapFigures:
    """Return what a case comes to on a site."""
    world = world_of(site, JOBS[case.kind], case.duty, LIMIT_W, house_w=HOUSE_W)
    world.run(WARM_S)
    return world.watch(COUNTS_S, LIMIT_W)


def clairvoyant(case: CapCase, site: Site) -> float:
    """Return the value per hour where every job has what it wants at once, and miners all the rest."""
    course = JOBS[case.kind](int(np.count_nonzero(~site.devices.steady)), case.duty, WARM_S + COUNTS_S, 7)
    jobs_w = np.array([course(t_s).sum() for t_s in np.arange(WARM_S, WARM_S + COUNTS_S, 0.5)])
    rest_w = np.minimum(LIMIT_W - HOUSE_W - jobs_w, site.devices.max_w[site.devices.steady].sum())
    return float((case.worth * jobs_w + rest_w).mean() * MINER_PER_KWH / 1e3)


def example(name: str) -> Site:
    """Return one of the example sites."""
    return compile_site(load(CONFIGS / name))


def run_steady(site: Site, share: float, duty: float) -> CapFigures:
    """Return what an example site makes of a steady envelope, `share` of its contract; `duty` 0: without its GPU nodes."""
    limit_w = share * site.rules.contract_w
    world = world_of(site, steady, duty, limit_w, house_w=0.85 * float(site.tree.house_w[0]))
    if duty == 0.0:
        world.inventory_w = np.where(site.devices.steady, site.devices.max_w, site.devices.off_w)
    world.run(WARM_S)
    return world.watch(COUNTS_S / 3.0, limit_w)
