"""Looks at the sources and the fleet, as the page and Prometheus show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from controller.core.fleet.leases import CONTACT_S
from controller.core.reasons import Code, Reason
from controller.core.site import Site
from controller.core.snapshot import Followed
from controller.core.trust.judge import no_trust
from controller.core.trust.meter_trust import MeterTrust
from controller.daemon.fleet.fleet import Fleet
from controller.daemon.fleet.reports import AgentReport
from controller.daemon.latest import DEVICE_STATES, DeviceColumns, Latest, LatestAgent, LatestMeter
from controller.daemon.tick import Tick
from controller.texts.english import predicate, texts
from drivers.clock import Clock, boottime_s
from drivers.fleet.wire import Activity

_LOST, _RESTING = DEVICE_STATES.index("lost"), DEVICE_STATES.index("resting")
#: State by activity.
_STATES: Final = np.array([DEVICE_STATES.index(activity.name.lower()) for activity in Activity], dtype=np.int64)


def make_latest(site: Site, latest: Callable[[], Tick | None], fleet: Fleet, clock: Clock = boottime_s) -> Latest:
    """Return the ways to look at what is around the daemon; `latest`: the newest tick, None before the first."""
    unread = no_trust(site)

    def meters() -> dict[str, LatestMeter]:
        now_s, tick = clock(), latest()
        trust, reasons = (tick.trust, tick.decision.sources) if tick else (unread, {})
        return {
            name: _meter(source, reasons.get(name, source.reasons), now_s) for name, source in trust.sources.items()
        }

    def agents() -> dict[str, LatestAgent]:
        now_s = clock()
        return {name: _agent(view, now_s) for name, view in fleet.newest().items()}

    def devices() -> DeviceColumns:
        now_s, views, place = clock(), fleet.reports.newest, fleet.reports.place
        heard = np.array([_in_contact(view, now_s) for view in views], dtype=np.bool_)[site.devices.agent]
        measured_w = np.concatenate([view.measured_w for view in views])[place]
        follow = np.concatenate([view.follow for view in views])[place]
        activity = np.concatenate([view.activity for view in views])[place]
        answers, does = heard & (follow != Followed.LOST), _STATES[activity]
        does = np.where(fleet.reports.resting(), _RESTING, does)
        return DeviceColumns(measured_w=np.where(heard, measured_w, np.nan), state=np.where(answers, does, _LOST))

    return Latest(meters=meters, agents=agents, devices=devices)


def _in_contact(view: AgentReport, now_s: float) -> bool:
    return view.online and now_s - view.heard_s <= CONTACT_S


def _agent(view: AgentReport, now_s: float) -> LatestAgent:
    online, age_s = _in_contact(view, now_s), now_s - view.heard_s
    return LatestAgent(
        online=online,
        age_s=age_s if np.isfinite(age_s) else None,
        # A statement of which nothing was heard may have lengthened it, and nobody knows whether the agent still runs.
        lease_left_s=max(0.0, view.lease_left_s - age_s) if online else None,
        problem=texts(view.findings),
        reasons=view.findings,
        head_seq=view.head_seen.seq if view.head_seen else None,
        head_stored_seq=view.head_stored.seq if view.head_stored else None,
    )


def _meter(source: MeterTrust, reasons: tuple[Reason, ...], now_s: float) -> LatestMeter:
    heard = bool(np.isfinite(source.taken_s))
    return LatestMeter(
        value_w=source.value_w if heard else None,
        quality=source.grade,
        age_s=now_s - source.taken_s if heard else None,
        problem="; ".join(predicate(reason) for reason in reasons if reason.code is not Code.VALUE_NOTED),
        reasons=reasons,
        notes=source.notes,
        quantities={quantity: (shown.value, now_s - shown.taken_s) for quantity, shown in source.shown.items()},
    )
