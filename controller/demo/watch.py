"""What is seen of the demo twice a second: the world's truth beside what the daemon says of itself."""

from __future__ import annotations

import math
import re
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
import numpy as np

from controller.core.limits.parts import EnvelopePart
from controller.core.site import F64
from controller.demo.earnings import Course
from drivers.errors import DriverLoss
from simulators.worldlink import Truth, WorldClient

_TICK_BUCKET: Final = re.compile(rb'^surplusd_tick_duration_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)
_SETPOINT: Final = re.compile(rb'^surplusd_device_setpoint_watts\{device="([^"]+)"[^}]*\} (\d+)$', re.MULTILINE)

#: From the setpoints of the devices, in W by id, to what they are worth in currency per hour.
ValueOf = Callable[[dict[str, float]], float]


class TripStatus(msgspec.Struct):
    """Why a node is tripped: the limit that it drew more than."""

    cause: str


class ContactorStatus(msgspec.Struct):
    """What is shown of a node's contactor; `trip` is None while the node is not tripped."""

    trip: TripStatus | None = None


class NodeStatus(msgspec.Struct):
    """What is shown of a node; watts may be ``unlimited``, or None while unknown. `contactor`: None where there is none.

    `parts`: watts of its envelope by where they go, None where its limit does not bind.
    """

    envelope_w: float | str | None
    binding: str
    house_w: float | str | None = None
    parts: dict[EnvelopePart, float] | None = None
    contactor: ContactorStatus | None = None


class DaemonStatus(msgspec.Struct):
    """What is shown of ``/api/v1/status``; `value_per_h` is that of the allocation, which the setpoints ramp towards."""

    mode: str
    reason: str
    site_w: float | None
    nodes: dict[str, NodeStatus]
    orders_in_force: list[str]
    devices: dict[str, int]
    value_per_h: float | None = None


class Moment(msgspec.Struct, frozen=True):
    """One look; `daemon` is None while the daemon does not answer.

    `earning_per_h`: what its setpoints are worth, currency per hour; None while unknown.
    """

    truth: Truth
    daemon: DaemonStatus | None
    earning_per_h: float | None = None


class Watch:
    """Looks at the world and at the daemon; the setpoints are read only where `value_of` says what they are worth."""

    def __init__(self, world: WorldClient, url: str, token: str, value_of: ValueOf | None = None) -> None:
        self._world = world
        self._url = url
        self._token = token
        self._value_of = value_of

    def look(self) -> Moment:
        """Return the present moment; raises DriverLoss when the world is gone."""
        return Moment(self._world.truth(), self._status(), self._earning_per_h())

    def tick_p99_s(self) -> float | None:
        """Return a bound that 99 % of the daemon's ticks kept, in s; None where it shows no ticks."""
        try:
            return tick_p99_s(self._get("/metrics"))
        except DriverLoss:
            return None

    def _status(self) -> DaemonStatus | None:
        try:
            return msgspec.json.decode(self._get("/api/v1/status"), type=DaemonStatus)
        except (DriverLoss, msgspec.DecodeError):
            return None  # shown as "does not answer"; the demo goes on, killing parts is its point

    def _earning_per_h(self) -> float | None:
        if self._value_of is None:
            return None
        try:
            found = setpoints_w(self._get("/metrics"))
        except DriverLoss:
            return None  # as above
        return self._value_of(found) if found else None

    def _get(self, path: str) -> bytes:
        request = urllib.request.Request(self._url + path, headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310  our own URL
        try:
            with urllib.request.urlopen(request, timeout=1.0) as answer:  # noqa: S310
                return bytes(answer.read())
        except OSError as error:
            raise DriverLoss(f"{self._url}{path}: {error}") from error


def tick_p99_s(exposition: bytes) -> float | None:
    """Return the smallest bound of the tick histogram that holds 99 % of the ticks, in s; inf above the last."""
    buckets = [(float(bound), float(count)) for bound, count in _TICK_BUCKET.findall(exposition)]
    total = max((count for _, count in buckets), default=0.0)
    return next((bound for bound, count in sorted(buckets) if total and count >= 0.99 * total), None)


def setpoints_w(exposition: bytes) -> dict[str, float]:
    """Return the setpoint of each device in W, by id; empty before the first decision."""
    return {device.decode(): float(watts) for device, watts in _SETPOINT.findall(exposition)}


def course_of(moments: Sequence[Moment], root: str, declared_house_w: float) -> Course:
    """Return the moments as columns; the house load is the daemon's estimate, the declared one while there is none."""
    truths = [moment.truth for moment in moments]
    return Course(
        t_s=np.array([truth.t_s for truth in truths]),
        envelope_w=np.array([truth.envelope_w for truth in truths]),
        surplus_w=np.array([truth.surplus_w for truth in truths]),
        site_w=np.array([truth.site_w for truth in truths]),
        house_w=np.array([_house_w(moment.daemon, root, declared_house_w) for moment in moments]),
        earned_per_h=_column(moment.earning_per_h for moment in moments),
        decided_per_h=_column(moment.daemon.value_per_h if moment.daemon else None for moment in moments),
    )


def _column(values: Iterable[float | None]) -> F64:
    return np.array([math.nan if value is None else value for value in values])


def _house_w(daemon: DaemonStatus | None, root: str, declared_w: float) -> float:
    node = daemon.nodes.get(root) if daemon else None
    return node.house_w if node is not None and isinstance(node.house_w, float) else declared_w
