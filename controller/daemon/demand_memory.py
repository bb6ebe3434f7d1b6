"""What the window that a tariff bills has had, in a file beside the journal: a start counts on from there, and the contract since."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from controller.core.decision import Decision
from controller.core.limits.demand import NO_DEMAND_USE, CountedImport, DemandUse
from drivers.clock import Clock, boottime_s
from drivers.durable import read_summed, replace_summed
from drivers.errors import Refused

_log = logging.getLogger(__name__)

#: Its name in the state folder.
DEMAND: Final = "demand.used"
#: It is written so often. What is drawn between the last time and a crash is counted as the contract.
_EACH_S: Final = 15.0
_MOST_BYTES: Final = 4_096


class _Counted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The import counter of a meter, `read_as` by a hash of what says what its samples mean, when `used_ws` were used, of them `guessed_ws`."""

    meter: str
    read_as: str
    import_wh: float
    used_ws: float
    guessed_ws: float


class _Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The window that begins then, until when it is counted, in Unix seconds, and what it has had in Ws."""

    begins_utc_s: float
    at_utc_s: float
    used_ws: float
    guessed_ws: float
    counted: _Counted | None


class DemandMemory:
    """Keeps what is billed of the running window; not safe from several threads. `read_as`: by meter, as above."""

    def __init__(self, path: Path, read_as: Callable[[], Mapping[str, str]], clock: Clock = boottime_s) -> None:
        self._path, self._read_as, self._clock = path, read_as, clock
        self._due_s = float("-inf")
        self._failed = False

    def read(self) -> DemandUse:
        """Return what was written down last; nothing where there is no file, or one that cannot be used, which is logged."""
        try:
            stored = read_summed(self._path, _MOST_BYTES, _Stored)
        except Refused as refusal:
            _log.warning("what the billed window has had is not known: %s", refusal, extra={"event": "demand_lost"})
            return NO_DEMAND_USE
        if stored is None or not self._sound(stored):
            return NO_DEMAND_USE
        return DemandUse(
            begins_utc_s=stored.begins_utc_s,
            at_utc_s=stored.at_utc_s,
            used_ws=stored.used_ws,
            guessed_ws=stored.guessed_ws,
            counted=self._counted(stored.counted),
        )

    def _counted(self, stored: _Counted | None) -> CountedImport | None:
        if stored is None or self._read_as().get(stored.meter) != stored.read_as:
            return None
        return CountedImport(
            meter=stored.meter, import_wh=stored.import_wh, used_ws=stored.used_ws, guessed_ws=stored.guessed_ws
        )

    @staticmethod
    def _sound(stored: _Stored) -> bool:
        figures = stored.begins_utc_s, stored.at_utc_s, stored.used_ws, stored.guessed_ws
        return all(map(math.isfinite, figures)) and 0.0 <= stored.guessed_ws <= stored.used_ws

    def store(self, decision: Decision | None, *, at_once: bool = False) -> None:
        """Write down what the newest decision has, where it is time to, or `at_once`; a disk that fails is logged once."""
        now_s = self._clock()
        if decision is None or decision.demand is None or (now_s < self._due_s and not at_once):
            return
        self._due_s = now_s + _EACH_S
        try:
            replace_summed(self._path, self._stored(decision.demand.use))
        except OSError as error:
            if not self._failed:
                _log.warning("%s: the demand is not kept: %s", self._path, error, extra={"event": "demand_not_kept"})
            self._failed = True
        else:
            self._failed = False

    def _stored(self, use: DemandUse) -> _Stored:
        counted = use.counted
        return _Stored(
            begins_utc_s=use.begins_utc_s or 0.0,
            at_utc_s=use.at_utc_s,
            used_ws=use.used_ws,
            guessed_ws=use.guessed_ws,
            counted=None
            if counted is None
            else _Counted(
                meter=counted.meter,
                read_as=self._read_as().get(counted.meter, ""),
                import_wh=counted.import_wh,
                used_ws=counted.used_ws,
                guessed_ws=counted.guessed_ws,
            ),
        )
