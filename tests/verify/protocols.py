"""The demo over real protocols beside the demo over simulated hardware: the same seed, so the same surplus, house and order.

And a fleet of every kind: miners of two families, GPUs in the agent's machine and behind BMCs, plugs and outlets.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

#: What real protocols may cost of the share that is used, and within what time an order is to be met.
LESS: Final = 0.01
MET_S: Final = 12.0
MIX: Final = "--fleet=luxos=60,whatsminer-v3=40,nvml=8,redfish=8,shelly=10,tasmota=10,snmp-outlet=4"


def report(out: Path, demo: Callable[..., bool]) -> dict[str, str]:
    """Return which bar was kept; `demo` runs one, and its result is in ``OUT/NAME.json``."""
    options = {"simulated": ["--fleet=simulated"], "own": [], "mix": [MIX]}
    passed = {name: demo(out, f"protocols-{name}", *words) for name, words in options.items()}
    told = {name: json.loads((out / f"protocols-{name}.json").read_text()) for name in options}
    less = told["simulated"]["referee"]["utilisation"] - told["own"]["referee"]["utilisation"]
    held = {
        "all passed": all(passed.values()),
        f"{len(told['own']['protocols'])} protocols": len(told["own"]["protocols"]) >= 4,
        f"{len(told['mix']['protocols'])} protocols in the mix": len(told["mix"]["protocols"]) == MIX.count("=") - 1,
        "0 s above an envelope": all(_is_never_above(one) for one in told.values()),
        "order met": all(_is_met(order) for one in told.values() for order in one["referee"]["orders"]),
        f"{100 * less:.1f} points less used": less <= LESS,
    }
    return {what: "passed" if is_held else "failed" for what, is_held in held.items()}


def _is_never_above(told: Any) -> bool:
    return set(told["referee"]["node_violation_s"].values()) == {0.0}


def _is_met(order: Any) -> bool:
    return order["response_s"] is not None and order["response_s"] <= MET_S
