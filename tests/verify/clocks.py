"""A thousand random lives of a machine's clocks: no order ends earlier than the tolerance that is stated."""

from __future__ import annotations

import json
import logging
import tempfile
from pathlib import Path
from typing import Final

from tests.controller.daemon.clock.lives import life

LIVES: Final = 1_000


def ends_in_time(out: Path, count: int = LIVES) -> dict[str, str]:
    """Live them, with what was broken in ``OUT/time.json``."""
    logging.disable(logging.ERROR)
    alone, broken = 0, []
    for seed in range(count):
        with tempfile.TemporaryDirectory() as folder:
            one = life(seed, Path(folder))
        alone += not any("all comes right" in each for each in one.told)
        broken += [f"seed {seed}: {each}" for each in one.broken]
    logging.disable(logging.NOTSET)
    (out / "time.json").write_text(
        json.dumps({"lives": count, "ended_in_the_midst": alone, "broken": broken}, indent=2) + "\n"
    )
    return {"lives": "failed" if broken else "passed"}
