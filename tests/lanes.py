"""Which tests a worker of pytest-xdist runs: any one, but those that need time and no cores stand in lanes.

A site of processes needs time: with more of them at once each would only be slower. So do the waits of the contract and of a
field bus. The lanes come first in the order of the tests, so that they are under way while all others run beside them, and nobody
who has work to do stands behind one that waits.
"""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadScopeScheduling

_E2E: Final = "tests/e2e/"


def _sites(*names: str) -> tuple[str, ...]:
    return tuple(f"{_E2E}test_{name}.py" for name in names)


#: Each takes about as long as the others: those that share the yard over one broker, so that it is started once a lane; those that
#: have sites of their own; those whose agents are what they are about; the demos; and what waits for an agent or a bus.
LANES: Final = {
    "orders": _sites("lost_orders", "start"),
    "yard": _sites("clock", "reload", "second_controller", "site"),
    "trip": (*_sites("carrying", "trip", "tutorial"), "tests/controller/agent/test_kill.py"),
    "agents": _sites("leases", "real_agent", "scenes"),
    "demos": _sites("demo", "verdict"),
    "waits": (
        *_sites("agent"),
        "tests/controller/commands/agent/test_verify.py",
        "tests/drivers/fleet/agent/test_agent.py",
        "tests/drivers/meters/modbus/test_bus.py",
    ),
}
#: One after the other, because they share what is slow to make; they work more than they wait.
_SHARED: Final = {
    "wheel": _sites("wheel"),
    "browser": ("tests/controller/api/page/test_chromium.py",),
    "scada": ("tests/controller/commands/test_opcua_of_the_world.py",),
    "cells": ("tests/docs/test_generate.py", "tests/simulators/devices/test_cells.py"),
}
_SCOPE_OF: Final = {path: scope for scope, paths in (LANES | _SHARED).items() for path in paths}


def scope_of(nodeid: str) -> str:
    """Return what a test is handed out with: its lane, or itself; a site that no lane names is taken for a demo."""
    path = nodeid.partition("::")[0]
    return _SCOPE_OF.get(path, "demos" if path.startswith(_E2E) else nodeid)


def turn_of(nodeid: str) -> int:
    """Return in which turn a test begins: the lanes, then what stays together, then all others, so that nothing long begins late."""
    scope = scope_of(nodeid)
    return 0 if scope in LANES else 1 if scope in _SHARED else 2


class Lanes(LoadScopeScheduling):
    """Hands out test by test; a lane is handed out as one."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
