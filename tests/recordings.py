"""What the tests read from `tests/data`; its README says where it comes from and under which licence."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_DATA: Final = Path(__file__).with_name("data")
#: A file for each substation, two days every 15 min: `datetime` and `total_substation` in MW, export negative.
LIANDER: Final = _DATA / "liander"
METER_FACTS: Final = _DATA / "meter-facts.yaml"
