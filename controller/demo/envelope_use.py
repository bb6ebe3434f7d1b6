"""Where the watt hours of the site's envelope went over a run, by what the daemon says of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from controller.core.limits.parts import EnvelopePart
from controller.demo.watch import Moment


def parts_wh(moments: Sequence[Moment], root: str) -> dict[EnvelopePart, float]:
    """Return the Wh of each part of the envelope of `root`; each moment holds until the next, one without a word of the daemon for nothing."""
    found: dict[EnvelopePart, float] = {}
    for moment, following in pairwise(moments):
        node = moment.daemon.nodes.get(root) if moment.daemon else None
        hours = (following.truth.t_s - moment.truth.t_s) / 3600.0
        for part, watts in (node.parts or {}).items() if node else ():
            found[part] = found.get(part, 0.0) + watts * hours
    return {part: found[part] for part in EnvelopePart if part in found}
