"""The devices of an agent's file as an agent takes them: what each may draw, and the guarded way to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

from controller.agent.model import AgentDevice, AgentFile, DeviceTls, JobsPart, RelayEntry, RelayOutlet
from controller.site.devices import declared_failsafe_w
from controller.site.own_models import catalogue_of
from drivers.contactors.modbus import CoilContactor
from drivers.devices.driver import DeviceDriver, Target, plain
from drivers.devices.families import Family, Instrument, ReadBack, load_families
from drivers.devices.found import FoundSettings
from drivers.devices.guard import Guard
from drivers.devices.job_hook import JobCommands
from drivers.devices.login import read_login
from drivers.devices.switched import GuardedOutlet
from drivers.devices.unopened import UnopenedDevice
from drivers.errors import ConfigError
from drivers.fleet.agent.device import Ports
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.catalogue import Model, load_catalogue
from drivers.fleet.wire import MAX_SERIAL, DeadMan, MeasuredBy, Proof
from drivers.transports.tls import PinnedTls

_log = logging.getLogger(__name__)

_MEASURED_BY: Final = {
    Instrument.PSU: MeasuredBy.PSU,
    Instrument.PDU: MeasuredBy.PDU,
    Instrument.ESTIMATE: MeasuredBy.ESTIMATE,
    Instrument.NOTHING: MeasuredBy.NOTHING,
}


AgentRelay: TypeAlias = CoilContactor | GuardedOutlet


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """By device id: what it may draw, the ports that an agent drives, and the guard before its driver."""

    leased: Mapping[str, LeasedDevice]
    ports: Mapping[str, Ports]
    guards: Mapping[str, Guard]
    relays: tuple[AgentRelay, ...]

    async def close(self) -> None:
        """Give back what the drivers hold."""
        closing = [guard.close() for guard in self.guards.values()]
        await asyncio.gather(*closing, *(relay.close() for relay in self.relays), return_exceptions=True)


def equipment_of(file: AgentFile, found: FoundSettings) -> Equipment:
    """Return the equipment of a file; opens no connection.

    A device whose login or extra is not there is silent, and the log says why: that is no reason to lead none of the others.
    """
    relays = relays_of(file)
    holds = holds_of(file)
    guards = {
        device.id: Guard(_opened(file, device), device=device.id, expected=expected_of(device), found=found)
        for device in file.devices
    }
    return Equipment(
        leased={device.id: leased_of(file, device, holds.get(device.relay or "")) for device in file.devices},
        ports={
            device.id: Ports(
                device=guards[device.id],
                relay=relays[device.relay] if device.relay else None,
                hold_s=holds.get(device.relay) if device.relay else None,
                alarms=guards[device.id].alarms,
            )
            for device in file.devices
        },
        guards=guards,
        relays=tuple(relays.values()),
    )


def relays_of(file: AgentFile) -> dict[str, AgentRelay]:
    """Return the relays of a file by id; opens no connection, and raises ConfigError for a login or an extra that is not there."""
    return {relay.id: _relay(relay) for relay in file.relays}


def holds_of(file: AgentFile) -> Mapping[str, float | None]:
    """Return, by relay, after how long it opens by itself, None where it does not."""
    return {relay.id: None if relay.outlet is None else relay.outlet.hold_s for relay in file.relays}


def _opened(file: AgentFile, device: AgentDevice) -> DeviceDriver:
    try:
        return open_driver(file, device)
    except ConfigError as error:
        _log.error("%s cannot be led: %s", device.id, error, extra={"event": "device_unusable", "device": device.id})
        return UnopenedDevice(str(error))


def model_of(file: AgentFile, device: AgentDevice) -> Model:
    """Return the model of a device of the file; its times are never shorter than those of its family.

    The model knows the chips, the family how long it takes to tell them; who counts the shorter time has a proof too early.
    """
    family, model = load_families()[device.family], catalogue_of(file.models)[device.model]
    return replace(model, down_s=max(model.down_s, family.down_s), up_s=max(model.up_s, family.up_s))


def open_driver(file: AgentFile, device: AgentDevice) -> DeviceDriver:
    """Return the bare driver of a device, before which no guard stands; raises ConfigError for a login or an extra that is not there."""
    family = load_families()[device.family]
    target = Target(
        host=device.host or "",
        port=device.port or family.port,
        model=model_of(file, device),
        login=read_login(device.login) if device.login is not None else None,
        untuned=device.untuned,
        gpus=device.gpus,
        jobs=None if device.jobs is None else _jobs(device.jobs),
        tls=None if device.tls is None else _tls(device.tls),
        outlet=device.outlet,
    )
    return family.driver()(target)


def expected_of(device: AgentDevice) -> str:
    """Return the serial or the MAC that the file gives, or the first of its GPUs."""
    return device.serial or device.mac or next(iter(device.gpus), "")


def leased_of(file: AgentFile, device: AgentDevice, hold_s: float | None = None) -> LeasedDevice:
    """Return what a device may draw, and what can prove it; `hold_s`: after so long its relay opens by itself."""
    family, model = load_families()[device.family], model_of(file, device)
    return LeasedDevice(
        model=model,
        failsafe_w=declared_failsafe_w(device.failsafe, model),
        max_w=float("inf") if device.max_w is None else device.max_w,
        proof=proof_of(family),
        measured_by=_MEASURED_BY[family.measured_by],
        dead_man=None if hold_s is None else DeadMan(after_ms=round(1000 * hold_s), falls_to_w=0),
        serial=plain(expected_of(device))[:MAX_SERIAL] or None,
    )


def proof_of(family: Family) -> Proof:
    """Return the best that can show that a device of a family has followed; an estimate shows nothing."""
    named = family.read_back in {ReadBack.LIMIT, ReadBack.MODE}
    measured = family.measured_by in {Instrument.PSU, Instrument.PDU}
    if named and measured:
        return Proof.BOTH
    return Proof.READ_BACK if named else Proof.WATTS if measured else Proof.NONE


def found_file(file: AgentFile) -> Path:
    """Return where the agent keeps how its devices were found."""
    return file.state / f"{file.agent}.found.json"


def _tls(tls: DeviceTls) -> PinnedTls | None:
    if tls.ca is not None:
        return PinnedTls.by_ca(tls.ca)
    return None if tls.sha256 is None else PinnedTls.by_sha256(tls.sha256)


def _jobs(jobs: JobsPart) -> JobCommands:
    return JobCommands(drain=jobs.drain, resume=jobs.resume, stop=jobs.stop or (), timeout_s=jobs.timeout_s)


def _relay(relay: RelayEntry) -> AgentRelay:
    if relay.outlet is not None:
        return _outlet(relay.id, relay.outlet)
    coil = relay.modbus
    if coil is None:
        raise ConfigError(f"relay {relay.id}: found neither modbus nor outlet")
    return CoilContactor(
        host=coil.host,
        port=coil.port,
        unit=coil.unit,
        coil=coil.coil,
        closed_on=coil.closed == "on",
        position_input=coil.position,
        timeout_s=coil.timeout_s,
    )


def _outlet(id_: str, outlet: RelayOutlet) -> GuardedOutlet:
    family = load_families()[outlet.family]
    target = Target(
        host=outlet.host,
        port=outlet.port or family.port,
        model=next(iter(load_catalogue().values())),  # what it feeds is told it by nobody
        login=read_login(outlet.login) if outlet.login is not None else None,
        outlet=outlet.outlet,
    )
    return GuardedOutlet(family.outlet()(target), relay=id_, expected=outlet.serial or outlet.mac or "")
