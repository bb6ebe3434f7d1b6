"""Compiled kernels; the only place that imports numba.

Importing a kernel compiles it, or loads it from the cache. numba keys the cache of a function by the file that defines it,
so a kernel would go stale with a change of another one that it calls; here every change of any kernel has its own cache.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import types
from numba.np import arrayobj

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


def kernel(signature: str, *, inline: str = "never") -> Callable[[F], F]:
    """Compile a function for one signature, or load it from the cache.

    A kernel takes no memory and counts no references: one that would does not compile. Nothing divides by zero, and no
    index counts from the end: ``NUMBA_BOUNDSCHECK=1`` with an empty ``NUMBA_CACHE_DIR`` makes the tests find one that does.
    """
    options: dict[str, Any] = {"cache": True, "inline": inline, "error_model": "numpy", "_nrt": False}

    def compiled(function: F) -> F:
        with _no_index_from_the_end():
            return cast("F", numba.njit(signature, **options)(function))

    return compiled


@contextmanager
def _no_index_from_the_end() -> Iterator[None]:
    """Compile indices as they are: to ask of each whether it is negative takes a fifth of a kernel's time."""
    asking = arrayobj.fix_integer_index
    arrayobj.fix_integer_index = _index_as_is
    try:
        yield
    finally:
        arrayobj.fix_integer_index = asking


def _index_as_is(context: Any, builder: Any, kind: Any, index: Any, _size: Any) -> Any:
    return context.cast(builder, index, kind, types.intp if kind.signed else types.uintp)
