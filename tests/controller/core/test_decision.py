"""A decision is a record: nothing of it changes after the tick, however the control goes on."""

from dataclasses import fields

import numpy as np

from controller.core.decision import Decision
from tests.controller.core.world import World, order, settled, site


def frozen_copy(decision: Decision) -> dict[str, object]:
    return {
        field.name: value.copy() if isinstance(value := getattr(decision, field.name), np.ndarray) else value
        for field in fields(decision)
    }


def test_no_later_tick_changes_a_decision():
    world = World(site(miners=12, stepped=4, gpus=1), surplus_w=60e3)
    kept = []
    for surplus_w in (60e3, 5e3, 40e3):
        world.surplus_w = surplus_w
        kept += [(decision := world.cycle(), frozen_copy(decision)) for _ in range(20)]
    world.orders = (order(10e3, world),)
    world.silent = {"main"}
    world.run(20)
    for decision, copy in kept:
        for name, value in copy.items():
            assert np.array_equal(getattr(decision, name), value), name


def test_every_column_has_its_shape_and_no_nan():
    world = settled(30, site(), surplus_w=60e3)
    decision = world.decided
    nodes, count = len(world.site.tree.ids), len(world.site.devices.ids)
    for name in ("envelope_w", "floor_w", "achievable_w", "infeasible", "house_w", "planned_w", "committed_w"):
        assert getattr(decision, name).shape == (nodes,), name
        assert not np.isnan(getattr(decision, name)).any(), name
    assert decision.setpoint_w.shape == (count,)
    assert len(decision.binding) == nodes
    assert decision.worth_per_h <= decision.bound_per_h * (1 + 1e-9)
