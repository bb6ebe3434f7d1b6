"""A site whose meters lie for a while: all of one node, in one of the ways that meters have, then they are right again.

What a site has learnt from them meanwhile must not lift it above its contract, whatever its GPU jobs do afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from controller.core.site import Meters, Site
from tests.controller.core.world import GPU, MINER, STEPS, World, devices, tree, with_rules

CONTRACT_W = 160_000.0
#: Watts of the house: what is declared, and what it really draws.
DECLARED_W, HOUSE_W = 10_000.0, 9_600.0
#: A meter may not see, and a controller not prevent, less than this share (invariant I1).
TOLERANCE = 0.01


class _Frozen:
    """Shows the first power for ever; frequency and volts move on."""

    def __init__(self) -> None:
        self._power_w: float | None = None

    def __call__(self, power_w: float) -> float:
        self._power_w = power_w if self._power_w is None else self._power_w
        return self._power_w


NODES = ("pcc", "tx", "a", "b")
LIES: dict[str, Callable[[], Callable[[float], float]]] = {
    "three times": lambda: lambda power_w: 3.0 * power_w,
    "a third": lambda: lambda power_w: power_w / 3.0,
    "sign": lambda: lambda power_w: -power_w,
    "frozen": _Frozen,
    "5 kW more": lambda: lambda power_w: power_w + 5e3,
    "5 kW less": lambda: lambda power_w: power_w - 5e3,
}


def metered_site() -> Site:
    """Return a site with two meters at its connection and one at every other node, and much that only a cap bounds."""
    rows = [{"modes": MINER, "node": 2, "agent": 0} for _ in range(18)]
    rows += [{"modes": STEPS, "node": 3, "agent": 1, "down": 5.0, "up": 10.0} for _ in range(8)]
    rows += [{"modes": GPU, "node": 3, "agent": 1, "down": 1.0, "up": 1.0, "steady": False} for _ in range(8)]
    inf = float("inf")
    return Site(
        id="test",
        tree=tree(("pcc", -1, inf, DECLARED_W), ("tx", 0, 158e3, 0.0), ("a", 1, 80e3, 0.0), ("b", 1, 110e3, 0.0)),
        devices=devices(rows),
        meters=Meters(
            ids=("check", "feeder-a", "feeder-b", "main", "transformer"),
            node=np.array([0, 2, 3, 0, 1], dtype=np.int64),
            rating_w=np.full(5, 500e3),
            accuracy=np.full(5, 0.005),
        ),
        agents=("agent-a", "agent-b"),
        rules=with_rules(contract_w=CONTRACT_W),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is told of a run: where the meters lie, how, when and for how long; what the GPU jobs use of their caps.

    `uses`: (seconds, share of the cap) of the jobs, one after the other, from the moment that the meters begin to lie.
    """

    node: str
    lie: str
    lasts_s: float
    uses: tuple[tuple[float, float], ...]
    use_before: float = 0.7
    rests_s: float = 60.0
    surplus_w: float = 300e3
    seed: int = 0
    tick_s: float = 1.0


def play(case: Case) -> World:
    """Return the world after all of it."""
    site = metered_site()
    rng = np.random.default_rng(case.seed)
    bias = np.where(site.devices.steady, rng.uniform(0.97, 1.03, len(site.devices.ids)), 1.0)
    world = World(
        site, surplus_w=case.surplus_w, tick_s=case.tick_s, house_w=HOUSE_W, bias=bias, gpu_use=case.use_before
    )
    world.run(case.rests_s)
    of_node = [name for name, n in zip(site.meters.ids, site.meters.node, strict=True) if NODES[n] == case.node]
    world.shown_as = {name: LIES[case.lie]() for name in of_node}
    ends_s, begun_s = world.now_s + case.lasts_s, world.now_s
    for seconds, use in case.uses:
        until_s, world.gpu_use = begun_s + seconds, use
        while world.now_s < until_s:
            if world.now_s >= ends_s:
                world.shown_as = {}
            world.cycle()
        begun_s = until_s
    return world


def above_contract_s(world: World, tolerance: float = TOLERANCE) -> float:
    """Return for how many seconds the site drew more than its contract."""
    return world.tick_s * sum(site_w > (1.0 + tolerance) * CONTRACT_W for _, site_w, _, _ in world.history)


#: As it was seen: both meters of the site show a third for 25 s; 75 s after they are right again the jobs use their caps.
SEEN = Case(node="pcc", lie="a third", lasts_s=25.0, uses=((100.0, 0.7), (60.0, 1.0)))
HONEST = replace(SEEN, lasts_s=0.0)
