import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.core.kernels.columns import Rest
from controller.core.kernels.search import CHANGES, cheapest, offer
from tests.controller.core.kernels import twins_allocator as twins
from tests.controller.core.kernels.sites import change_sets
from tests.examples import examples

CHANGE = st.tuples(st.integers(-900, 900), st.floats(0.0, 300.0), st.integers(0, 5))


def search(rest, price, changes, slack=0.0, least=0.0):
    """Return loss, proven loss and the chosen changes, dearest last."""
    changes = sorted(changes, key=lambda change: change[1])
    sets = change_sets()
    for k, (change_w, loss, device) in enumerate(changes):
        sets.changes[:2, k] = change_w, loss
        sets.device[k] = device
    unused = Rest(watts=rest, price=0.0, own_price=price, slack=slack, least=least, lost=price * rest)
    found, proven, chosen = cheapest(unused, len(changes), sets)
    return found, proven, [changes[k] for k in range(len(changes)) if int(chosen) >> k & 1]


@given(st.lists(CHANGE, max_size=9), st.floats(0.0, 1500.0), st.floats(0.01, 2.0), st.floats(0.0, 1.0))
@settings(max_examples=examples(300))
def test_search_equals_trying_every_set(changes, rest, price, least):
    found, proven, chosen = search(rest, price, changes, least=least * twins.cheapest(rest, price, changes))
    assert np.isclose(found, twins.cheapest(rest, price, changes), atol=1e-9)
    assert proven == found
    watts = sum(change[0] for change in chosen)
    assert watts <= rest
    assert len({change[2] for change in chosen}) == len(chosen)
    assert np.isclose(found, sum(change[1] for change in chosen) + price * (rest - watts))


def test_a_proof_that_has_no_place_is_not_claimed():
    random = np.random.default_rng(1)
    changes = [
        (float(w), 1e-3 * k, k) for k, w in enumerate(random.integers(300, 1800, 60) * random.choice([-1, 1], 60))
    ]
    found, proven, _ = search(1374.5, 1.0, changes)
    assert proven <= found <= 1374.5


def test_where_nothing_is_gained_nothing_is_changed():
    found, proven, chosen = search(100.0, 1.0, [(100.0, 100.0, 0), (60.0, 60.0, 1)])
    assert (found, proven, chosen) == (100.0, 100.0, [])


def test_identical_devices_need_no_more_than_their_number():
    changes = [(500.0, 0.0, k) for k in range(20)] + [(-500.0, 1.0, 20 + k) for k in range(20)]
    found, proven, chosen = search(1700.0, 1.0, changes)
    assert found == proven == 200.0
    assert len(chosen) == 3


@given(st.lists(st.floats(0.0, 100.0), max_size=100))
@example([float(k) for k in range(CHANGES + 2)])
@example([float(-k) for k in range(-CHANGES - 2, 0)])
@example([1.0] * (CHANGES + 1))
def test_offered_changes_ascend_and_the_dearest_are_left_out(losses):
    sets = change_sets()
    count = 0
    for k, loss in enumerate(losses):
        count = offer(1.0, loss, 2.0, k, count, sets)
    assert list(sets.changes[1, :count]) == sorted(losses)[:CHANGES]
    assert [losses[k] for k in sets.device[:count]] == list(sets.changes[1, :count])
    assert np.all(sets.changes[0, :count] == 1.0)
    assert np.all(sets.changes[2, :count] == 2.0)
