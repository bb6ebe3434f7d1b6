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

    A kernel takes no memory and counts no references: one that would does not compile. Nothing divides by zero.
    """
    options: dict[str, Any] = {"cache": True, "inline": inline, "error_model": "numpy", "_nrt": False}
    return cast("Callable[[F], F]", numba.njit(signature, **options))
