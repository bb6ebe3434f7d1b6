"""What is seen of the demo twice a second: the world's truth beside what the daemon says of itself."""

from __future__ import annotations

import re
import urllib.request
from typing import Final

import msgspec

from drivers.errors import DriverLoss
from simulators.worldlink import Truth, WorldClient

_TICK_BUCKET: Final = re.compile(rb'^surplusd_tick_duration_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)


class NodeStatus(msgspec.Struct):
    """What is shown of a node; `envelope_w` is watts, ``unlimited``, or None while unknown."""

    envelope_w: float | str | None
    binding: str


class DaemonStatus(msgspec.Struct):
    """What is shown of ``/api/v1/status``."""

    mode: str
    reason: str
    site_w: float | None
    nodes: dict[str, NodeStatus]
    orders_in_force: list[str]
    devices: dict[str, int]


class Moment(msgspec.Struct, frozen=True):
    """One look; `daemon` is None while the daemon does not answer."""

    truth: Truth
    daemon: DaemonStatus | None


class Watch:
    """Looks at the world and at the daemon."""

    def __init__(self, world: WorldClient, url: str, token: str) -> None:
        self._world = world
        self._url = url
        self._token = token

    def look(self) -> Moment:
        """Return the present moment; raises DriverLoss when the world is gone."""
        return Moment(self._world.truth(), self._status())

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
