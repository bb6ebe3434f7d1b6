"""What the page is told: the status, the orders, today, devices as two characters each, the newest records."""

from __future__ import annotations

import hashlib
import heapq
import json
import math
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from controller.api.order_bodies import order_body
from controller.api.status import SiteBody, site_of
from controller.core.decision import Decision
from controller.core.limits.orders import Compliance
from controller.core.site import Site
from controller.daemon.course import Today
from controller.daemon.latest import DEVICE_STATES, DeviceColumns
from controller.daemon.orders.records import OpenOrder
from controller.daemon.orders.standing import NotMet, OrderView
from controller.daemon.service import Service
from controller.texts.catalogue import all_told, remedy
from controller.texts.phrases import Language

#: Orders that are shown at most, those first that are not met, then those that nobody sees to be, then the others that bind.
_ORDERS: Final = 20
_FIRST: Final = (Compliance.NOT_MET, Compliance.PARTIAL, Compliance.UNSEEN, Compliance.MET)
#: What of an order is shown.
_OF_ORDER: Final = frozenset({"id", "issuer", "state", "since", "node", "limit_w", "starts_at", "ends_at", "durable", "compliance"} | {"shortfall_w", "end_waits"})  # fmt: skip
_LEFT_OUT: Final = {"meters": {"__all__": {"quantities", "notes"}}, "agents": {"__all__": {"head_seq", "head_stored_seq"}}}  # fmt: skip
#: Steps of a device's share of its maximum, and the one for a share that nobody knows.
_SHARES: Final = 9
_UNKNOWN: Final = 10


def now_of(service: Service, language: Language) -> str:
    """Return the present state as JSON, in a language."""
    status, open_orders = site_of(service, language), service.book.open()
    views = service.intake.views(_first(open_orders, service.decision_now(), service.utc().utc_s))
    body = {
        "status": status.model_dump(mode="json", exclude=_LEFT_OUT),
        "orders": [_order(view, language) for view in views],
        "orders_open": len(open_orders),
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


class Structure:
    """What never changes of the devices: ids, the place of each one's agent and node, and maximum watts. Of a large site it is worked out once.

    `mark` tells it from that of another site file: columns speak of no other devices.
    """

    def __init__(self, site: Site) -> None:
        devices, tree = site.devices, site.tree
        text = _text(
            {
                "ids": devices.ids,
                "agents": site.agents,
                "agent": devices.agent.tolist(),
                "node": devices.node.tolist(),
                "nodes": tree.ids,
                "parents": tree.parent.tolist(),
                "max_w": np.rint(devices.max_w).astype(int).tolist(),
                "states": DEVICE_STATES,
            }
        )
        self.mark = hashlib.sha256(text.encode()).hexdigest()[:16]
        self._text = f"{text[:-1]},{_text({'mark': self.mark})[1:]}"

    def told(self) -> str:
        """Return it as JSON."""
        return self._text


def columns_of(service: Service, mark: str) -> str:
    """Return the devices as they are now: a digit for each one's state, and one for its share of its maximum."""
    columns, most_w = service.latest.devices(), service.site.devices.max_w
    share = np.divide(columns.measured_w, most_w, out=np.full(len(most_w), np.nan), where=most_w > 0.0)
    level = np.where(np.isfinite(share), np.clip(np.ceil(np.nan_to_num(share) * _SHARES), 0, _SHARES), _UNKNOWN)
    shares = _digits(level.astype(np.int64))
    return _text(
        {"mark": mark, "state": _digits(columns.state), "level": shares, "watts": _totals(service.site, columns)}
    )


def _totals(site: Site, columns: DeviceColumns) -> list[int | None]:
    """Return what the devices of each agent are measured to draw, None where that is known of none."""
    measured_w, agent = columns.measured_w, site.devices.agent
    known, count = np.isfinite(measured_w), len(site.agents)
    sums = np.bincount(agent[known], weights=measured_w[known], minlength=count)
    seen = np.bincount(agent[known], minlength=count)
    return [round(watts) if some else None for watts, some in zip(sums.tolist(), seen.tolist(), strict=True)]


def _digits(codes: np.ndarray[Any, Any]) -> str:
    """Return one character a code: digits, and a colon for ten."""
    return (codes.astype(np.uint8) + ord("0")).tobytes().decode("ascii")


def _first(orders: Iterable[OpenOrder], decision: Decision | None, utc_s: float) -> list[OpenOrder]:
    """Return the orders that are shown, in their sequence."""
    kept = {order.id: order.compliance for order in decision.orders} if decision else {}

    def place(order: OpenOrder) -> tuple[float, float]:
        compliance, starts_utc_s = kept.get(order.limit.id), order.limit.starts_utc_s
        if compliance is not None:
            return _FIRST.index(compliance), starts_utc_s
        binds = order.limit.begun or starts_utc_s <= utc_s
        return len(_FIRST) if binds else math.inf, starts_utc_s

    return heapq.nsmallest(_ORDERS, orders, key=place)


def _order(view: OrderView, language: Language) -> dict[str, Any]:
    """Return an open order with `why`: what is in its way, in the language."""
    why = all_told(view.standing.why, language) if isinstance(view.standing, NotMet) else ""
    return order_body(view).model_dump(mode="json", include=set(_OF_ORDER)) | {"why": why}


def _remedies(status: SiteBody, language: Language) -> dict[str, str]:
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
