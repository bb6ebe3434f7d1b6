"""The demo over real protocols beside the demo over simulated hardware: the same seed, so the same surplus, house and order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

#: What real protocols may cost of the share that is used, and within what time an order is to be met.
LESS: Final = 0.01
MET_S: Final = 12.0


def report(out: Path, demo: Callable[..., bool]) -> dict[str, str]:
    """Return which bar was kept; `demo` runs one, and its result is in ``OUT/NAME.json``."""
    ran = [demo(out, "protocols-simulated", "--fleet=simulated"), demo(out, "protocols-own")]
    simulated, own = (json.loads((out / f"protocols-{name}.json").read_text()) for name in ("simulated", "own"))
    less = simulated["referee"]["utilisation"] - own["referee"]["utilisation"]
    held = {
        "both passed": all(ran),
        f"{len(own['protocols'])} protocols": len(own["protocols"]) >= 4,
        "0 s above an envelope": set(own["referee"]["node_violation_s"].values()) == {0.0},
        "order met": all(_is_met(order) for order in own["referee"]["orders"]),
        f"{100 * less:.1f} points less used": less <= LESS,
    }
    return {what: "passed" if is_held else "failed" for what, is_held in held.items()}


def _is_met(order: Any) -> bool:
    return order["response_s"] is not None and order["response_s"] <= MET_S
