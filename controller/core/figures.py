"""What a site file is checked by as well as the control counts with it: without numpy, so that commands that only read the file start at once."""

from __future__ import annotations

from typing import Final

#: Name of the surplus source where it stands among the meters.
SURPLUS_SOURCE: Final = "surplus"
#: The leases of a site's agents are from this share of its lease to all of it, so that their ends are no step.
SHORTEST_LEASE: Final = 0.8
#: Share by which a settled device may still be moving after its stated time.
SETTLE_FACTOR: Final = 1.25
