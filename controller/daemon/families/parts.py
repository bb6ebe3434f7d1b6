"""Where each watt of the envelopes goes."""

from __future__ import annotations

from collections.abc import Sequence

from controller.core.limits.parts import PartsByNode
from controller.daemon.families.as_text import heading


def of_parts(parts: PartsByNode | None, nodes: Sequence[str]) -> str:
    """Return a series for each part of the envelope of the site, and of nodes whose limit binds, which are no more than some hundred."""
    name, text = (
        "surplusd_node_envelope_part_watts",
        "Part of the node's envelope, of the site and where a limit binds.",
    )
    lines = [
        f'{name}{{node="{nodes[node]}",part="{part}"}} {watts}\n'
        for node, found in (parts.by_node() if parts else {}).items()
        for part, watts in found.items()
    ]
    return heading(name, text) + "".join(lines)
