"""Which tests a worker of pytest-xdist runs: any one, but the sites of processes stand in two lanes.

A site needs time, not cores: with more of them at once each would only be slower. The lanes come first in the order of the
tests, so that they are under way while all others run beside them.
"""

from __future__ import annotations

from typing import Final

from xdist.scheduler import LoadScopeScheduling

#: An agent and its miners are no site: they wait for most of their time, and need no lane.
_NO_SITE: Final = ("tests/e2e/test_agent.py",)
#: Those that share the yard, so that it is started once; the demos take about as long.
_YARD: Final = tuple(f"tests/e2e/test_{name}.py" for name in ("leases", "lost_orders", "reload", "site", "start"))
#: One after the other, because they share what is slow to make; they work more than they wait, and need no lane either.
_WHEEL: Final = "tests/e2e/test_wheel.py"


class Lanes(LoadScopeScheduling):
    """Hands out test by test; a lane is handed out as one."""

    def _split_scope(self, nodeid: str) -> str:
        if not nodeid.startswith("tests/e2e/") or nodeid.startswith(_NO_SITE):
            return nodeid
        if nodeid.startswith(_WHEEL):
            return "wheel"
        return "yard" if nodeid.startswith(_YARD) else "demos"
