"""Prints the pairs of a kernel's arguments that may be swapped and nobody notices; to be run with NUMBA_DISABLE_JIT=1.

Types tell most arguments apart. Of those that they do not, every pair is swapped in turn, in every call of the kernel, while
a handful of sites is decided: a pair that changes nothing goes unnoticed.
"""

from __future__ import annotations

import importlib
import itertools
import pkgutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np

import controller.core.kernels as package
from controller.core.allocation.allocator import make_allocator
from controller.core.allocation.merit import by_value
from controller.core.kernels import changes, grant, sorting, tree
from controller.core.kernels.columns import ModeTable, PathsUp
from controller.core.kernels.signatures import signature_of
from tests.bench.trees import random_site

MODULES = [
    importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)
]

#: What takes so many times as long as it should goes on and on, and has been noticed.
LONGEST = 3.0


def kernels() -> Iterator[tuple[str, Callable]]:
    """Return every kernel as ``module.name`` with its function."""
    for module in MODULES:
        short = module.__name__.rpartition(".")[2]
        for name, found in list(vars(module).items()):
            function = getattr(found, "py_func", found)
            own = callable(function) and getattr(function, "__module__", "") == module.__name__
            if (
                own
                and not isinstance(function, type)
                and short not in {"signatures", "columns"}
                and name not in {"device_watts_below", "bare"}
            ):
                yield f"{short}.{name}", function


def alike(function: Callable) -> Iterator[tuple[int, int, str]]:
    """Return the pairs of arguments that have one type, and their names."""
    names = list(function.__annotations__)[:-1]
    typed = list(enumerate(signature_of(function).args))
    for (a, one), (b, other) in itertools.combinations(typed, 2):
        if one == other:
            yield a, b, f"{names[a]}, {names[b]}"


def decided() -> Iterator[np.ndarray]:
    """Return what the kernels come to on a handful of sites, by way of all that uses them."""
    random = np.random.default_rng(7)
    for seed, count, per_pdu, continuous in ((1, 9, 3, 0.0), (2, 20, 4, 0.4), (3, 140, 4, 0.1)):
        limits, devices = random_site(seed, count, per_pdu, modes=4, continuous=continuous, pdus_per_feeder=4)
        yield from _granted(limits, devices, random)
        yield from _allotted(limits, devices, random)
    yield _sorted(random)


def _a_mode(devices, random) -> np.ndarray:
    rows = devices.mode_start[:-1] + random.integers(0, np.diff(devices.mode_start))
    return devices.mode_w[rows]


def _allotted(limits, devices, random) -> list[np.ndarray]:
    allocator, off_w = make_allocator(limits, devices), devices.off_w
    some = random.random(off_w.size) < 0.3
    base_w, held_w = np.where(some, _a_mode(devices, random), off_w), _a_mode(devices, random)
    upper_w = np.where(some, np.maximum(base_w, 0.7 * devices.max_w), devices.max_w)
    case = {"limit_w": 0.8 * limits.limit_w, "base_w": base_w, "upper_w": upper_w, "held_w": held_w, "stuck_w": off_w}
    found = []
    for given in (
        case,
        case | {"limit_w": 0.4 * limits.limit_w, "base_w": 0.9 * devices.max_w, "upper_w": devices.max_w},
    ):
        answer = allocator.solve(**given)
        found += [answer.watts.copy(), np.array([answer.worth_per_h, answer.value_per_h, answer.bound_per_h])]
    allocator.solve(**case)
    found.append(allocator.site_limit(0.55 * float(limits.limit_w[0])).copy())
    found.append(allocator.node_limit(len(limits.ids) - 1, 0.4 * float(limits.limit_w[-1])).copy())
    found.append(
        allocator.device(
            5, base_w=off_w[5], upper_w=float(devices.mode_w[devices.mode_start[5] + 1]), held_w=0.0
        ).copy()
    )
    found.append(allocator.refined().watts.copy())
    return found


def _sorted(random) -> np.ndarray:
    """Return items that are sorted by more bits than they have below these, as those of no small site are."""
    items = random.integers(0, 1 << 14, 50).astype(np.uint64)
    spare, tally = np.zeros_like(items), np.zeros((sorting.PASSES, 1 << sorting.DIGIT), dtype=np.int32)
    return spare if sorting.sort_items(items, spare, items.size, 4, tally) else items


def _granted(limits, devices, random) -> list[np.ndarray]:
    count, paths = len(devices.ids), PathsUp(limits.parent, devices.node)
    modes = ModeTable(devices.mode_start, devices.mode_w, devices.mode_value, devices.mode_continuous)
    current_w, target_w, wanted_w = (_a_mode(devices, random) for _ in range(3))
    used_w = tree.device_watts_below(paths, current_w)
    setpoint_w, ranked = np.zeros(count), by_value(devices, devices.mode_value)
    asked = grant.Asked(current_w, target_w, np.maximum(current_w, wanted_w), np.full(count, 0.05), np.full(count, 9.0))
    left = grant.grant(paths, ranked, modes, asked, 0.2 * used_w, 9000.0, 5000.0, setpoint_w)
    costs = changes.ChangeCosts(np.zeros(modes.watts.size, np.int64), *(random.random((3, count)) + 0.1))
    changes.levels(modes, costs.level)
    values = np.zeros(modes.watts.size)
    changes.values_after_changes(modes, costs, current_w, values)
    base_w, room_w = np.maximum(wanted_w, devices.off_w), 0.9 * limits.limit_w
    room_w -= tree.device_watts_below(paths, base_w) + 0.3 * limits.limit_w
    changes.fit_kept(paths, ranked, devices.off_w, base_w.copy(), base_w, room_w)
    cost = changes.cost_per_h(modes, costs, current_w, target_w)
    *moved, raising = tree.PathSums(paths).moves(current_w, setpoint_w, devices.max_w)
    return [used_w, setpoint_w, np.array([*left, cost, *moved]), raising, values, base_w, room_w]


def unnoticed() -> Iterator[str]:
    """Return every pair that can be swapped so that what is decided stays the same."""
    begun_s = time.process_time()
    right = list(decided())
    longest_s = LONGEST * (time.process_time() - begun_s)
    for name, function in kernels():
        for a, b, names in alike(function):
            if _same(right, function, (a, b), longest_s):
                yield f"{name}: {names}"


def _too_long(*_: object) -> None:
    raise TimeoutError


def _same(right: list[np.ndarray], function: Callable, pair: tuple[int, int], longest_s: float) -> bool:
    a, b = pair

    def swapped(*given):
        given = list(given)
        given[a], given[b] = given[b], given[a]
        return function(*given)

    changed = [(module, name) for module in MODULES for name, found in vars(module).items() if found is function]
    others = [sys.modules[name] for name in sys.modules if name.startswith("controller.core.allocation.")]
    changed += [(module, name) for module in others for name, found in vars(module).items() if found is function]
    for module, name in changed:
        setattr(module, name, swapped)
    signal.setitimer(signal.ITIMER_VIRTUAL, longest_s)
    try:
        return all(np.array_equal(one, other, equal_nan=True) for one, other in zip(right, decided(), strict=True))
    except Exception:  # noqa: BLE001  # whatever it is: it has been noticed
        return False
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        for module, name in changed:
            setattr(module, name, function)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGVTALRM, _too_long)
    for line in unnoticed():
        print(line)  # noqa: T201
