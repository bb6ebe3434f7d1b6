"""What the house load was, in a file beside the journal: a start that knows it is fooled by no meter that lies at that moment."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from controller.core.decision import Decision
from controller.core.modes import Mode
from controller.core.site import F64, Site
from drivers.clock import Clock, boottime_s
from drivers.durable import read_summed, replace_summed
from drivers.errors import Refused

_log = logging.getLogger(__name__)

#: Its name in the state folder.
HOUSE: Final = "house.load"
#: It is written so often at most, and where a node's load has gone this far from what stands there.
_EACH_S: Final = 15.0
_FAR_W: Final = 50.0
_MOST_BYTES: Final = 2_000_000


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By node: what the site file declared then, and the load, in W."""

    declared_w: dict[str, float]
    house_w: dict[str, float]


class HouseMemory:
    """Keeps the house load of a site while it is NORMAL, without what may be of devices that nobody has heard of; not safe from several threads."""

    def __init__(self, path: Path, site: Site, clock: Clock = boottime_s) -> None:
        self._path, self._site, self._clock = path, site, clock
        self._written: tuple[Site, F64] | None = None
        self._due_s = float("-inf")
        self._failed = False

    def take_over(self, site: Site) -> None:
        """Note what another site file declares; from any thread."""
        self._site = site

    def read(self) -> F64 | None:
        """Return the load of each node (N,) as it was last; of one that is new or declared otherwise now, as it is declared.

        None where there is no file, or one that cannot be used, which is logged.
        """
        try:
            stored = read_summed(self._path, _MOST_BYTES, _Stored)
        except Refused as refusal:
            _log.warning("what the house load was is not known: %s", refusal, extra={"event": "house_lost"})
            return None
        if stored is None:
            return None
        return np.array([self._of(stored, n, name) for n, name in enumerate(self._site.tree.ids)])

    def _of(self, stored: _Stored, node: int, name: str) -> float:
        declared_w = float(self._site.tree.house_w[node])
        watts = stored.house_w.get(name, declared_w)
        known = stored.declared_w.get(name) == declared_w and np.isfinite(watts) and watts >= 0.0
        return watts if known else declared_w

    def store(self, decision: Decision | None) -> None:
        """Write down what the newest decision has, where it is time to and it has changed; a disk that fails is logged once."""
        now_s = self._clock()
        house_w = None if decision is None or decision.mode is not Mode.NORMAL else decision.sure_house_w
        if house_w is None or now_s < self._due_s:
            return
        self._due_s = now_s + _EACH_S
        site, written = self._site, self._written
        if written is not None and written[0] is site and np.abs(house_w - written[1]).max() < _FAR_W:
            return
        names = site.tree.ids
        declared_w = dict(zip(names, site.tree.house_w.tolist(), strict=True))
        try:
            replace_summed(self._path, _Stored(declared_w, dict(zip(names, house_w.tolist(), strict=True))))
        except OSError as error:
            if not self._failed:
                _log.warning("%s: the house load is not kept: %s", self._path, error, extra={"event": "house_not_kept"})
            self._failed = True
        else:
            self._written, self._failed = (site, house_w), False
