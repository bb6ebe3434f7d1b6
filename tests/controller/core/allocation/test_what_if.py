from dataclasses import replace

import numpy as np
import pytest

from controller.core.allocation.tables import make_tables
from controller.core.allocation.what_if import Supposed, what_if
from controller.core.limits.house_load import HOUSE_DRIFT
from controller.core.limits.parts import EnvelopePart
from tests.controller.core.world import site


def supposed(given, **more):
    case = {
        "limit_w": given.tree.limit_w.copy(),
        "house_w": given.tree.house_w,
        "off": np.zeros(len(given.devices.ids), bool),
    }
    return Supposed(**case | more)


def limited(given, node, watts):
    limit_w = given.tree.limit_w.copy()
    limit_w[node] = watts
    return limit_w


def test_the_devices_fill_what_the_house_leaves_of_a_metered_node():
    given = site()
    outcome = what_if(make_tables(given), supposed(given, limit_w=limited(given, 0, 60_000.0)))
    assert outcome.usable_w[0] == pytest.approx(60_000.0 - 8_000.0 * (1.0 + HOUSE_DRIFT))
    assert outcome.used_w[0] == pytest.approx(outcome.usable_w[0], rel=1e-3)
    assert outcome.watts.sum() == pytest.approx(outcome.used_w[0])
    assert outcome.value_per_h <= outcome.bound_per_h


def test_each_watt_of_the_limits_that_bind_goes_somewhere():
    given = site()
    case = supposed(given, limit_w=limited(given, 2, 40_000.0))
    case.limit_w[0] = 195_000.0
    outcome = what_if(make_tables(given), case)
    found = outcome.parts.by_node()
    assert set(found) == {0, 2}
    for node, by_part in found.items():
        assert sum(by_part.values()) == pytest.approx(case.limit_w[node])
        assert min(by_part.values()) >= 0.0
    assert found[2][EnvelopePart.TOLERANCE] == pytest.approx(40_000.0 / 21)
    assert found[0][EnvelopePart.COUNTED] == pytest.approx(outcome.used_w[0] + 8_000.0)
    assert found[0][EnvelopePart.LIMITS_BELOW] > 50_000.0


def test_only_a_limit_that_binds_has_a_next_kw_that_earns():
    given = site()
    outcome = what_if(make_tables(given), supposed(given, limit_w=limited(given, 2, 40_000.0)))
    assert outcome.next_kw_per_h[2] > 0.0
    assert outcome.next_kw_per_h[0] == 0.0
    assert np.all(what_if(make_tables(given), supposed(given)).next_kw_per_h >= 0.0)


def test_what_is_off_stays_off_and_a_slow_start_costs_nothing():
    given = site()
    off = np.zeros(len(given.devices.ids), dtype=np.bool_)
    off[:5] = True
    slow = replace(given, devices=replace(given.devices, up_s=np.full(off.size, 299.0)))
    outcome = what_if(make_tables(slow), supposed(slow, off=off))
    assert np.array_equal(outcome.watts[off], slow.devices.off_w[off])
    assert outcome.value_per_h == pytest.approx(what_if(make_tables(given), supposed(given, off=off)).value_per_h)
