"""Whether the daemon is well, and whether it leads its site, as its newest tick shows."""

from __future__ import annotations

from typing import Final

from controller.core.modes import Mode
from controller.core.site import Site
from controller.daemon.latest import before_first_tick
from controller.daemon.recorder import Recorder
from controller.daemon.service import Health, Readiness
from controller.texts.english import texts
from drivers.clock import boottime_s

#: The tick is taken for hung when it is later than so many periods, and than so many seconds.
_HUNG_PERIODS: Final = 5
_HUNG_S: Final = 5.0


def health(recorder: Recorder, period_s: float) -> Health:
    """Return whether the tick, which runs every `period_s`, has run of late."""
    if recorder.latest is None:
        return Health(ok=False, tick_age_s=None)
    age_s = boottime_s() - recorder.ended_s
    return Health(ok=age_s <= max(_HUNG_S, _HUNG_PERIODS * period_s), tick_age_s=age_s)


def readiness(site: Site, recorder: Recorder) -> Readiness:
    """Return whether the first decisions are taken and the mode is not INIT any more."""
    if recorder.latest is None:
        return Readiness(ready=False, reason=texts(before_first_tick(site)))
    decision = recorder.latest.decision
    return Readiness(
        ready=decision.mode is not Mode.INIT, reason=texts(decision.reasons) if decision.mode is Mode.INIT else ""
    )
