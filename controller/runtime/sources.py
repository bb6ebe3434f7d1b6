"""From the site file's meters to running drivers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final

from controller.runtime.board import SURPLUS
from controller.runtime.config.model import ModbusSource, OpcuaSecurity, OpcuaSource, SiteFile
from controller.runtime.secret import read_secret
from drivers.errors import ConfigError
from drivers.meters.modbus import ModbusMeter, read_forever
from drivers.meters.opcua import OpcuaPoint, Security, subscribe_forever
from drivers.meters.profiles import load_profile
from drivers.readings import Publish

_CANCEL_AGAIN_S: Final = 0.2

#: A driver that runs for ever, to be started in a task.
Driver = Callable[[], Coroutine[None, None, None]]


def drivers(site_file: SiteFile, publish: Publish) -> dict[str, Driver]:
    """Return a driver for every meter and for the surplus, by name.

    Raises ConfigError, before anything is started, for a profile, certificate or password that cannot be used.
    """
    surplus = site_file.surplus
    made = {
        meter.id: _driver(meter.id, meter.modbus, meter.opcua, "active_power_w", publish) for meter in site_file.meters
    }
    return made | {SURPLUS: _driver(SURPLUS, surplus.modbus, surplus.opcua, "surplus_w", publish)}


def _driver(
    name: str, modbus: ModbusSource | None, opcua: OpcuaSource | None, quantity: str, publish: Publish
) -> Driver:
    if modbus is not None:
        meter = _modbus(name, modbus, quantity)
        return lambda: read_forever(meter, publish)
    if opcua is not None:
        point = _opcua(name, opcua, quantity)
        return lambda: subscribe_forever(point, publish)
    raise ConfigError(f"{name}: found neither modbus nor opcua, allowed is exactly one of them")


def _modbus(name: str, source: ModbusSource, quantity: str) -> ModbusMeter:
    return ModbusMeter(
        id=name,
        host=source.host,
        port=source.port,
        unit=source.unit,
        profile=load_profile(str(source.profile)),
        poll_s=source.poll_s,
        timeout_s=source.timeout_s,
        sign=source.sign,
        ct_ratio=source.ct_ratio,
        quantity=quantity,
    )


def _opcua(name: str, source: OpcuaSource, quantity: str) -> OpcuaPoint:
    return OpcuaPoint(
        id=name,
        endpoint=source.endpoint,
        node=source.node,
        quantity=quantity,
        unit=source.unit,
        sign=source.sign,
        security=_security(source.security),
        username=source.username,
        password=read_secret(source.password_file) if source.password_file else None,
        publish_interval_s=source.publish_interval_s,
        timeout_s=source.timeout_s,
        source_max_age_s=source.source_max_age_s,
    )


def _security(security: OpcuaSecurity | None) -> Security | None:
    if security is None:
        return None
    return Security(
        policy=security.policy,
        certificate=security.certificate,
        private_key=security.private_key,
        server_certificate=security.server_certificate,
    )


async def run_drivers(made: dict[str, Driver]) -> None:
    """Run all drivers until cancelled; each brings itself back, so that none ends."""
    tasks = [asyncio.create_task(driver(), name=f"driver-{name}") for name, driver in made.items()]
    try:
        # Not gather: when cancelled, that waits for the tasks itself.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await _end(tasks)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    # asyncio.wait_for, which the protocol libraries use, loses a cancellation that meets its end (Python before 3.12).
    while not all(task.done() for task in tasks):
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_CANCEL_AGAIN_S)
