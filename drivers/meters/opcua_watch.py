"""How old and how good a value of an OPC UA server is.

- The age must not depend on how far two wall clocks differ. With each read of the node comes the server's own CurrentTime,
  which maps its UTC to our boottime clock; SourceTimestamp goes through that map and is never later than arrival. Servers
  refresh CurrentTime as seldom as once a second, so the largest of the last offsets is the nearest.
- A value may be Good and yet old. Servers stamp either every scan or changes only; which, the server does not tell. By
  default a Good answer is as old as the read that brought it; with `source_max_age_s` an older SourceTimestamp makes the
  value uncertain and as old as its stamp.
- A change that arrives after a read has overtaken it is dropped.
"""

from __future__ import annotations

import math
from collections import deque
from datetime import datetime
from typing import Any, Final

from asyncua import ua
from asyncua.common.node import Node

from drivers.clock import Clock
from drivers.errors import DriverLoss
from drivers.readings import Publish, Quality, Sample

#: A server whose CurrentTime stands still for longer is not running.
STANDSTILL_S: Final = 5.0
#: Heartbeats that the map of the server's clock looks back on.
OFFSETS: Final = 10


class Watch:
    """Turns what one session brings into samples; the handler of asyncua's subscription.

    `watts_per_unit`: unit and sign of the server's value. `source_max_age_s`: oldest SourceTimestamp that a Good answer may
    have where the server stamps every scan; None where it stamps changes only.
    """

    def __init__(
        self,
        *,
        meter: str,
        quantity: str,
        watts_per_unit: float,
        source_max_age_s: float | None,
        see: Publish,
        clock: Clock,
    ) -> None:
        self.clock = clock
        self._meter = meter
        self._quantity = quantity
        self._watts_per_unit = watts_per_unit
        self._source_max_age_s = source_max_age_s
        self._see = see
        self._offsets_s: deque[float] = deque(maxlen=OFFSETS)
        self._server_time: datetime | None = None
        self._moved_s = -math.inf
        self._newest_s = -math.inf

    def datachange_notification(self, _node: Node, _value: Any, data: Any) -> None:
        """Take a change; one that a read has overtaken is old news."""
        value: ua.DataValue = data.monitored_item.Value
        arrived_s = self.clock()
        taken_s = arrived_s if quality_of(value) is Quality.BAD else self._source_s(value, arrived_s)
        if taken_s > self._newest_s:
            self._pass_on(value, quality_of(value), taken_s, arrived_s)

    def confirm(self, value: ua.DataValue, server_time: ua.DataValue, started_s: float) -> None:
        """Take the answer to a read of the node and of the server's clock; raises DriverLoss where that stands still."""
        arrived_s = self.clock()
        middle_s = (started_s + arrived_s) / 2
        self._map_clock(_plain(server_time), middle_s)
        quality, taken_s, source_s = quality_of(value), middle_s, self._source_s(value, middle_s)
        oldest_s = middle_s - (self._source_max_age_s or math.inf)
        if quality is Quality.UNCERTAIN or (quality is Quality.GOOD and source_s < oldest_s):
            quality, taken_s = Quality.UNCERTAIN, source_s
        self._pass_on(value, quality, taken_s, arrived_s)

    def _map_clock(self, server_time: object, at_s: float) -> None:
        if not isinstance(server_time, datetime):
            raise DriverLoss("the server does not tell its CurrentTime")
        if server_time != self._server_time:
            self._server_time, self._moved_s = server_time, at_s
        elif at_s - self._moved_s > STANDSTILL_S:
            raise DriverLoss(f"the server's clock stands still at {server_time}")
        self._offsets_s.append(server_time.timestamp() - at_s)

    def _source_s(self, value: ua.DataValue, latest_s: float) -> float:
        """Return when the source took the value, on our clock; `latest_s` where it does not say or says later."""
        if value.SourceTimestamp is None or not self._offsets_s:
            return latest_s
        return min(latest_s, value.SourceTimestamp.timestamp() - max(self._offsets_s))

    def _pass_on(self, value: ua.DataValue, quality: Quality, taken_s: float, arrived_s: float) -> None:
        self._newest_s = taken_s
        watts = _watts(value, quality, self._watts_per_unit)
        why = watts if isinstance(watts, str) else None
        self._see(
            Sample(
                meter=self._meter,
                values={} if isinstance(watts, str) else {self._quantity: watts},
                quality=Quality.BAD if why else quality,
                taken_at_s=taken_s,
                arrived_at_s=arrived_s,
                invalid={self._quantity: why} if why else {},
            )
        )


def quality_of(value: ua.DataValue) -> Quality:
    """Return the quality that the top two bits of the status code mean; the low 16 bits are flags (OPC 10000-4, 7.39)."""
    status = value.StatusCode
    severity = 0 if status is None else status.value >> 30
    return {0: Quality.GOOD, 1: Quality.UNCERTAIN}.get(severity, Quality.BAD)


def _watts(value: ua.DataValue, quality: Quality, watts_per_unit: float) -> float | str:
    """Return the finite power that the data value carries, or why there is none."""
    if quality is Quality.BAD and value.StatusCode is not None:
        return f"the server says {ua.StatusCode(ua.UInt32(value.StatusCode.value & 0xFFFF0000)).name}"
    plain = _plain(value)
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        return f"{plain!r} is not a number"
    watts = plain * watts_per_unit
    return watts if math.isfinite(watts) else f"{plain} is not finite"


def _plain(value: ua.DataValue) -> object:
    return None if value.Value is None else value.Value.Value
