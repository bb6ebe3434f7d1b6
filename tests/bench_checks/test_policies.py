import numpy as np
import pytest

from tests.bench.policies import POLICIES, dynamo, equal_share, least_efficient_sleeps, proportional, thunderbolt
from tests.bench.referee import below, verdict
from tests.bench.trees import random_site


@pytest.mark.parametrize("who", POLICIES)
@pytest.mark.parametrize("site", [(500, 40), (500, 4), (37, 3)])
def test_no_policy_breaks_a_limit(who, site):
    tree, fleet = random_site(1, *site)
    seen = verdict(tree, fleet, POLICIES[who](tree, fleet))
    assert seen.over_limit == 0
    assert seen.value_per_h > 0.0


@pytest.mark.parametrize("policy", [equal_share, proportional, dynamo, least_efficient_sleeps])
def test_a_site_with_room_for_all_is_left_alone(policy):
    tree, fleet = random_site(1, 100, 4)
    tree.limit_w[:] = 1e9
    assert np.array_equal(policy(tree, fleet), fleet.max_w)


def test_equal_share_gives_no_device_more_than_its_part_of_any_node():
    tree, fleet = random_site(1, 400, 4)
    count = below(tree, fleet.node, np.ones(400))
    assert np.all(equal_share(tree, fleet) <= (tree.limit_w / count)[fleet.node])


def test_dynamo_cuts_a_pdu_to_its_target_from_the_highest_down():
    tree, fleet = random_site(1, 40, 40, continuous=1.0)
    tree.limit_w[:] = 0.9 * fleet.max_w.sum()
    watts = dynamo(tree, fleet)
    assert watts.sum() == pytest.approx(0.95 * tree.limit_w[0])
    cut = watts < fleet.max_w
    assert np.ptp(watts[cut]) == pytest.approx(0.0, abs=1e-6)
    assert fleet.max_w[~cut].max() <= watts[cut].min()


def test_dynamo_leaves_its_middle_band_alone():
    tree, fleet = random_site(1, 40, 40)
    tree.limit_w[:] = fleet.max_w.sum() / 0.985
    assert np.array_equal(dynamo(tree, fleet), fleet.max_w)


def test_the_least_valuable_sleep_first_and_nobody_is_dimmed():
    tree, fleet = random_site(1, 40, 40)
    watts = least_efficient_sleeps(tree, fleet)
    asleep = watts == fleet.off_w
    assert np.all(asleep | (watts == fleet.max_w))
    density = fleet.mode_value[fleet.mode_start[1:] - 1] / (fleet.max_w - fleet.off_w)
    assert density[asleep].max() < density[~asleep].min()


def test_thunderbolt_saws_below_its_thresholds():
    tree, fleet = random_site(1, 200, 40)
    cycle = thunderbolt(tree, fleet)
    assert cycle == thunderbolt(tree, fleet)
    assert 0.1 < cycle.used_w / tree.limit_w[0] < 0.98
    assert 0.0 <= cycle.over_limit_share <= 1.0
