"""Meters that people have confirmed: what that ends, and when it is over.

Where two meters of a node disagreed before one fell silent, a person says that the other one is right. That ends the doubt
which waits for a person and no other: the meter still has to follow a step. It is over once all meters of the node speak and
agree, and as soon as anything else speaks against the meter, it is read otherwise, or a person says the same of another
meter of the node: one of the two words is not so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from controller.core.reasons import Code, Reason
from controller.core.site import Bool, Site
from controller.core.snapshot import ConfirmedMeter
from controller.core.trust.node_trust import shows_wrong
from controller.core.trust.redundancy import Redundancy


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmations:
    """What people's words come to in a tick.

    `meters` (K,): those that are confirmed, None where none is. `over`: ids of the words that have come to an end. `warnings`:
    those that hold.
    """

    meters: Bool | None = None
    over: tuple[str, ...] = ()
    warnings: tuple[Reason, ...] = ()


def look_at(
    words: Sequence[ConfirmedMeter], site: Site, record: Redundancy, against: Mapping[str, tuple[Reason, ...]]
) -> Confirmations:
    """Return which words hold, the newest last; `record`: of how the meters differ now, `against`: by meter, what speaks against it now."""
    if not words:
        return Confirmations()
    ids, node, meters = site.meters.ids, site.meters.node, np.zeros(len(site.meters.ids), dtype=np.bool_)
    over, warnings = [], []
    newest = {int(node[word.meter]): word for word in words}
    for word in words:
        k = word.meter
        old = word is not newest[int(node[k])]
        if old or record.agree[node[k]] or np.isnan(record.under_w[k]) or shows_wrong(against[ids[k]]):
            over.append(word.id)
            continue
        meters[k] = True
        warnings.append(Reason(Code.METER_CONFIRMED, ids[k], {"by": word.by}))
    return Confirmations(meters=meters, over=tuple(over), warnings=tuple(warnings))


def remembered(record: Redundancy, site: Site, words: Iterable[ConfirmedMeter], now_s: float) -> Redundancy:
    """Return the record of a start: how meters differed whose partner a person has confirmed, and that they did."""
    under_w, apart_s = record.under_w.copy(), record.apart_s.copy()
    for word in words:
        apart_s[site.meters.node[word.meter]] = now_s
        for name, watts in word.under_w.items():
            under_w[site.meters.ids.index(name)] = watts
    return replace(record, under_w=under_w, apart_s=apart_s)
