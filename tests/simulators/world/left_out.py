"""A site file that leaves out what the simulators read and what has a default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

#: The demo site without its settle time, its lease, and the words for what is off when nobody leads it.
LEFT_OUT: Final = re.sub(
    r"^  (?:settle|lease): .*\n|, failsafe: off",
    "",
    Path("configs/demo.yaml").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)
