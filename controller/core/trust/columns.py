"""The meters as columns: what each shows now, and whether that counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from controller.core.site import F64, Bool, Site
from controller.core.trust.meter_trust import MeterTrust

#: A meter that shows more than this multiple of its rating shows nonsense.
PLAUSIBLE: Final = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterColumns:
    """The newest good sample of each meter (K,).

    `power_w`: positive into the site. `taken_s`: when it was taken, ``-inf`` if there never was one; for a frozen meter it
    stands still too. `sane`: False where what the meter shows cannot be true. `vouched`: its other quantities vouch for the
    scale of its power. `asked`: at what time which meters were `usable`; a tick asks that half a dozen times of the same.
    """

    power_w: F64
    taken_s: F64
    sane: Bool
    vouched: Bool
    asked: dict[float, Bool] = field(default_factory=dict, init=False, repr=False, compare=False)


def meter_columns(site: Site, sources: Mapping[str, MeterTrust]) -> MeterColumns:
    """Return the columns of the site's meters."""
    mine = [sources[name] for name in site.meters.ids]
    power_w, taken_s = np.array([[each.value_w for each in mine], [each.believed_s for each in mine]], dtype=np.float64)
    sane, vouched = np.array(
        [[each.nonsense is None for each in mine], [each.vouched for each in mine]], dtype=np.bool_
    )
    return MeterColumns(power_w=power_w, taken_s=taken_s, sane=sane, vouched=vouched)


def plausible(site: Site, meters: MeterColumns) -> Bool:
    """Return which meters (K,) show a power that their node can draw, and nothing that cannot be true."""
    believable = np.abs(meters.power_w) <= PLAUSIBLE * site.meters.rating_w
    return np.asarray(believable & meters.sane, dtype=np.bool_)


def usable(site: Site, meters: MeterColumns, now_s: float) -> Bool:
    """Return which meters (K,) are plausible and fresh; of one record always asked for one site."""
    found = meters.asked.get(now_s)
    if found is None:
        fresh = now_s - meters.taken_s <= site.rules.suspect_s
        found = meters.asked[now_s] = np.asarray(plausible(site, meters) & fresh, dtype=np.bool_)
    return found
