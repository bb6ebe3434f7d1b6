"""Compiled kernels; the only place that imports numba.

Importing a kernel compiles it, or loads it from the cache. numba keys the cache of a function by the file that defines it,
so a kernel would go stale with a change of another one that it calls; here every change of any kernel has its own cache.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from controller.core.kernels.signatures import signature_of

F = TypeVar("F", bound=Callable[..., Any])

_HERE = Path(__file__).parent


def _cache_folder() -> str:
    """Return where this version of the kernels is cached; numba's own choice where neither folder can be written."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_HERE.glob("*.py")))).hexdigest()[:16]
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return str(Path(chosen) / digest)
    return str(_HERE / "__pycache__" / digest) if os.access(_HERE, os.W_OK) else ""


numba.config.CACHE_DIR = _cache_folder()  # type: ignore[attr-defined]  # set from the environment by numba itself


def kernel(function: F) -> F:
    """Compile a function for the types that its annotations name, and for no others, or load it from the cache.

    Nothing divides by zero, and no index counts from the end: ``NUMBA_BOUNDSCHECK=1`` with an empty ``NUMBA_CACHE_DIR``
    makes the tests find one that does. A kernel takes no memory.
    """
    return _compiled(function)


def inlined(function: F) -> F:
    """Make the source of a small function a part of each kernel that calls it; it is not compiled by itself."""
    return cast("F", numba.njit(error_model="numpy", inline="always")(function))


def joined(function: F) -> F:
    """Compile a function as a `kernel` whose machine code becomes a part of each kernel that calls it.

    A call may raise, for all that numba knows; a kernel with none has no references to count.
    """
    return _compiled(function, forceinline=True)


def _compiled(function: F, **options: Any) -> F:
    # Nobody calls a kernel from C: what would let them takes a tenth of the time to compile.
    options |= {"cache": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    return cast("F", numba.njit(signature_of(function), **options)(function))
