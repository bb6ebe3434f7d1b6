"""What may be learnt from the meters of each node, by what speaks against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from controller.core.masks import some
from controller.core.reasons import Code, Reason
from controller.core.site import Bool, Site

#: What says that a meter shows nothing, not that it shows what is not so.
_SILENCE: Final = frozenset(
    {Code.METER_NEVER_READ, Code.METER_SILENT, Code.SAMPLE_INVALID, Code.SAMPLE_DOUBTED}
    | {Code.SAMPLE_NOT_FINITE, Code.SAMPLE_ALL_ZERO}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTrust:
    """How far the meters of each node (N,) may be believed.

    `proven`: by one that is usable and has followed the fleet; until then they may raise what is learnt from them, never
    lower it. `still`: one is in doubt, so nothing is learnt. `false`: one has been found false, so what was learnt before
    that was noticed is forgotten.
    """

    proven: Bool
    still: Bool
    false: Bool


def shows_wrong(reasons: tuple[Reason, ...]) -> bool:
    """Return whether a meter, by the reasons against it, shows what is not so."""
    return any(reason.code not in _SILENCE for reason in reasons)


def silent(reasons: tuple[Reason, ...]) -> bool:
    """Return whether a meter, by the reasons against it, shows nothing and nothing else is wrong with it."""
    return bool(reasons) and not shows_wrong(reasons)


def false_meters(site: Site, against: Mapping[str, tuple[Reason, ...]], contradictions: tuple[Reason, ...]) -> Bool:
    """Return which meters (K,) show what is not so; `contradictions`: about nodes, of which any meter may be wrong."""
    if not contradictions and not any(against.values()):
        return np.zeros(len(site.meters.ids), dtype=np.bool_)
    nodes = {site.tree.ids.index(reason.subject) for reason in contradictions}
    found = zip(site.meters.ids, site.meters.node.tolist(), strict=True)
    return np.array([n in nodes or shows_wrong(against.get(name, ())) for name, n in found], dtype=np.bool_)


def node_trust(site: Site, proven: Bool, against: Mapping[str, tuple[Reason, ...]], false: Bool) -> NodeTrust:
    """Return the trust in the nodes' meters; `against`: by meter; `false`: meters (K,) that show what is not so."""
    still_n, false_n = np.zeros(proven.size, dtype=np.bool_), np.zeros(proven.size, dtype=np.bool_)
    if some(false) or any(against.values()):
        node = site.meters.node
        doubted = false | np.array([bool(against.get(name)) for name in site.meters.ids], dtype=np.bool_)
        still_n[node[doubted]] = True
        false_n[node[false]] = True
    return NodeTrust(proven=proven, still=still_n, false=false_n)
