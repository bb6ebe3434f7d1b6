"""What each family of devices can do, and the module that drives it; the facts stand in ``families.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import import_module
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from drivers.devices.driver import OpenDevice
from drivers.devices.switched import OpenOutlet
from drivers.errors import ConfigError
from drivers.fleet.catalogue import DeviceKind
from drivers.quantities import QuantityError, QuantityKind, parse_quantity

_PACKAGE: Final = "drivers.devices"
_NONE: Final = "none"


class ControlKind(StrEnum):
    """What a family can be told."""

    WATTS = "watts"
    MODES = "modes"
    ON_OFF = "on_off"


class LoginKind(StrEnum):
    """What a family asks of who speaks to it."""

    NONE = "none"
    PASSWORD = "password"  # noqa: S105  a word of the file
    USER = "user"
    OPTIONAL = "optional"


class Wakes(StrEnum):
    """What a device comes up with after a start."""

    AS_SET = "as_set"
    FULL = "full"
    ASLEEP = "asleep"


class ReadBack(StrEnum):
    """What a device names of its setpoint when it is asked."""

    LIMIT = "limit"
    MODE = "mode"
    STATE = "state"
    NOTHING = "nothing"


class Instrument(StrEnum):
    """What stands behind the watts that a device tells."""

    PSU = "psu"
    PDU = "pdu"
    ESTIMATE = "estimate"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One family; see ``families.yaml`` for the meaning and for the source of each fact. `extra`: None where none is needed."""

    name: str
    title: str
    kind: DeviceKind
    transport: str
    port: int
    control: ControlKind
    login: LoginKind
    down_s: float
    up_s: float
    restarts: bool
    boot_s: float
    wakes: Wakes
    read_back: ReadBack
    measured_by: Instrument
    untuned: bool
    dead_man: str
    extra: str | None
    sources: Mapping[str, str]

    @property
    def module(self) -> str:
        """The name of the module that drives it."""
        return f"{_PACKAGE}.{self.name.replace('-', '_')}"

    @property
    def holds(self) -> bool:
        """Whether an outlet of it opens by itself when nobody closes it again."""
        return self.kind is DeviceKind.RELAY and self.dead_man != _NONE

    @property
    def tls(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.transport == "https"

    @property
    def is_local(self) -> bool:
        """Whether its devices are in the agent's own machine, so that they have no address."""
        return self.port == 0

    @property
    def listens(self) -> bool:
        """Whether its devices take connections, so that a scan finds them."""
        return not self.is_local and self.transport != "pysnmp"

    def driver(self) -> OpenDevice:
        """Return what opens a device of it; raises ConfigError where what it needs is not installed."""
        opened: OpenDevice = self._imported().open_device
        return opened

    def outlet(self) -> OpenOutlet:
        """Return what opens an outlet of it, for families that only switch; raises ConfigError as `driver` does."""
        opened: OpenOutlet = self._imported().open_outlet
        return opened

    def _imported(self) -> Any:
        """Return its module, imported here so that nobody pays for a family that is not used."""
        try:
            return import_module(self.module)
        except ModuleNotFoundError as error:
            if self.extra is None or (error.name or "").startswith(_PACKAGE):
                raise
            raise ConfigError(
                f"family {self.name}: {error.name} is not installed; pip install 'surplusd[{self.extra}]' brings it"
            ) from error


@lru_cache(maxsize=1)
def load_families() -> Mapping[str, Family]:
    """Return the families by name."""
    return parse_families(files(_PACKAGE).joinpath("families.yaml").read_bytes(), "families.yaml")


def parse_families(text: bytes, name: str) -> Mapping[str, Family]:
    """Return the families of a file by name; raises ConfigError that says file, family, what was found and what is allowed."""
    try:
        raw = msgspec.yaml.decode(text, type=_File)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{name}: {error}") from error
    return MappingProxyType({family: _family(name, family, row) for family, row in raw.families.items()})


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


_Text = Annotated[str, Meta(min_length=1)]


class _Row(_Strict, frozen=True):
    title: _Text
    kind: DeviceKind
    transport: _Text
    port: Annotated[int, Meta(ge=0, le=65535)]
    control: ControlKind
    login: LoginKind
    down: str
    up: str
    restarts: bool
    boot: str
    wakes: Wakes
    read_back: ReadBack
    measured_by: Instrument
    untuned: bool
    dead_man: _Text
    extra: _Text
    sources: Annotated[dict[str, _Text], Meta(min_length=1)]


class _File(_Strict, frozen=True):
    version: Annotated[int, Meta(ge=1, le=1)]
    families: dict[Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")], _Row]


def _family(file: str, name: str, row: _Row) -> Family:
    seconds = {key: _seconds(f"{file}: {name}: {key}", getattr(row, key)) for key in ("down", "up", "boot")}
    return Family(
        name=name,
        title=row.title,
        kind=row.kind,
        transport=row.transport,
        port=row.port,
        control=row.control,
        login=row.login,
        down_s=seconds["down"],
        up_s=seconds["up"],
        restarts=row.restarts,
        boot_s=seconds["boot"],
        wakes=row.wakes,
        read_back=row.read_back,
        measured_by=row.measured_by,
        untuned=row.untuned,
        dead_man=row.dead_man,
        extra=None if row.extra == _NONE else row.extra,
        sources=MappingProxyType(row.sources),
    )


def _seconds(where: str, text: str) -> float:
    try:
        value = parse_quantity(text, QuantityKind.TIME)
    except QuantityError as error:
        raise ConfigError(f"{where}: {error}") from error
    if value < 0:
        raise ConfigError(f"{where}: found {text!r}, allowed is zero or more")
    return value
