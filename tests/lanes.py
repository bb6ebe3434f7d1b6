"""Which tests a worker of pytest-xdist runs: any one, but those that need time and no cores stand in five lanes.

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


#: Each takes about as long as the others, and as all the tests beside them: the sites that share the yard over one broker, so that
#: it is started once; the one whose devices rest for minutes; those whose agents are what they are about; the demos; and what
#: waits for an agent or a bus.
_LANES: Final = {
    "yard": _sites("lost_orders", "reload", "site", "start"),
    "trip": _sites("carrying", "second_controller", "trip"),
    "agents": (*_sites("clock", "leases", "real_agent", "scenes"), "tests/controller/agent/test_kill.py"),
    "demos": _sites("demo", "tutorial", "verdict"),
    "waits": (
        *_sites("agent"),
        "tests/controller/commands/agent/test_verify.py",
        "tests/drivers/fleet/agent/test_agent.py",
        "tests/drivers/meters/modbus/test_bus.py",
    ),
}
#: One after the other, because they share what is slow to make; they work more than they wait.
_SHARED: Final = (
    *_sites("wheel"),
    "tests/controller/api/page/test_chromium.py",
    "tests/controller/commands/test_opcua_of_the_world.py",
)
_SCOPE_OF: Final = {path: lane for lane, paths in _LANES.items() for path in paths} | {path: path for path in _SHARED}


def scope_of(nodeid: str) -> str:
    """Return what a test is handed out with: its lane, or itself; a site that no lane names is taken for a demo."""
    path = nodeid.partition("::")[0]
    return _SCOPE_OF.get(path, "demos" if path.startswith(_E2E) else nodeid)


def is_beside(nodeid: str) -> bool:
    """Return whether a test stands in no lane, and so begins after these."""
    return scope_of(nodeid) not in _LANES


class Lanes(LoadScopeScheduling):
    """Hands out test by test; a lane is handed out as one."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
