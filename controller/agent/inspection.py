"""What the devices of an agent's file say now, by read verbs alone; for ``surplusd agent check``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from controller.agent.equipment import expected_of, holds_of, leased_of, open_driver, relays_of
from controller.agent.model import AgentDevice, AgentFile
from controller.daemon.secret import read_secret
from controller.site.own_models import catalogue_of
from drivers.devices.driver import DeviceIdentity, DeviceSettings
from drivers.devices.families import load_families
from drivers.devices.switched import GuardedOutlet
from drivers.errors import ConfigError, DriverLoss
from drivers.fleet.agent.device import DeviceReading
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.keys import CONTROLLER, load_private, load_public

#: So many devices are asked at once.
AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLook:
    """What one device has said; None where it has not. `wrong`: why it cannot be led. `notes`: what is to be known of it."""

    device: AgentDevice
    leased: LeasedDevice
    identity: DeviceIdentity | None = None
    reading: DeviceReading | None = None
    settings: DeviceSettings | None = None
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Looking:
    """What is being found out of one device."""

    file: AgentFile
    device: AgentDevice
    identity: DeviceIdentity | None = None
    reading: DeviceReading | None = None
    settings: DeviceSettings | None = None
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    async def ask(self) -> None:
        driver = open_driver(self.file, self.device)
        try:
            self.identity = await driver.identity()
            if not self.identity.is_named(expected_of(self.device)):
                found = f"serial {self.identity.serial}, MAC {self.identity.mac}"
                self.wrong.append(f"another device: {found}, the file says {expected_of(self.device)}")
            self.reading = await driver.read()
            self.settings = await driver.settings()
            self.notes += await driver.findings()
        finally:
            await driver.close()

    def judge(self) -> None:
        """Add what follows from the file and the facts of the family."""
        family, model = load_families()[self.device.family], catalogue_of(self.file.models)[self.device.model]
        for what, family_s, model_s in (("down", family.down_s, model.down_s), ("up", family.up_s, model.up_s)):
            if family_s > model_s:
                self.notes.append(
                    f"{family.title} takes {family_s:g} s {what}, its model says {model_s:g} s: the agent counts {family_s:g} s"
                )
        if self.settings is not None and not self.settings.pools:
            self.notes.append("it names no pool")
        if self.reading is not None and self.reading.setpoint_w is None:
            self.notes.append("it does not say on what setpoint it runs")


async def look_at(file: AgentFile) -> Sequence[DeviceLook]:
    """Return what each device says, in the order of the file."""
    room, holds_s = asyncio.Semaphore(AT_ONCE), holds_of(file)

    async def look(device: AgentDevice) -> DeviceLook:
        looking = _Looking(file, device)
        async with room:
            try:
                await looking.ask()
            except (DriverLoss, ConfigError) as error:
                looking.wrong.append(str(error))
        looking.judge()
        return DeviceLook(
            device=device,
            leased=leased_of(file, device, holds_s.get(device.relay or "")),
            identity=looking.identity,
            reading=looking.reading,
            settings=looking.settings,
            wrong=tuple(looking.wrong),
            notes=tuple(looking.notes),
        )

    return await asyncio.gather(*(look(device) for device in file.devices))


async def look_at_relays(file: AgentFile) -> tuple[list[str], list[str]]:
    """Return what is to be known of relays, and what is wrong with them; they are read alone."""
    notes, wrong = [], []
    relays = relays_of(file)
    for id_, relay in relays.items():
        try:
            closed = await relay.read()
            notes.append(
                f"{id_}: it says that it is {'closed' if closed else 'open' if closed is False else 'neither'}"
            )
            if isinstance(relay, GuardedOutlet):
                wrong += [f"{id_}: {finding}" for finding in await relay.findings()]
        except DriverLoss as loss:
            wrong.append(f"{id_}: {loss}")
        finally:
            await relay.close()
    return notes, wrong


def row_of(look: DeviceLook) -> tuple[str, ...]:
    """Return a device as a row of the table, in the sequence of `COLUMNS`."""
    identity, reading, settings, device = look.identity, look.reading, look.settings, look.device
    family, leased = load_families()[device.family], look.leased
    return (
        device.id,
        "-" if identity is None else f"{identity.model or '?'}, {family.title} {identity.firmware or '?'}",
        "-" if settings is None else settings.words,
        "-"
        if reading is None or reading.watts is None
        else f"{reading.watts:.0f} W ({reading.measured_by.name.lower()})",
        f"{leased.model.off_w} to {leased.at_most(leased.max_w)} W",
        leased.proof.name.lower().replace("_", " "),
        family.dead_man if leased.dead_man is None else f"relay {device.relay}, {leased.dead_man.after_ms / 1000:g} s",
    )


#: What the columns of the table are called.
COLUMNS: Final = ("device", "what it is", "mode", "watts (by)", "limits", "proof", "dead-man")


def here(file: AgentFile) -> Iterator[str]:
    """Yield what this machine lacks for the agent: keys, passwords, a folder to keep things in."""
    keys = file.mqtt.keys
    yield from _raised(lambda: load_private(keys / f"{file.agent}.key"))
    yield from _raised(lambda: load_public(keys / f"{CONTROLLER}.pub"))
    if (password := file.mqtt.password_file) is not None:
        yield from _raised(partial(read_secret, password))
    nearest = next(path for path in (file.state, *file.state.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK, effective_ids=True):
        yield f"state: {file.state}: this user cannot write there"


def _raised(work: Callable[[], object]) -> Iterator[str]:
    try:
        work()
    except ConfigError as error:
        yield from str(error).splitlines()
