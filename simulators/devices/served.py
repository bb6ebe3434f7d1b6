"""The simulated server of each family, and the model that stands behind it where nothing else is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from drivers.clock import Clock
from drivers.devices.login import Login
from simulators.devices.luxos import LuxOsServer
from simulators.devices.server import UnitServer
from simulators.devices.unit import DeviceUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How a family is simulated: its server at host and port (0: a free one), the login that this takes, and a model of the catalogue."""

    model: str
    login: Login | None
    serve: Callable[[DeviceUnit, Clock, str, int], UnitServer]


SERVED: Final[Mapping[str, Served]] = {
    "luxos": Served(
        model="antminer-s19k-pro",
        login=None,
        serve=lambda unit, clock, host, port: LuxOsServer(unit, clock=clock, host=host, port=port),
    ),
}
