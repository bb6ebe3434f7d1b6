import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.kernels.columns import MeritOrder
from controller.core.kernels.sorting import DIGIT, PASSES, replace_items, sort_items

OPEN = np.iinfo(np.int64).max


def sort(items, low_bit=20):
    items = np.array(items, dtype=np.uint64)
    spare = np.zeros_like(items)
    in_spare = sort_items(items, spare, items.size, low_bit, np.zeros((PASSES, 1 << DIGIT), dtype=np.int32))
    return [int(item) for item in (spare if in_spare else items)]


#: Items whose keys differ in none, some or all of their bits, so that every number of passes comes up.
WIDE = st.integers(0, 64).flatmap(lambda bits: st.lists(st.integers(0, 2**bits - 1)))


@given(WIDE, st.integers(0, 2**63))
def test_sorts_by_the_upper_bits_and_keeps_the_places_of_equals(items, least):
    items = [(least + item) % 2**64 for item in items]
    assert sort(items) == sorted(items, key=lambda item: item >> 20)


def test_a_few_keys_that_lie_close_are_sorted_and_equals_keep_their_places():
    items = [(key << 20) | place for place, key in enumerate([700, 5, 3, 9, 3, 0, 5, 3])]
    assert sort(items) == sorted(items)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1), st.integers(0, 3), st.data())
def test_replaced_items_stand_where_a_sort_would_put_them(rows, device, data):
    items = sorted((key << 20) | of for key, of in rows)
    new = sorted((key << 20) | device for key in data.draw(st.lists(st.integers(0, 9), max_size=3)))
    steps = [data.draw(st.integers(0, 5)) for _ in items]
    kept = [k for k, item in enumerate(items) if item & 3 != device]
    marked = data.draw(st.sampled_from(kept)) if kept else None
    room = np.zeros(len(items) + 3)
    order = MeritOrder(
        items=np.zeros(room.size, dtype=np.uint64),
        climb=np.zeros(1, dtype=np.uint8),
        from_w=np.ones(room.size),
        sum_w=room.copy(),
        length=len(items),
        end=data.draw(st.integers(0, len(items))),
        room_w=0.0,
        low_bits=20,
        rank_bits=0,
    )
    order.items[: len(items)] = items
    order.sum_w[: len(items)] = np.cumsum(steps)
    closed_at = np.array([OPEN, OPEN if marked is None else marked])
    count, end = replace_items(order, device, np.array(new, dtype=np.uint64), len(new), closed_at)
    merged = [int(item) for item in order.items[:count]]
    if marked is not None and order.end == marked:
        assert end == closed_at[1]
    # What was before the end still is, and so is the part of it that has come new.
    assert [item for item in merged[:end] if item & 3 != device] == [items[k] for k in kept if k < order.end]
    assert merged == sorted([items[k] for k in kept] + new)
    assert closed_at[0] == OPEN
    if marked is not None:
        # The position goes along with its item: as many of its equals stand before it as did.
        assert merged[closed_at[1]] == items[marked]
        assert [item for item in merged[: closed_at[1]] if item & 3 != device] == [items[k] for k in kept if k < marked]
    steps_left = np.diff(order.sum_w[:count], prepend=0.0)
    assert [steps_left[k] for k in range(count) if merged[k] & 3 != device] == [steps[k] for k in kept]


def test_items_that_their_upper_bits_do_not_tell_apart_are_sorted_all_the_same():
    key = np.append(np.arange(3000)[::-1], [1 << 37, 1 << 38]) // 2
    items = (key.astype(np.uint64) << np.uint64(20)) | np.arange(key.size, dtype=np.uint64)
    expected, spare = np.sort(items), np.zeros_like(items)
    swapped = sort_items(items, spare, items.size, 20, np.zeros((PASSES, 1 << DIGIT), np.int32))
    assert list(spare if swapped else items) == list(expected)


@pytest.mark.parametrize("another", [9, (1 << 36) - 1])
def test_a_few_items_that_their_upper_bits_do_not_tell_apart_are_moved_to_their_places(another):
    """The last item comes to stand first, or is far above all others."""
    keys = np.arange(100, dtype=np.uint64)[::-1] * np.uint64(1 << 23) + np.uint64(10)
    keys[50] = keys[51] + np.uint64(1)
    keys = np.append(keys, np.uint64(another))
    assert sort([int(key) << 20 for key in keys]) == sorted(int(key) << 20 for key in keys)


@pytest.mark.parametrize("bits", range(1, 24))
def test_where_upper_bits_tell_nothing_apart_all_bits_are_sorted_by(bits):
    """One item is so far above the others that only their lower bits differ."""
    keys = [*np.random.default_rng(bits).integers(0, 1 << bits, 100).tolist(), 1 << (bits + 20)]
    assert sort([key << 20 for key in keys]) == sorted(key << 20 for key in keys)
