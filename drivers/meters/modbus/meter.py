"""One Modbus meter as the site has it, and what the answers to a poll of it say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.meters.blocks import Block, Plan
from drivers.meters.codec import Dropped
from drivers.meters.orientation import Orientation
from drivers.meters.profiles import REQUIRED, Profile
from drivers.modbus.answers import Answer
from drivers.modbus.place import MeterTls, Place, Serial, Transport
from drivers.readings import Loss, Quality, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusMeter:
    """One meter on Modbus.

    `transport`, `host`, `port`, `serial`, `tls`, `ignore_transaction`: see `Place`; meters at the same place share one
    connection. `unit`: unit id 0 to 255; `any_unit`: the answer may come as another one. `model`, `nth`: which SunSpec model
    it is and which of several of that id, counted from 1; without a model the first that its profile is for. `poll_s`: from one poll of power and frequency to the next,
    and of `each_poll`, other quantities that are read as often; `poll_slow_s`: the same for all quantities.
    `timeout_s`: for connecting, for all requests of a poll together that bring power and frequency, and for each other
    request. `sign`, `swap_counters`, `ct_ratio`, `quantity`: see `Orientation`.
    """

    id: str
    host: str = ""
    port: int = 502
    transport: Transport = "tcp"
    serial: Serial | None = None
    tls: MeterTls | None = None
    ignore_transaction: bool = False
    unit: int = 1
    any_unit: bool = False
    model: int | None = None
    nth: int = 1
    profile: Profile
    poll_s: float
    poll_slow_s: float = 10.0
    timeout_s: float
    sign: int = 1
    swap_counters: bool = True
    ct_ratio: float = 1.0
    quantity: str = REQUIRED
    each_poll: tuple[str, ...] = ()

    @property
    def orientation(self) -> Orientation:
        """Which way its power counts, and under which name."""
        return Orientation(
            sign=self.sign, swap_counters=self.swap_counters, ct_ratio=self.ct_ratio, quantity=self.quantity
        )

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(
            transport=self.transport,
            host=self.host,
            port=self.port,
            serial=self.serial,
            tls=self.tls,
            ignore_transaction=self.ignore_transaction,
        )


def judged(
    meter: ModbusMeter,
    plan: Plan,
    answers: Mapping[Block, Answer],
    taken_at_s: float,
    arrived_at_s: float,
    *,
    power_took_s: float = 0.0,
) -> Sample | Loss:
    """Return what a poll saw, from the answers to all blocks of its plan."""
    words = [answer for answer in answers.values() if not isinstance(answer, str)]
    if not words:
        reason = next(answer for answer in answers.values() if isinstance(answer, str))
        return Loss(meter=meter.id, reason=reason, at_s=arrived_at_s)
    if meter.profile.zero_not_ready and not any(map(any, words)):
        return Loss(meter=meter.id, reason="shows zeros only: it has no reading yet", at_s=arrived_at_s)
    decoded = plan.decode(answers)
    doubtful = any(isinstance(value, Dropped) and value.implausible for value in decoded.values())
    shown = meter.orientation.apply(decoded)
    return Sample(
        meter=meter.id,
        values={name: value for name, value in shown.items() if not isinstance(value, Dropped)},
        quality=Quality.UNCERTAIN if doubtful else Quality.GOOD,
        taken_at_s=taken_at_s,
        arrived_at_s=arrived_at_s,
        invalid={name: value.reason for name, value in shown.items() if isinstance(value, Dropped)},
        trying=not plan.settled,
        power_took_s=power_took_s,
    )
