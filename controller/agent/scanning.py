"""Finds devices on a network by read verbs alone, paced; for ``surplusd agent scan``. What it finds is a proposal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from drivers.devices.driver import DeviceDriver, DeviceIdentity, Target, plain
from drivers.devices.families import Family, LoginKind, load_families
from drivers.devices.login import Login
from drivers.errors import ConfigError, DriverLoss
from drivers.fleet.catalogue import load_catalogue

#: So many connections are tried at once, and so long is waited for one.
AT_ONCE: Final = 64
CONNECT_S: Final = 0.6
#: A larger network is no hall of miners, but a slip.
MOST_HOSTS: Final = 4096


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
        known = [id_ for id_, model in load_catalogue().items() if model.kind is self.family.kind]
        fitting = [id_ for id_ in known if plain(id_.partition("-")[2]) in words]  # the vendor is not always said
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
) -> Sequence[Sighting | str]:
    """Return the devices that answer in `network`, by address; of what listens and says nothing known, the address alone.

    `ports`: instead of those of the families. `login`: where a device wants one; without it none is tried. Raises ConfigError
    for a network that is larger than a hall.
    """
    if network.num_addresses > MOST_HOSTS:
        raise ConfigError(f"found a network of {network.num_addresses} addresses, allowed are {MOST_HOSTS}")
    room = asyncio.Semaphore(AT_ONCE)
    asked = {port: _of_port(port) for port in (ports or sorted({one.port for one in _scanned()}))}
    hosts = [str(host) for host in network.hosts()] or [str(network.network_address)]

    async def look(host: str, port: int) -> Sighting | str | None:
        async with room:
            if not await _listens(host, port):
                return None
            return await _sighting(host, port, asked[port], login) or f"{host}:{port}"

    found = await asyncio.gather(*(look(host, port) for host in hosts for port in asked))
    return [one for one in found if one is not None]


def _scanned() -> list[Family]:
    return [family for family in load_families().values() if family.listens]


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
        driver = _opened(family, host, port, None if family.login is LoginKind.NONE else login)
        if driver is None:
            continue
        try:
            identity = await driver.identity()
        except DriverLoss:
            continue
        finally:
            await driver.close()
        if identity.serial or identity.mac:
            return Sighting(host=host, port=port, family=family, identity=identity)
    return None


def _opened(family: Family, host: str, port: int, login: Login | None) -> DeviceDriver | None:
    """Return a driver with whatever model the family takes: nothing is written, so that it does not matter which."""
    for model in load_catalogue().values():
        try:
            return family.driver()(Target(host=host, port=port, model=model, login=login))
        except ConfigError:
            continue
    return None
