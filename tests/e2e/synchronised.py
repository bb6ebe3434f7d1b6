"""``python -m tests.e2e.synchronised FILE VERB …``: surplusd on a machine whose kernel says of its clock what stands in a file.

The answer of adjtimex(2) alone is made up, which a test may not set; all clocks are those of the machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

from controller.cli import main
from drivers import machine_clocks
from drivers.machine_clocks import Discipline

SYNCHRONISED = "synchronised"


def by(file: Path) -> Discipline:
    """Return what the file says the kernel says."""
    return Discipline(synchronised=file.read_text().strip() == SYNCHRONISED, turned_ppm=0.0)


if __name__ == "__main__":
    said = Path(sys.argv[1])
    machine_clocks.discipline = lambda: by(said)
    sys.exit(main(sys.argv[2:]))
