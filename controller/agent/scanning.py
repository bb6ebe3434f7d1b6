"""Finds devices on a network by read verbs alone, paced; for ``surplusd agent scan``. What it finds is a proposal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from drivers.devices.driver import DeviceIdentity, Target, plain
from drivers.devices.families import ControlKind, Family, LoginKind, load_families
from drivers.devices.login import Login
from drivers.errors import ConfigError, DriverLoss
from drivers.fleet.catalogue import Model, load_catalogue

#: So many connections are tried at once, and so long is waited for one.
AT_ONCE: Final = 64
CONNECT_S: Final = 0.6
#: A larger network is no hall of miners, but a slip.
MOST_HOSTS: Final = 4096
#: A login for families that want one before they say anything; it opens nothing.
_NO_LOGIN: Final = Login(username="none", password="none")  # noqa: S106


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A device that has said what it is."""

    host: str
    port: int
    family: Family
    identity: DeviceIdentity

    @property
    def model(self) -> str | None:
        """The model of the catalogue that its own words name; None where none does."""
        words = plain(self.identity.model or "")
        fitting = [id_ for id_ in load_catalogue() if plain(id_) in words or (words and words in plain(id_))]
        return max(fitting, key=len, default=None)

    @property
    def stanza(self) -> str:
        """Its entry in the file of an agent."""
        name = f"{self.family.name}-{self.host}".replace(".", "-").replace(":", "-").lower()
        port = "" if self.port == self.family.port else f", port: {self.port}"
        identity = self.identity
        who = f'serial: "{identity.serial}"' if identity.serial else f'mac: "{identity.mac}"'
        login = ", login: FILE" if self.family.login is not LoginKind.NONE else ""
        model = self.model or "MODEL"
        entry = f"{{id: {name}, family: {self.family.name}, host: {self.host}{port}, {who}{login}, model: {model}}}"
        return f"  - {entry}  # {identity.model or 'no model told'}, {identity.firmware or 'no firmware told'}"


async def scan(
    network: IPv4Network | IPv6Network, *, login: Login | None = None, ports: Sequence[int] = ()
) -> Sequence[Sighting]:
    """Return the devices that answer in `network`, by address. `ports`: instead of those of the families.

    Raises ConfigError for a network that is larger than a hall.
    """
    if network.num_addresses > MOST_HOSTS:
        raise ConfigError(f"found a network of {network.num_addresses} addresses, allowed are {MOST_HOSTS}")
    room = asyncio.Semaphore(AT_ONCE)
    asked = {port: _of_port(port) for port in (ports or sorted({one.port for one in _scanned()}))}
    hosts = [str(host) for host in network.hosts()] or [str(network.network_address)]

    async def look(host: str, port: int) -> Sighting | None:
        async with room:
            return await _sighting(host, port, asked[port], login) if await _listens(host, port) else None

    found = await asyncio.gather(*(look(host, port) for host in hosts for port in asked))
    return [sighting for sighting in found if sighting is not None]


def _scanned() -> list[Family]:
    return [family for family in load_families().values() if not family.is_local]


def _of_port(port: int) -> list[Family]:
    """Return the families to be tried at a port: those whose own it is, else all."""
    families = _scanned()
    return [family for family in families if family.port == port] or families


async def _listens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True


async def _sighting(host: str, port: int, families: Sequence[Family], login: Login | None) -> Sighting | None:
    """Return what answers there, asked in the way of one family after the other."""
    for family in families:
        target = Target(
            host=host,
            port=port,
            model=_any_model(family),
            login=None if family.login is LoginKind.NONE else login or _NO_LOGIN,
        )
        try:
            driver = family.driver()(target)
            identity = await driver.identity()
            await driver.close()
        except (DriverLoss, ConfigError):
            continue
        if identity.serial or identity.mac:
            return Sighting(host=host, port=port, family=family, identity=identity)
    return None


def _any_model(family: Family) -> Model:
    """Return a model that the family takes; nothing is written, so that it does not matter which."""
    fitting = [
        model
        for model in load_catalogue().values()
        if family.control is ControlKind.WATTS or not any(mode.continuous for mode in model.modes)
    ]
    return next((model for model in fitting if model.kind is family.kind), fitting[0])
