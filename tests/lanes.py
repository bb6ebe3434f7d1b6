"""Which tests a worker of pytest-xdist runs: any one, but the sites of processes stand in four lanes.

A site needs time, not cores: with more of them at once each would only be slower. The lanes come first in the order of the
tests, so that they are under way while all others run beside them.
"""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadScopeScheduling

#: An agent and its miners are no site: they wait for most of their time, and need no lane.
_NO_SITE: Final = ("tests/e2e/test_agent.py",)
#: One after the other, because they share what is slow to make; they work more than they wait, and need no lane either.
_WHEEL: Final = "tests/e2e/test_wheel.py"
_CHROMIUM: Final = "tests/controller/api/page/test_chromium.py"
#: Each takes about as long as the others, and so as long as all the tests beside them: those that share the yard over one broker,
#: so that it is started once; the one whose devices rest for minutes; those whose agents are what it is about; the demos.
_LANES: Final = {
    "yard": ("lost_orders", "reload", "site", "start"),
    "trip": ("second_controller", "trip"),
    "agents": ("clock", "leases", "real_agent", "scenes"),
    "demos": ("demo", "verdict"),
}
_LANE_OF: Final = {f"tests/e2e/test_{name}.py": lane for lane, names in _LANES.items() for name in names}


class Lanes(LoadScopeScheduling):
    """Hands out test by test; a lane is handed out as one."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(_CHROMIUM):
            return "chromium"
        if not nodeid.startswith("tests/e2e/") or nodeid.startswith(_NO_SITE):
            return nodeid
        if nodeid.startswith(_WHEEL):
            return "wheel"
        return _LANE_OF.get(nodeid.partition("::")[0], "demos")
