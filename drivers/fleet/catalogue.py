"""What each device model can be told to draw, and what that costs in time; the facts stand in ``models.yaml``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from drivers.errors import ConfigError
from drivers.quantities import QuantityError, QuantityKind, parse_quantity

#: The most that one device may be said to draw, in W; a larger figure is a mistake.
MAX_W: Final = 10_000_000


class DeviceKind(StrEnum):
    """What sort of load a model is."""

    ASIC = "asic"
    GPU = "gpu"
    RELAY = "relay"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMode:
    """One setpoint: `watts` at the wall; `continuous` allows every power between the mode before and this one."""

    name: str
    watts: float
    hashrate_ths: float
    continuous: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One device model; its first mode is off and draws the residual watts, the others ascend.

    `tolerance`, `estimate_error` are shares; see ``models.yaml`` for the meaning and for the source of each fact.
    """

    id: str
    kind: DeviceKind
    vendor: str
    modes: tuple[DeviceMode, ...]
    tolerance: float
    down_s: float
    up_s: float
    restarts: bool
    min_up_s: float
    min_down_s: float
    settle_s: float
    start_wear_s: float
    change_wear_s: float
    steady: bool
    estimate_error: float

    @property
    def in_place(self) -> bool:
        """Return whether every running mode is reached from every other without a step."""
        return all(mode.continuous for mode in self.modes[2:])

    @property
    def restarts_on_change(self) -> bool:
        """Return whether a change among the running modes restarts the device."""
        return self.restarts and not self.in_place

    @property
    def off_w(self) -> int:
        """Residual watts when off, rounded up to whole watts."""
        return math.ceil(self.modes[0].watts)

    @property
    def max_w(self) -> int:
        """The most that the device may be told to draw, in whole watts."""
        return int(self.modes[-1].watts)

    def at_most(self, watts: float) -> int:
        """Return the largest setpoint in whole watts that is not above `watts`; `off_w` where only off fits.

        >>> load_catalogue()["antminer-s19-xp"].at_most(2699)
        2200
        """
        best = self.off_w
        for below, mode in pairwise(self.modes):
            if watts >= mode.watts:
                best = int(mode.watts)
            elif mode.continuous and watts >= below.watts:
                best = max(best, math.floor(watts))
        return best


@lru_cache(maxsize=1)
def load_catalogue() -> Mapping[str, Model]:
    """Return the bundled models by id."""
    return parse_catalogue(files("drivers.fleet").joinpath("models.yaml").read_bytes(), "models.yaml")


def parse_catalogue(text: bytes, name: str) -> Mapping[str, Model]:
    """Return the models of a catalogue file by id.

    Raises ConfigError that says file, model, what was found and what is allowed.
    """
    try:
        raw = msgspec.yaml.decode(text, type=_File)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{name}: {error}") from error
    return MappingProxyType({model_id: _model(name, model_id, entry) for model_id, entry in raw.models.items()})


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class _Mode(_Strict, frozen=True):
    name: Annotated[str, Meta(min_length=1)]
    watts: Annotated[float, Meta(ge=0)]
    hashrate_ths: Annotated[float, Meta(ge=0)]
    continuous: bool = False


class _Entry(_Strict, frozen=True):
    kind: DeviceKind
    vendor: str
    description: str
    modes: Annotated[list[_Mode], Meta(min_length=2)]
    tolerance: str
    down: str
    up: str
    restarts: bool
    min_up: str
    min_down: str
    settle: str
    start_wear: str
    change_wear: str
    steady: bool
    estimate_error: str
    sources: Annotated[dict[str, str], Meta(min_length=1)]


class _File(_Strict, frozen=True):
    version: Annotated[int, Meta(ge=1, le=1)]
    models: dict[Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")], _Entry]


def _model(name: str, model_id: str, entry: _Entry) -> Model:
    where = f"{name}: {model_id}"
    return Model(
        id=model_id,
        kind=entry.kind,
        vendor=entry.vendor,
        modes=_modes(where, entry.modes),
        tolerance=_quantity(where, "tolerance", entry.tolerance, QuantityKind.FRACTION),
        down_s=_quantity(where, "down", entry.down, QuantityKind.TIME),
        up_s=_quantity(where, "up", entry.up, QuantityKind.TIME),
        restarts=entry.restarts,
        min_up_s=_quantity(where, "min_up", entry.min_up, QuantityKind.TIME),
        min_down_s=_quantity(where, "min_down", entry.min_down, QuantityKind.TIME),
        settle_s=_quantity(where, "settle", entry.settle, QuantityKind.TIME),
        start_wear_s=_quantity(where, "start_wear", entry.start_wear, QuantityKind.TIME),
        change_wear_s=_quantity(where, "change_wear", entry.change_wear, QuantityKind.TIME),
        steady=entry.steady,
        estimate_error=_quantity(where, "estimate_error", entry.estimate_error, QuantityKind.FRACTION),
    )


def _modes(where: str, modes: list[_Mode]) -> tuple[DeviceMode, ...]:
    watts = [mode.watts for mode in modes]
    if max(watts) > MAX_W or not all(w.is_integer() for w in watts[1:]):
        raise ConfigError(f"{where}: modes have the watts {watts}, allowed is whole watts (but for off) up to {MAX_W}")
    if any(low >= high for low, high in pairwise(watts)):
        raise ConfigError(f"{where}: modes have the watts {watts}, allowed is ascending order")
    if modes[0].continuous or modes[0].hashrate_ths:
        raise ConfigError(f"{where}: the first mode is {modes[0].name!r}, allowed is off: not continuous, no hashrate")
    return tuple(
        DeviceMode(name=mode.name, watts=mode.watts, hashrate_ths=mode.hashrate_ths, continuous=mode.continuous)
        for mode in modes
    )


def _quantity(where: str, key: str, text: str, kind: QuantityKind) -> float:
    try:
        value = parse_quantity(text, kind)
    except QuantityError as error:
        raise ConfigError(f"{where}: {key}: {error}") from error
    if value < 0:
        raise ConfigError(f"{where}: {key}: found {text!r}, allowed is zero or more")
    return value
