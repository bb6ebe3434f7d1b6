"""What holds for every kernel as it is compiled."""

import ast
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

import controller.core.kernels as package
from controller.core.kernels import kernel
from controller.core.kernels.columns import ModeTable
from controller.core.kernels.grant import Asked, grant
from controller.core.site import F64
from tests.controller.core.kernels.sites import modes_of, paths_of
from tests.controller.core.world import site

MOST_PARAMETERS = 8
#: What numba calls to take memory; to count references, as it does for a column that is cut in two, takes none.
TAKES_MEMORY = (b"NRT_Allocate", b"NRT_MemInfo_alloc", b"NRT_MemInfo_new", b"NRT_Reallocate")
KERNELS = {
    f"{found.name}.{name}": value
    for found in pkgutil.iter_modules(package.__path__)
    for name, value in vars(importlib.import_module(f"{package.__name__}.{found.name}")).items()
    if isinstance(value, Dispatcher) and value.__module__.endswith(f".{found.name}")
    # What is inlined is tested as a part of each kernel that calls it.
    if "inline" not in value.targetoptions
}


@kernel
def _takes_memory(watts: F64) -> float:
    return float((watts + 1.0).sum())


def machine_code(compiled) -> bytes:
    """Return what is kept of a kernel in its cache: its machine code, with the names of all that it calls."""
    folder, function = Path(compiled.stats.cache_path), compiled.py_func
    module = function.__module__.rpartition(".")[2]
    files = list(folder.glob(f"{module}.{function.__qualname__}-{function.__code__.co_firstlineno}.*.nbc"))
    assert files, f"{module}.{function.__qualname__} is not in the cache"
    return b"".join(file.read_bytes() for file in files)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_takes_no_memory(name):
    code = machine_code(KERNELS[name])
    assert [call for call in TAKES_MEMORY if call in code] == []


def test_a_kernel_that_takes_memory_is_found():
    assert any(call in machine_code(_takes_memory) for call in TAKES_MEMORY)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_has_few_parameters_and_one_signature(name):
    (signature,) = KERNELS[name].signatures
    assert len(signature) <= MOST_PARAMETERS


def test_nothing_of_numba_is_changed_and_nothing_private_is_used():
    for path in Path(package.__file__).parent.glob("*.py"):
        for part in ast.walk(ast.parse(path.read_text())):
            names = [part.module or ""] if isinstance(part, ast.ImportFrom) else []
            names += [name.name for name in part.names] if isinstance(part, ast.Import) else []
            assert all(name == "numba" or not name.startswith("numba.") for name in names), path
            assert not (isinstance(part, ast.keyword) and part.arg and part.arg.startswith("_")), path


def test_columns_that_do_not_belong_are_refused():
    small = site()
    watts = small.devices.max_w
    asked = Asked(watts, watts, watts, watts, watts)
    paths, modes, order = paths_of(small.tree, small.devices), modes_of(small.devices), np.arange(watts.size)
    with pytest.raises(TypeError, match="No matching definition"):
        grant(modes, order, paths, asked, small.tree.house_w, 0.0, 0.0, watts.copy())
    swapped = ModeTable(modes.start, modes.watts, modes.continuous, modes.value)
    with pytest.raises(TypeError, match="No matching definition"):
        grant(paths, order, swapped, asked, small.tree.house_w, 0.0, 0.0, watts.copy())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_columns_of_one_type_that_are_swapped_are_noticed():
    command = [sys.executable, "-m", "tests.controller.core.kernels.swaps"]
    done = subprocess.run(
        command, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, check=True
    )
    # To drop no piece that nobody needs makes no difference to what is found, but to the place that it takes. `usable` says no more
    # than whether to look closer, at the columns themselves. Which of two columns is compared with the other makes no difference.
    of_usable = ("limit_w, base_w", "base_w, upper_w", "base_w, held_w", "upper_w, held_w")
    pairs = [
        "states._keep_pieces: begin, end",
        *(f"stock.usable: {pair}" for pair in of_usable),
        "stock.alike: one, other",
    ]
    assert done.stdout.splitlines() == pairs


@pytest.mark.timeout(600)
def test_no_index_is_out_of_bounds_on_a_share_of_the_trees():
    """As Python, whose arrays ask of every index what compiled ones ask with bounds checks in `make verify`."""
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "EXAMPLES_SHARE": "0.1"}
    tests = ["test_allocator.py::test_no_limit_and_no_base_is_broken", "test_allocator.py::test_gap_is_small"]
    tests += ["test_allocator.py::test_new_node_limit_and_new_device_equal_a_new_solve"]
    paths = [f"tests/controller/core/allocation/{test}" for test in tests]
    paths += [
        f"tests/controller/core/kernels/test_{name}.py" for name in ("grant", "hull", "moves", "search", "sorting")
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
