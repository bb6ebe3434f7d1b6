"""What a driver of a family of devices offers beyond the port of the agent: what the device is, and how it was found.

A family's module has ``open_device(target: Target) -> DeviceDriver``. It opens no connection and raises ConfigError for
what the file cannot mean. What holds of every driver:

- Each call bounds its own time to `CALL_S`, connecting included. Nothing is retried: the follower does that.
- `read`, `identity` and `settings` use read verbs alone.
- `ACCEPTED` is the device's own yes, whole and understood, to every step of the command. `REFUSED` is its own no, or a command
  that the driver does not pass on. All else is `UNKNOWN`: no connection, no answer, half an answer, HTML, another status.
- A driver writes only what it has just read and understood. Where a family takes a whole configuration, only the power key differs.
- A mode that moves by itself (ATM and the like) is off before a setpoint is told; a session is closed after each write.
- Whether the device at the address is the one that is meant, and whether its pools are as before, is `Guard`'s to find
  (`drivers/devices/guard.py`), for every family alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol

from drivers.devices.job_hook import JobCommands
from drivers.devices.login import Login
from drivers.fleet.agent.device import CommandOutcome, Device
from drivers.fleet.catalogue import Model
from drivers.transports.tls import PinnedTls

#: A call to a device is over after so long at most, whatever the device does.
CALL_S: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a device is, and what it may be set to: the modes of `model`, in watts.

    `login`: None where the file names none. `untuned`: presets may be used that the firmware has not tuned. `timeout_s`: for
    one request, connecting included. `gpus`: the names of its GPUs; `jobs`: what takes its jobs away, for families of GPUs.
    `tls`: None where the file names none, and the connection is open. `outlet`: which, of a device with several; None: its first.
    """

    host: str
    port: int
    model: Model
    login: Login | None = None
    untuned: bool = False
    timeout_s: float = 1.5
    gpus: tuple[str, ...] = ()
    jobs: JobCommands | None = None
    tls: PinnedTls | None = None
    outlet: int | None = None

    @property
    def place(self) -> str:
        """Host and port, or the first of its GPUs, as a text for errors."""
        return f"{self.host}:{self.port}" if self.host else next(iter(self.gpus), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceIdentity:
    """What a device says that it is; None where it does not say."""

    family: str
    model: str | None
    firmware: str | None
    serial: str | None = None
    mac: str | None = None

    def is_named(self, expected: str) -> bool:
        """Return whether `expected` is its serial or its MAC, however that is written."""
        return plain(expected) in {plain(name) for name in (self.serial, self.mac) if name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Where a miner works, as it says itself; it shows no password."""

    url: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSettings:
    """What a device is set to, in its own words, so that it can be handed back as it was found. Compared as a whole.

    `limit_w`: a power limit; `mode`: the name of its mode, profile or preset; `asleep`: whether it is stopped by its
    settings. None where the family has no such thing. `moves_itself`: the modes that are on and move it without being told.
    `pools`: in its order. `other`: whatever else a driver changes and needs to hand back, by name.
    """

    limit_w: int | None = None
    mode: str | None = None
    asleep: bool | None = None
    moves_itself: tuple[str, ...] = ()
    pools: tuple[Pool, ...] = ()
    other: tuple[tuple[str, str], ...] = ()

    @property
    def words(self) -> str:
        """What it is set to, but for its pools, in words."""
        limit = None if self.limit_w is None else f"{self.limit_w} W"
        rest = (
            "asleep" if self.asleep else None,
            *self.moves_itself,
            *(f"{name} {value}" for name, value in self.other),
        )
        return " ".join(word for word in (self.mode, limit, *rest) if word is not None) or "-"


class DeviceDriver(Device, Protocol):
    """A device of a family, opened. One call is under way at a time."""

    async def identity(self) -> DeviceIdentity:
        """Return what it is; raises DriverLoss where it does not say, or answers nonsense."""

    async def settings(self) -> DeviceSettings:
        """Return what it is set to; raises DriverLoss where not all of it can be read and understood."""

    async def restore(self, found: DeviceSettings) -> CommandOutcome:
        """Set it to what was found, and its self-moving modes last; its pools are never written."""

    async def findings(self) -> Sequence[str]:
        """Return what looks wrong about leading it, in sentences, by read verbs alone; raises DriverLoss."""

    async def close(self) -> None:
        """Give back what the driver holds: connections, sessions, tokens."""


class OpenDevice(Protocol):
    """What a family's module has under the name ``open_device``."""

    def __call__(self, target: Target) -> DeviceDriver:
        """Return the driver of the device at `target`; raises ConfigError for what cannot be led."""


def plain(name: str) -> str:
    """Return a serial or MAC without what differs in writing alone.

    >>> plain("62:F7:5e:b7-10-46 ")
    '62f75eb71046'
    """
    return "".join(letter for letter in name.lower() if letter.isalnum())


def least_mode_over(model: Model, watts: float) -> int:
    """Return the least setpoint of `model` that allows `watts`: what a device on so many watts is said to run on.

    Above its highest mode these are the watts themselves, so that nobody takes them for a mode of the file.

    >>> from drivers.fleet.catalogue import load_catalogue
    >>> least_mode_over(load_catalogue()["antminer-s19-xp"], 1800)
    2200
    """
    if watts <= model.off_w:
        return model.off_w
    for below, mode in pairwise(model.modes):
        if watts <= mode.watts:
            return max(math.ceil(watts), math.ceil(below.watts)) if mode.continuous else int(mode.watts)
    return math.ceil(watts)
