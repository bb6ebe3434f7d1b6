"""What cannot be right about a tree or its devices, before an allocator works with them."""

from __future__ import annotations

import numpy as np

from controller.core.kernels.hull import ROWS
from controller.core.site import I64, Bool, Devices, Tree


class BadSite(ValueError):
    """The tree or the devices cannot be right; the message names the node or the device."""


def check_tree(tree: Tree) -> None:
    """Raise BadSite where the tree cannot be right."""
    _check_unique("node", tree.ids)
    if not tree.ids or tree.parent.shape != (len(tree.ids),) or tree.limit_w.shape != tree.parent.shape:
        raise BadSite("the tree needs one parent and one limit a node, and a node at least")
    for n, name in enumerate(tree.ids):
        parent = int(tree.parent[n])
        if n == 0 and parent != -1:
            raise BadSite(f"node {name}: the first node is the site and has no parent")
        if n > 0 and not 0 <= parent < n:
            raise BadSite(f"node {name}: its parent does not stand before it (a cycle, or a wrong order)")
        if not tree.limit_w[n] >= 0.0:
            raise BadSite(f"node {name}: its limit is {tree.limit_w[n]} W")


def check_devices(tree: Tree, devices: Devices) -> None:
    """Raise BadSite where the devices cannot be right, or are not those of the tree."""
    _check_unique("device", devices.ids)
    count, rows = len(devices.ids), devices.mode_w.size
    start = devices.mode_start
    if start.shape != (count + 1,) or start[0] != 0 or start[-1] != rows or devices.node.shape != (count,):
        raise BadSite("the devices need a node each, and modes from the first row to the last")
    first = np.zeros(rows, dtype=np.bool_)
    modes = np.diff(start)
    owner = owners(devices)
    _blame(devices, modes < 1, "has no modes")
    _blame(devices, modes > ROWS, f"has more than {ROWS} modes")
    _blame(devices, (devices.node < 0) | (devices.node >= len(tree.ids)), "is at no node of the tree")
    first[start[:-1]] = True
    rises = np.append(True, np.diff(devices.mode_w) > 0.0) | first
    _blame(devices, ~(np.isfinite(devices.mode_w) & (devices.mode_w >= 0.0)), "has watts below 0 or no number", owner)
    _blame(devices, ~np.isfinite(devices.mode_value), "has a value that is no number", owner)
    _blame(devices, ~rises, "has modes that do not ascend in watts", owner)
    _blame(devices, first & devices.mode_continuous, "is continuous below its first mode", owner)
    _blame(devices, ~np.isfinite(devices.up_s), "has a start time that is no number")


def owners(devices: Devices) -> I64:
    """Return the device of each mode row (M,)."""
    return np.repeat(np.arange(len(devices.ids)), np.diff(devices.mode_start))


def _check_unique(what: str, ids: tuple[str, ...]) -> None:
    if len(set(ids)) < len(ids):
        seen: set[str] = set()
        twice = next(name for name in ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise BadSite(f"{what} {twice} is there twice")


def _blame(devices: Devices, bad: Bool, why: str, owner: I64 | None = None) -> None:
    if bad.any():
        k = int(np.flatnonzero(bad)[0])
        raise BadSite(f"device {devices.ids[k if owner is None else owner[k]]} {why}")
