"""Where the kernels that ask of every index whether it is within bounds are kept, compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Final

KERNELS_WITH_BOUNDS: Final = Path(__file__).parents[1] / ".pytest_cache" / "kernels-with-bounds"
