"""Modbus TCP meters, read by profile with pymodbus.

What was measured with pymodbus 3.16 and is guarded against here: its
defaults spend 12 s on a mute meter that stays "connected" after it; a first connect that fails is never retried; its own
back-off grows to 300 s; an exception answer is returned, not raised. Therefore: no retries, one deadline for all of a
poll, a fresh client for every connection, and every answer is checked for kind and length.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ExceptionResponse

from drivers.clock import Clock, boottime_s
from drivers.errors import DriverLoss
from drivers.meters.blocks import Answer, Block, decode_all, plan
from drivers.meters.codec import Dropped
from drivers.meters.profiles import Profile
from drivers.meters.sessions import run_sessions
from drivers.meters.sunspec import Read, find_model
from drivers.readings import Loss, Publish, Quality, Sample

# pymodbus reports every failed attempt; this driver tells a loss once, with its reason.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

#: Names of the exception codes (Modbus application protocol 1.1b3, section 7).
EXCEPTIONS: Final[Mapping[int, str]] = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    6: "server device busy",
    10: "gateway path unavailable",
    11: "gateway target did not respond",
}

#: Reversing the direction of power turns one counter into the other.
_REVERSED: Final = {"energy_import_wh": "energy_export_wh", "energy_export_wh": "energy_import_wh"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusMeter:
    """One meter behind Modbus TCP.

    `unit`: unit id 0 to 247. `poll_s`: from the start of a poll to that of the next. `timeout_s`: for connecting, and for
    all requests of a poll together. `sign`: -1 where the current transformers are mounted backwards: power is negated and
    the energy counters change places. `ct_ratio`: what powers, energies and currents are multiplied with, for a meter that
    shows secondary values. `quantity`: name under which active power is published; `surplus_w` makes the meter a surplus
    source, which carries nothing else.
    """

    id: str
    host: str
    port: int
    unit: int
    profile: Profile
    poll_s: float
    timeout_s: float
    sign: int = 1
    ct_ratio: float = 1.0
    quantity: str = "active_power_w"


async def read_forever(meter: ModbusMeter, publish: Publish, clock: Clock = boottime_s) -> None:
    """Poll `meter` and publish a Sample a poll, a Loss when there is none. Never returns; cancel it to stop."""
    await run_sessions(meter.id, lambda see: _session(meter, see, clock), publish, clock)


async def _session(meter: ModbusMeter, see: Publish, clock: Clock) -> None:
    async with _connected(meter) as read:
        models = meter.profile.sunspec_models
        base = await find_model(read, models) if models else 0
        blocks = plan(meter.profile)
        while True:
            started_s = clock()
            answers = await _poll(read, blocks, base, meter.timeout_s)
            see(_judge(meter, answers, started_s, clock()))
            await asyncio.sleep(max(0.0, started_s + meter.poll_s - clock()))


@asynccontextmanager
async def _connected(meter: ModbusMeter) -> AsyncIterator[Read]:
    client = AsyncModbusTcpClient(
        meter.host, port=meter.port, timeout=meter.timeout_s, retries=0, reconnect_delay=0, name=meter.id
    )
    try:
        if not await client.connect():
            raise DriverLoss(f"{meter.host}:{meter.port} accepts no connection within {meter.timeout_s:g} s")
        yield partial(_read, client, meter.unit)
    except ModbusException as error:
        raise DriverLoss(f"{meter.host}:{meter.port}, unit {meter.unit}: {error.string}") from error
    finally:
        client.close()


async def _read(client: AsyncModbusTcpClient, unit: int, fc: int, address: int, count: int) -> Answer:
    """Return the registers, or the exception that the meter answered; raises ModbusException and DriverLoss."""
    read = client.read_holding_registers if fc == 3 else client.read_input_registers
    response = await read(address, count=count, device_id=unit)
    if isinstance(response, ExceptionResponse):
        name = EXCEPTIONS.get(response.exception_code, "unknown")
        return f"exception {response.exception_code} ({name}) for {count} registers at {address}"
    if response.function_code != fc or len(response.registers) != count:
        came = f"{len(response.registers)} registers of function {response.function_code}"
        raise DriverLoss(f"{came} came for {count} of function {fc} at {address}")
    return response.registers


async def _poll(read: Read, blocks: Sequence[Block], base: int, timeout_s: float) -> dict[Block, Answer]:
    try:
        async with asyncio.timeout(timeout_s):
            return {block: await read(block.fc, base + block.address, block.count) for block in blocks}
    except TimeoutError as error:
        raise DriverLoss(f"no complete answer within {timeout_s:g} s") from error


def _judge(meter: ModbusMeter, answers: Mapping[Block, Answer], started_s: float, arrived_s: float) -> Sample | Loss:
    reasons = [answer for answer in answers.values() if isinstance(answer, str)]
    if len(reasons) == len(answers):
        return Loss(meter=meter.id, reason=reasons[0], at_s=arrived_s)
    decoded = decode_all(meter.profile, answers)
    doubtful = any(isinstance(value, Dropped) and value.implausible for value in decoded.values())
    shown = _oriented(meter, decoded)
    return Sample(
        meter=meter.id,
        values={name: value for name, value in shown.items() if not isinstance(value, Dropped)},
        quality=Quality.UNCERTAIN if doubtful else Quality.GOOD,
        taken_at_s=(started_s + arrived_s) / 2,
        arrived_at_s=arrived_s,
        invalid={name: value.reason for name, value in shown.items() if isinstance(value, Dropped)},
    )


def _oriented(meter: ModbusMeter, decoded: Mapping[str, float | Dropped]) -> dict[str, float | Dropped]:
    """Apply the meter's sign, transformer ratio and quantity."""
    if meter.quantity != "active_power_w":
        return {meter.quantity: _scaled(decoded["active_power_w"], meter.sign * meter.ct_ratio)}
    factors = {"_w": meter.sign * meter.ct_ratio, "_wh": meter.ct_ratio, "_a": meter.ct_ratio}
    scaled = {name: _scaled(value, factors.get(name[name.rindex("_") :], 1.0)) for name, value in decoded.items()}
    return {_REVERSED.get(name, name) if meter.sign < 0 else name: value for name, value in scaled.items()}


def _scaled(value: float | Dropped, factor: float) -> float | Dropped:
    if isinstance(value, Dropped):
        return value
    scaled = value * factor
    return scaled if math.isfinite(scaled) else Dropped(f"{value:g} times {factor:g} is not finite")
