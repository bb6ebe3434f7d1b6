"""The simulated server of each family, and the model that stands behind it where nothing else is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

from drivers.clock import Clock
from drivers.devices.login import Login
from drivers.fleet.catalogue import Model
from simulators.devices.antminer_stock import AntminerStockServer
from simulators.devices.braiins import BraiinsServer
from simulators.devices.luxos import LuxOsServer
from simulators.devices.nvml import NvmlServer
from simulators.devices.redfish import HIGHEST_W, RedfishServer
from simulators.devices.shelly import ShellyServer
from simulators.devices.tasmota import TasmotaServer
from simulators.devices.unit import DeviceUnit
from simulators.devices.vnish import VnishServer
from simulators.devices.whatsminer_v2 import WhatsminerV2Server
from simulators.devices.whatsminer_v3 import WhatsminerV3Server


class Listening(Protocol):
    """A simulated server. Use as ``async with``."""

    @property
    def port(self) -> int:
        """The port that it listens on."""

    async def __aenter__(self) -> Self:
        """Listen."""

    async def __aexit__(self, *_: object) -> None:
        """Close all."""


class Serve(Protocol):
    """Makes the server before a unit, on a port of loopback; 0 takes any free one."""

    def __call__(self, unit: DeviceUnit, clock: Clock, port: int = 0) -> Listening:
        """Return it, not listening yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How a family is simulated: its server, the login that this takes (None: none), and a model of the catalogue.

    `gpus`: what the GPUs behind a server are called, for families whose devices are named by them. `by_serial`: they have no MAC.
    `outlet`: which one, of those that have several.
    """

    model: str
    login: Login | None
    serve: Serve
    gpus: Callable[[Any], tuple[str, ...]] = lambda _server: ()
    by_serial: bool = False
    outlet: int | None = None


def _gpus_of(model: Model) -> int:
    """Return how many GPUs of 700 W a machine of the model has room for: a card alone, or the eight of a board."""
    return 1 if model.max_w < 2 * HIGHEST_W else 8


#: Miners.
SERVED: Final[Mapping[str, Served]] = {
    "antminer-stock": Served(
        model="antminer-s21-pro",
        login=Login(username="root", password="root"),  # noqa: S106  the maker's default
        serve=lambda unit, clock, port=0: AntminerStockServer(unit, port=port),  # noqa: ARG005
    ),
    "luxos": Served(
        model="antminer-s19k-pro",
        login=None,
        serve=lambda unit, clock, port=0: LuxOsServer(unit, clock=clock, port=port),
    ),
    "braiins": Served(
        model="antminer-s21",
        login=Login(username="root", password="root"),  # noqa: S106  the vendor's default
        serve=lambda unit, clock, port=0: BraiinsServer(unit, clock=clock, port=port),
    ),
    "vnish": Served(
        model="antminer-s19-xp",
        login=Login(password="admin"),  # noqa: S106  the vendor's default
        serve=lambda unit, clock, port=0: VnishServer(unit, clock=clock, port=port),
    ),
    "whatsminer-v2": Served(
        model="whatsminer-m60s",
        login=Login(password="admin"),  # noqa: S106  the vendor's default
        serve=lambda unit, clock, port=0: WhatsminerV2Server(unit, clock=clock, port=port),
    ),
    "whatsminer-v3": Served(
        model="whatsminer-m60s",
        login=Login(password="super"),  # noqa: S106  the vendor's default
        serve=lambda unit, clock, port=0: WhatsminerV3Server(unit, port=port),  # noqa: ARG005
    ),
}

#: GPUs, and what only switches.
SERVED_BESIDE: Final[Mapping[str, Served]] = {
    "redfish": Served(
        model="h100-sxm",
        login=Login(username="root", password="0penBmc"),  # noqa: S106  the default of OpenBMC
        serve=lambda unit, clock, port=0: RedfishServer(unit, gpus=_gpus_of(unit.model), port=port),  # noqa: ARG005
        by_serial=True,
    ),
    "shelly": Served(
        model="heater-2kw",
        login=None,
        serve=lambda unit, clock, port=0: ShellyServer(unit, port=port),  # noqa: ARG005
    ),
    "tasmota": Served(
        model="heater-2kw",
        login=None,
        serve=lambda unit, clock, port=0: TasmotaServer(unit, port=port),  # noqa: ARG005
    ),
}
ALL_SERVED: Final[Mapping[str, Served]] = {**SERVED, **SERVED_BESIDE}


def _snmp_outlet(unit: DeviceUnit, clock: Clock, port: int = 0) -> Listening:  # noqa: ARG001
    from simulators.devices.snmp_outlet import SnmpOutletServer  # noqa: PLC0415  pysnmp is an extra

    return SnmpOutletServer(unit, number=1, port=port)


#: What is not of the table of traps: GPUs of the agent's own machine, and what answers over UDP.
_SERVED_APART: Final[Mapping[str, Served]] = {
    "nvml": Served(
        model="h100-sxm",
        login=None,
        serve=lambda unit, clock, port=0: NvmlServer(unit, port=port),  # noqa: ARG005
        gpus=lambda server: server.uuids,
    ),
    "snmp-outlet": Served(
        model="heater-2kw",
        login=Login(password="private"),  # noqa: S106  the default of APC
        serve=_snmp_outlet,
        by_serial=True,
        outlet=1,
    ),
}
#: All that a world can serve.
EVERY_SERVED: Final[Mapping[str, Served]] = {**ALL_SERVED, **_SERVED_APART}
