"""The simulated server of each family, and the model that stands behind it where nothing else is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from drivers.clock import Clock
from drivers.devices.login import Login
from simulators.devices.antminer_stock import AntminerStockServer
from simulators.devices.luxos import LuxOsServer
from simulators.devices.server import UnitServer
from simulators.devices.unit import DeviceUnit
from simulators.devices.vnish import VnishServer
from simulators.devices.whatsminer_v3 import WhatsminerV3Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How a family is simulated: its server at host and port (0: a free one), the login that this takes, and a model of the catalogue."""

    model: str
    login: Login | None
    serve: Callable[[DeviceUnit, Clock, str, int], UnitServer]


SERVED: Final[Mapping[str, Served]] = {
    "antminer-stock": Served(
        model="antminer-s21-pro",
        login=Login(username="root", password="root"),  # noqa: S106  the maker's default
        serve=lambda unit, _clock, host, port: AntminerStockServer(unit, host=host, port=port),
    ),
    "luxos": Served(
        model="antminer-s19k-pro",
        login=None,
        serve=lambda unit, clock, host, port: LuxOsServer(unit, clock=clock, host=host, port=port),
    ),
    "vnish": Served(
        model="antminer-s19-xp",
        login=Login(password="admin"),  # noqa: S106  the vendor's default
        serve=lambda unit, clock, host, port: VnishServer(unit, clock=clock, host=host, port=port),
    ),
    "whatsminer-v3": Served(
        model="whatsminer-m60s",
        login=Login(password="super"),  # noqa: S106  the vendor's default
        serve=lambda unit, _clock, host, port: WhatsminerV3Server(unit, host=host, port=port),
    ),
}
