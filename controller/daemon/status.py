"""Looks at the sources and the fleet, as the page and Prometheus show them."""

from __future__ import annotations

from typing import Final

import numpy as np

from controller.core.site import Site
from controller.daemon.fleet.fleet import Fleet
from controller.daemon.latest import DEVICE_STATES, AgentView, DeviceColumns, MeterView, Views
from controller.daemon.mailbox import Board
from drivers.clock import Clock, boottime_s

_STATE_CODES: Final = {name: code for code, name in enumerate(DEVICE_STATES)}


def make_views(site: Site, board: Board, fleet: Fleet, clock: Clock = boottime_s) -> Views:
    """Return the ways to look at what is around the daemon."""

    def meters() -> dict[str, MeterView]:
        now_s = clock()
        return {
            name: MeterView(
                value_w=view.value_w if np.isfinite(view.taken_s) else None,
                quality=view.quality,
                age_s=now_s - view.taken_s if np.isfinite(view.taken_s) else None,
                problem=view.problem,
                quantities={
                    quantity: (reading.value, now_s - reading.taken_s) for quantity, reading in view.readings.items()
                },
            )
            for name, view in board.views.items()
        }

    def agents() -> dict[str, AgentView]:
        now_s = clock()
        return {
            name: AgentView(
                online=view.online,
                age_s=now_s - view.heard_s if np.isfinite(view.heard_s) else None,
                lease_left_s=view.lease_left_s if np.isfinite(view.heard_s) else None,
            )
            for name, view in fleet.views().items()
        }

    def devices() -> DeviceColumns:
        count = len(site.devices.ids)
        measured_w = np.full(count, np.nan)
        state = np.full(count, _STATE_CODES["lost"], dtype=np.int64)
        for mine, view in zip(fleet.reports.devices, fleet.reports.views, strict=True):
            if np.isfinite(view.heard_s):
                measured_w[mine] = view.measured_w
                state[mine] = [_STATE_CODES[one.value] for one in view.states]
        return DeviceColumns(measured_w=measured_w, state=state)

    return Views(meters=meters, agents=agents, devices=devices)
