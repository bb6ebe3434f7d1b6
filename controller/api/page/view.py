"""What the page is told: the status, the orders, today, devices as two characters each, the newest records."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

import numpy as np

from controller.api.orders import shown
from controller.api.status import StatusBody, status_of
from controller.daemon.course import Today
from controller.daemon.latest import DEVICE_STATES
from controller.daemon.orders.standing import NotMet, OrderState
from controller.daemon.service import Service
from controller.texts.catalogue import all_told, remedy
from controller.texts.phrases import Language

#: Orders that are shown at most, those first that bind.
_ORDERS: Final = 20
_LEFT_OUT: Final = {"meters": {"__all__": {"quantities", "notes"}}, "agents": {"__all__": {"head_seq", "head_stored_seq"}}}  # fmt: skip
#: Steps of a device's share of its maximum, and the one for a share that nobody knows.
_SHARES: Final = 9
_UNKNOWN: Final = 10


def now_of(service: Service, language: Language) -> str:
    """Return the present state as JSON, in a language."""
    status = status_of(service, language)
    body = {
        "status": status.model_dump(mode="json", exclude=_LEFT_OUT),
        "orders": _orders(service, language),
        "stopped": service.desks.stops.reason is not None,
        "utc_s": round(service.utc().utc_s, 3),
        "today": _today(service.course.today()),
        "do": _remedies(status, language),
    }
    return _text(body)


def course_of(service: Service) -> str:
    """Return the last quarter of an hour as JSON: columns of times in s, and of watts, null where unknown."""
    points = service.course.points()
    return _text(
        {
            "utc_s": [round(point.utc_s, 1) for point in points],
            "site_w": [_whole(point.site_w) for point in points],
            "envelope_w": [_whole(point.envelope_w) for point in points],
            "surplus_w": [_whole(point.surplus_w) for point in points],
        }
    )


def devices_of(service: Service) -> str:
    """Return what never changes of the devices as JSON: ids, the place of each one's agent and node, and maximum watts."""
    structure = _structure(service)
    return _text(structure | {"mark": _mark(structure), "currency": service.currency()})


def mark_of(service: Service) -> str:
    """Return what tells what never changes of the devices from that of another site file: columns speak of no other devices."""
    return _mark(_structure(service))


def columns_of(service: Service, mark: str) -> str:
    """Return the devices as they are now: a digit for each one's state, and one for its share of its maximum."""
    columns, most_w = service.latest.devices(), service.site.devices.max_w
    share = np.divide(columns.measured_w, most_w, out=np.full(len(most_w), np.nan), where=most_w > 0.0)
    level = np.where(np.isfinite(share), np.clip(np.ceil(np.nan_to_num(share) * _SHARES), 0, _SHARES), _UNKNOWN)
    shares = _digits(level.astype(np.int64))
    return _text({"mark": mark, "state": _digits(columns.state), "level": shares, "watts": _totals(service)})


def _structure(service: Service) -> dict[str, Any]:
    devices, tree = service.site.devices, service.site.tree
    return {
        "ids": devices.ids,
        "agents": service.site.agents,
        "agent": devices.agent.tolist(),
        "node": devices.node.tolist(),
        "nodes": tree.ids,
        "parents": tree.parent.tolist(),
        "max_w": np.rint(devices.max_w).astype(int).tolist(),
        "states": DEVICE_STATES,
    }


def _mark(structure: dict[str, Any]) -> str:
    return hashlib.sha256(_text(structure).encode()).hexdigest()[:16]


def _totals(service: Service) -> list[int | None]:
    """Return what the devices of each agent are measured to draw, None where that is known of none."""
    measured_w, agent = service.latest.devices().measured_w, service.site.devices.agent
    known, count = np.isfinite(measured_w), len(service.site.agents)
    sums = np.bincount(agent[known], weights=measured_w[known], minlength=count)
    seen = np.bincount(agent[known], minlength=count)
    return [round(watts) if some else None for watts, some in zip(sums.tolist(), seen.tolist(), strict=True)]


def _digits(codes: np.ndarray[Any, Any]) -> str:
    """Return one character a code: digits, and a colon for ten."""
    return (codes.astype(np.uint8) + ord("0")).tobytes().decode("ascii")


def _orders(service: Service, language: Language) -> list[dict[str, Any]]:
    """Return the open orders, those that bind first, each with `why`: what is in its way, in the language."""
    views = [view for view in service.intake.list() if view.standing.state is not OrderState.ENDED]
    views.sort(key=lambda view: (view.standing.state is OrderState.SCHEDULED, view.order.limit.starts_utc_s))
    return [
        shown(service, view).model_dump(mode="json")
        | {"why": all_told(view.standing.why, language) if isinstance(view.standing, NotMet) else ""}
        for view in views[:_ORDERS]
    ]


def _remedies(status: StatusBody, language: Language) -> dict[str, str]:
    """Return what can be done about each reason that is shown, by code."""
    shown_here = [*status.reasons, *status.warnings, *status.utc_reasons, *status.site_file_reasons]
    shown_here += [reason for meter in status.meters.values() for reason in meter.reasons]
    shown_here += [reason for agent in status.agents.values() for reason in agent.reasons]
    codes = {reason.code for reason in shown_here}
    return {code: does for code in sorted(codes) if (does := remedy(code, language))}


def _today(today: Today | None) -> dict[str, float] | None:
    if today is None:
        return None
    return {
        "since": round(today.since_utc_s),
        "energy_wh": round(today.energy_wh),
        "value": round(today.value, 2),
        "unseen_s": round(today.unseen_s),
    }


def _whole(watts: float | None) -> int | None:
    return None if watts is None else round(watts)


def _text(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)
