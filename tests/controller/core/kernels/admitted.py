"""The merit order of random fleets, admitted to their trees."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from controller.core.kernels.columns import Branches, Closings, Draft, MeritOrder
from controller.core.kernels.crossing import END, Edges, Solution, bare
from controller.core.kernels.greedy import AHEAD, Ahead, admit, cut
from controller.core.kernels.hull import ROWS, Corners, hulls
from controller.core.kernels.program import Desk, Sorting, node_limit
from controller.core.kernels.sorting import DIGIT, PASSES, sort_items
from tests.controller.core.kernels.sites import a_mode, choices_of, fleets

LOW, RANK = 23, 3


def preorder(tree, columns):
    """Return parents, sizes and limits in preorder, and the node of each device there."""
    order, waiting = [], [0]
    while waiting:
        n = waiting.pop()
        order.append(n)
        waiting += [m for m in range(len(tree.ids)) if tree.parent[m] == n]
    place = {n: k for k, n in enumerate(order)}
    parent = np.array([-1] + [place[int(tree.parent[n])] for n in order[1:]])
    size = np.ones(len(order), dtype=np.int64)
    for n in range(len(order) - 1, 0, -1):
        size[parent[n]] += size[n]
    return parent, size, tree.limit_w[order], np.array([place[int(n)] for n in columns.node], dtype=np.int32)


class Admitted:
    """The merit order of a fleet, admitted; and the same edges as (node, device, from, to, divisible)."""

    def __init__(self, tree, columns, base, upper):
        count = len(columns.ids)
        rows = columns.mode_w.size
        self.parent, self.size, limit, self.home = preorder(tree, columns)
        climb, items, spare = np.zeros(rows, np.uint8), np.zeros(rows, np.uint64), np.zeros(rows, np.uint64)
        self.choices = choices_of(columns, base, upper)
        order = MeritOrder(items, climb, np.zeros(rows), np.zeros(rows), 0, 0, 0.0, LOW, RANK)
        corners = Corners(np.zeros(ROWS + 1, np.int64), np.zeros((2, ROWS + 1)))
        found = hulls(self.choices, columns.off_w, 0, count, order, corners)
        if sort_items(items, spare, found, LOW, np.zeros((PASSES, 1 << DIGIT), np.int32)):
            items, spare = spare, items
        self.edges = []
        for item in items[:found]:
            i, rank = (int(item) & (1 << LOW) - 1) >> RANK, int(item) & (1 << RANK) - 1
            row = int(columns.mode_start[i]) + rank
            leads = int(climb[row])
            to = float(upper[i]) if leads & 128 else float(columns.mode_w[row + (leads & ROWS)])
            here = float(base[i]) if leads & 64 else float(columns.mode_w[row])
            divisible = leads & ROWS == 1 and bool(columns.mode_continuous[row + 1])
            self.edges.append((int(self.home[i]), i, here, to, divisible))
        self.order = order._replace(items=items, length=found, end=found)
        member = np.argsort(self.home, kind="stable").astype(np.int32)
        starts = np.searchsorted(self.home[member], np.arange(limit.size + 1))
        flags = np.zeros(limit.size, np.bool_)
        self.branches = Branches(
            self.parent, self.size, starts, member, self.home, flags, np.zeros(limit.size), np.zeros(limit.size)
        )
        self.closings = Closings(np.zeros(limit.size, np.int64), np.zeros(limit.size, np.int64), np.zeros(limit.size))
        self.ahead = Ahead(np.zeros((2, AHEAD)), np.zeros((4, AHEAD), np.int64))
        self.admit_all(limit)

    def admit_all(self, limit_w):
        """Admit all edges at these limits of the nodes."""
        self.branches.limit_w[:] = self.branches.asked_w[:] = limit_w
        self.room, self.watts = limit_w - self.must_w(), self.choices.base_w.copy()
        self.level = Draft(self.watts, self.room.copy())
        admit(self.branches, 0, self.choices, self.order, self.level, self.closings, self.ahead)

    def must_w(self):
        """Return what the devices below each node must draw; a limit that is less is taken for as much."""
        used = np.bincount(self.home, weights=self.choices.base_w, minlength=self.parent.size)
        for n in range(used.size - 1, 0, -1):
            used[self.parent[n]] += used[n]
        return used

    def decide_anew(self, node, watts):
        """Have the branch of a node admitted once more, with room for all of the order; return the order after it."""
        lists = np.stack([self.order.items, self.order.sum_w.view(np.uint64)])
        place = np.array([self.order.length, self.order.end, 0])
        edges = Edges(lists, self.order.climb, self.order.from_w, place, np.array([1e9, 0.0]), LOW, RANK)
        corners = Corners(np.zeros(ROWS + 1, np.int64), np.zeros((2, ROWS + 1)))
        sorting = Sorting(np.zeros((PASSES, 1 << DIGIT), np.int32), np.zeros(ROWS + 1, np.uint64))
        solution, desk = Solution(self.choices, edges, self.closings, self.level), Desk(self.ahead, corners, sorting)
        node_limit(bare(solution), tuple(self.branches), bare(desk), node, watts)
        return self.order._replace(items=lists[0], sum_w=lists[1].view(np.float64), end=int(place[END]))

    def cut_to(self, room_w, cut=cut):
        order = self.order._replace(room_w=room_w)
        self.order = order._replace(end=cut(self.choices, order, self.watts))


@st.composite
def admitted(draw):
    tree, columns = draw(fleets())
    low, high = (np.array([a_mode(draw, columns, i) for i in range(len(columns.ids))]) for _ in range(2))
    return Admitted(tree, columns, np.minimum(low, high), np.maximum(low, high))
