"""Whether the daemon is well, and whether it leads its site, as its newest tick shows."""

from __future__ import annotations

from typing import Final

from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.daemon.latest import before_first_tick, tick_stands
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


def readiness(site: Site, recorder: Recorder, period_s: float) -> Readiness:
    """Return whether the site is led: ticks run, the mode is not INIT any more, and some agent is in contact."""
    unled = _unled(site, recorder, health(recorder, period_s))
    return Readiness(ready=not unled, reason=texts(unled))


def _unled(site: Site, recorder: Recorder, now: Health) -> tuple[Reason, ...]:
    if recorder.latest is None or now.tick_age_s is None:
        return before_first_tick(site)
    decision = recorder.latest.decision
    if not now.ok:
        return tick_stands(site, now.tick_age_s)
    if decision.mode is Mode.INIT:
        return decision.reasons
    silent = tuple(reason for reason in decision.warnings if reason.code is Code.AGENT_SILENT)
    return silent if len(silent) == len(site.agents) else ()
