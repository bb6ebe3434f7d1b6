"""Whether some or all of a column are True.

A tick asks that some forty times, mostly of a handful of nodes or meters; there `count_nonzero` takes a quarter of the time
of the methods `any` and `all`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def some(column: NDArray[Any]) -> bool:
    """Return whether any entry is True, or not zero."""
    return bool(np.count_nonzero(column))


def every(column: NDArray[Any]) -> bool:
    """Return whether all entries are True, or not zero."""
    return bool(np.count_nonzero(column) == column.size)
