"""The rounds alone, without a try of all modes that could be the best."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.allocation import refinement
from controller.core.allocation.allocator import make_allocator
from controller.core.allocation.merit import HELD_BONUS, start_share
from controller.core.kernels.hull import value_at, worth_at
from tests.bench.trees import random_site
from tests.controller.core.kernels.sites import a_mode, choices_of, fleets, points
from tests.examples import examples


def by_rounds(site, columns, **given):
    """Return the answer for everything free and off, unless given, and what it was asked."""
    off = columns.off_w.copy()
    case = {"limit_w": site.limit_w, "base_w": off, "upper_w": columns.max_w.copy(), "held_w": off} | given
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(refinement, "SMALL", 0)
        return make_allocator(site, columns).solve(**case)


def below(site, columns, watts):
    used = np.bincount(columns.node, weights=watts, minlength=site.parent.size)
    for n in range(site.parent.size - 1, 0, -1):
        used[site.parent[n]] += used[n]
    return used


@given(fleets(most_devices=5, most_nodes=4), st.data())
@settings(max_examples=examples(150))
def test_what_the_rounds_claim_is_so(fleet, data):
    """No limit is broken, the worth is that of the watts, and no choice of modes is worth more than the bound."""
    site, columns = fleet[0], replace(fleet[1], up_s=np.zeros(len(fleet[1].ids)))
    low, high = (np.array([a_mode(data.draw, columns, i) for i in range(len(columns.ids))]) for _ in range(2))
    base, upper = np.minimum(low, high), np.maximum(low, high)
    site = replace(site, limit_w=np.maximum(site.limit_w, below(site, columns, base)))
    answer = by_rounds(site, columns, base_w=base, upper_w=upper)
    choices = [points(columns, i, base[i], upper[i], lambda value: value) for i in range(base.size)]
    worth = {
        tuple(watts for _, watts, _ in each): sum(gain for *_, gain in each) for each in itertools.product(*choices)
    }
    fits = {watts: gain for watts, gain in worth.items() if np.all(below(site, columns, watts) <= site.limit_w + 1e-6)}
    assert answer.released == 0
    assert np.all(below(site, columns, answer.watts) <= site.limit_w + 1e-3)
    assert answer.bound_per_h >= max(fits.values()) - 1e-9
    assert answer.worth_per_h <= answer.bound_per_h <= answer.program_per_h + 1e-9
    assert answer.value_per_h == pytest.approx(answer.worth_per_h)
    if not columns.mode_continuous.any():
        assert answer.worth_per_h == pytest.approx(worth[tuple(answer.watts)])


#: Sites from seeds, and what the rounds came to on all of them: worth and bound per hour. They may get better, never worse.
SITES = (
    ("PDUs of six", 8, {"devices": 60, "per_pdu": 6, "modes": 4}, 74.308364186, 74.327520673),
    (
        "many nodes",
        8,
        {"devices": 60, "per_pdu": 3, "modes": 4, "pdus_per_feeder": 4, "feeders_per_transformer": 3},
        70.913160591,
        71.031948321,
    ),
    (
        "some are continuous",
        8,
        {"devices": 60, "per_pdu": 10, "modes": 5, "continuous": 0.3, "pdus_per_feeder": 3},
        71.930685051,
        72.029692528,
    ),
    ("one node", 8, {"devices": 40, "per_pdu": 40, "modes": 4}, 45.825046734, 45.843796923),
    ("off or on", 8, {"devices": 48, "per_pdu": 4, "onoff": True, "pdus_per_feeder": 3}, 51.739258173, 52.066411793),
    ("more than are looked at", 3, {"devices": 280, "per_pdu": 4, "modes": 3}, 123.396235401, 123.456519442),
    (
        "more on one node than are looked at",
        3,
        {"devices": 280, "per_pdu": 140, "modes": 3},
        125.461823558,
        125.470982338,
    ),
)


def held(columns, seed):
    """Return watts that devices run on: a third of them on one of their modes, the others off."""
    random = np.random.default_rng(seed)
    rows = columns.mode_start[:-1] + random.integers(0, np.diff(columns.mode_start))
    return np.where(random.random(rows.size) < 0.3, columns.mode_w[rows], columns.off_w)


def earned(columns, held_w, watts):
    """Return what watts are worth to devices that run on `held_w`, and what they earn."""
    free = choices_of(columns, columns.off_w, columns.max_w)
    everyone = range(watts.size)
    kept = np.array([value_at(free, i, held_w[i]) for i in everyone])
    choices = free._replace(kept_value=kept, start_share=start_share(columns), bonus=HELD_BONUS)
    return sum(worth_at(choices, i, watts[i]) for i in everyone), sum(value_at(choices, i, watts[i]) for i in everyone)


@pytest.mark.parametrize(("why", "seeds", "sizes", "worth_per_h", "bound_per_h"), SITES)
def test_the_rounds_find_no_less_and_prove_no_less_than_they_did(why, seeds, sizes, worth_per_h, bound_per_h):
    sites = [random_site(seed, **sizes) for seed in range(seeds)]
    answers = [by_rounds(*each, held_w=held(each[1], seed)) for seed, each in enumerate(sites)]
    for seed, ((_, columns), answer) in enumerate(zip(sites, answers, strict=True)):
        assert (answer.worth_per_h, answer.value_per_h) == pytest.approx(
            earned(columns, held(columns, seed), answer.watts)
        )
    assert sum(answer.worth_per_h for answer in answers) >= worth_per_h, why
    assert sum(answer.bound_per_h for answer in answers) <= bound_per_h, why
