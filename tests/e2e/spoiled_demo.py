"""``python -m tests.e2e.spoiled_demo SPOIL ...``: the demo of the small site, its daemon told wrong profiles.

SPOIL is ``none``, or PROFILES:CHANGE: of the profiles of which meters (``main`` or ``both``), and what of the power
register is wrong (``times1000``, ``by1000``, ``flipped``). The other words are options of ``surplusd demo``.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from controller.demo.main import _play
from controller.demo.setup import DemoOptions, Raw, prepare
from tests.e2e.yard import SITE, options

SCALES = {"times1000": 1000.0, "by1000": 0.001, "flipped": -1.0}


def main(spoil: str, *words: str) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def lead_astray(raw: Raw) -> None:
            which, _, change = spoil.partition(":")
            for meter in raw["meters"][: 1 if which == "main" else None]:
                meter["modbus"]["profile"] = str(wrong_profile(folder, meter["modbus"]["profile"], SCALES[change]))

        demo_options = DemoOptions(spoil=None if spoil == "none" else lead_astray)
        return _play(prepare(folder, SITE.read_text(encoding="utf-8"), demo_options), options(*words))


def wrong_profile(folder: Path, profile: str, factor: float) -> Path:
    """Write the profile anew with the power register's scale off by `factor`."""
    text = files("drivers.meters").joinpath("profiles", f"{profile}.yaml").read_text(encoding="utf-8")
    lines = text.splitlines()
    (at,) = (i for i, line in enumerate(lines) if line.strip().startswith("active_power_w:"))
    line = lines[at].replace(", scale: 0.1", "")
    scale = factor * (0.1 if line != lines[at] else 1.0)
    lines[at] = line.replace("}", f", scale: {scale!r}}}")
    path = folder / f"{profile}.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
