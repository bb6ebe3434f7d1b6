"""A site of two halls, the first of them with a contactor, and what a test does to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from controller.core.limits.contactors import Phase
from controller.core.modes import Mode
from controller.core.site import Contactors, Meters
from controller.core.snapshot import Reset
from tests.controller.core.world import MINER, STEPS, devices, order, played_once, settled, site, tree

TRIP_S = 25.0
HALL, YARD = 1, 2
HALL_RATING_W = 60e3


def hall_site(**given):
    """A site with two halls, 12 miners and 12 others; the first has a contactor, and each node a meter."""
    rows = [{"modes": MINER, "node": HALL, "agent": 0, "failsafe": 25.0} for _ in range(12)]
    rows += [{"modes": MINER, "node": YARD, "agent": 1} for _ in range(8)]
    rows += [{"modes": STEPS, "node": YARD, "agent": 1, "down": 5.0, "up": 10.0} for _ in range(4)]
    inf = float("inf")
    built = replace(
        site(),
        tree=tree(("pcc", -1, inf, 8_000.0), ("hall", 0, HALL_RATING_W, 0.0), ("yard", 0, inf, 0.0)),
        devices=devices(rows),
        meters=Meters(
            ids=("check", "main", "of-hall", "of-yard"),
            node=np.array([0, 0, HALL, YARD], dtype=np.int64),
            rating_w=np.array([300e3, 300e3, 100e3, 100e3]),
            accuracy=np.full(4, 0.005),
        ),
        contactors=Contactors(node=np.array([HALL], dtype=np.int64), trip_after_s=np.array([TRIP_S])),
    )
    return replace(built, **given)


ROW = 3


def nested_site():
    """The same with a row in the hall, which has half of its miners and a contactor of its own."""
    built = hall_site()
    node = built.devices.node.copy()
    node[:6] = ROW
    inf = float("inf")
    return replace(
        built,
        tree=tree(
            ("pcc", -1, inf, 8_000.0), ("hall", 0, HALL_RATING_W, 0.0), ("yard", 0, inf, 0.0), ("row", 1, 30e3, 0.0)
        ),
        devices=replace(built.devices, node=node),
        meters=Meters(
            ids=("check", "main", "of-hall", "of-row", "of-yard"),
            node=np.array([0, 0, HALL, ROW, YARD], dtype=np.int64),
            rating_w=np.array([300e3, 300e3, 100e3, 100e3, 100e3]),
            accuracy=np.full(5, 0.005),
        ),
        contactors=Contactors(node=np.array([HALL, ROW], dtype=np.int64), trip_after_s=np.full(2, TRIP_S)),
    )


def in_hall(world):
    return world.site.devices.node == HALL


def defy(world, limit_w=8e3):
    """The devices of the hall draw on, and an order asks the hall for less."""
    world.deaf = in_hall(world)
    world.orders = (order(limit_w, world, node=HALL, begun=True),)


def phase(decision):
    return decision.contactors[0].phase


def codes(decision):
    return {(reason.code, reason.subject) for reason in decision.warnings}


def ask(world, name="r1"):
    world.resets = (Reset(id=name, node=HALL),)


def running(seconds=60.0, **given):
    """A world in NORMAL, whose devices draw what they may."""
    given = {"surplus_w": 90e3, "tick_s": 1.0} | given
    world = settled(seconds, hall_site(), **given)
    decision = world.decided
    assert decision.mode is Mode.NORMAL
    return world


@played_once
def tripped(**given):
    """A world whose hall has just been cut off."""
    world = running(**given)
    defy(world)
    world.until(lambda decision: decision.contactors[0].phase is Phase.TRIPPED, TRIP_S + 20)
    return world
