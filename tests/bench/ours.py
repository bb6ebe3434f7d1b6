"""Our allocator behind the calls that the bench times. All that the bench knows of it stands here."""

from __future__ import annotations

from controller.core.kernels.allocate import allocate, release_bases, upper_bound
from controller.core.merit import Merit, merit_order
from controller.core.site import Devices, Tree
from tests.bench.referee import Answer


class Ours:
    """One site's allocator: built once, then asked as often as the data change."""

    def __init__(self, tree: Tree, devices: Devices) -> None:
        self._tree, self._devices = tree, devices
        self._merit: Merit | None = None

    def solve(self) -> Answer:
        """All data new: from modes, values and limits to every watt and the bound."""
        self._merit = merit_order(self._devices)
        return self.at_site_limit(float(self._tree.limit_w[0]))

    def at_site_limit(self, limit_w: float) -> Answer:
        """Only the site's limit is new."""
        tree, devices, merit = self._tree, self._devices, self._merit
        if merit is None:
            raise RuntimeError("solve first")
        room_w = tree.limit_w.copy()
        room_w[0] = limit_w
        watts, held_w = devices.off_w.copy(), devices.off_w
        release_bases(tree.parent, devices.node, merit.device_order, held_w, watts, room_w)
        bound = upper_bound(
            tree.parent, devices.node, merit.order, merit.device, merit.from_w, merit.to_w, merit.density,
            watts, devices.max_w, room_w.copy(),
        )  # fmt: skip
        allocate(
            tree.parent, devices.node, merit.held_order, merit.held_density, merit.new_order, merit.new_density,
            merit.device, merit.from_w, merit.to_w, merit.density, merit.divisible, devices.max_w, held_w, room_w, watts,
        )  # fmt: skip
        return Answer(watts=watts, bound_per_h=bound)
