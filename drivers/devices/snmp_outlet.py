"""Outlets of a rack PDU by SNMP, with the objects of APC's rPDU. A write needs the community of writers, which goes in clear text.

An outlet stays as it was told: nothing in it opens it when nobody is there any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from pysnmp.hlapi.v3arch.asyncio import (
    CommunityData,
    ContextData,
    Integer32,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    UdpTransportTarget,
    get_cmd,
    set_cmd,
)

from drivers.devices.bounded import bounded
from drivers.devices.driver import DeviceIdentity, Target
from drivers.devices.switched import SwitchedDevice
from drivers.errors import ConfigError, DriverLoss
from drivers.fleet.agent.device import CommandOutcome

_RPDU: Final = "1.3.6.1.4.1.318.1.1.12"
_OUTLET: Final = f"{_RPDU}.3.3.1.1.4"
_FIRMWARE, _MODEL, _SERIAL = f"{_RPDU}.1.3.0", f"{_RPDU}.1.5.0", f"{_RPDU}.1.6.0"
_CLOSED, _OPEN = 1, 2
#: Errors of an answer after which nobody knows: too big, and any other error. All others are a no.
_UNCLEAR: Final = frozenset({1, 5})


def open_device(target: Target) -> SwitchedDevice:
    """Return the driver of what the outlet at `target` feeds."""
    return SwitchedDevice(target, open_outlet(target))


def open_outlet(target: Target) -> SnmpOutlet:
    """Return the outlet at `target`; raises ConfigError where the file does not say which, or names no community."""
    if target.outlet is None or target.outlet < 1:
        raise ConfigError(f"{target.place}: found outlet {target.outlet}, allowed is its number on the PDU, from 1")
    if target.login is None:
        raise ConfigError(f"{target.place}: found no login, allowed is a file with the community as its password")
    return SnmpOutlet(target, target.login.password)


class SnmpOutlet:
    """An `Outlet`; counted from 1."""

    def __init__(self, target: Target, community: str) -> None:
        self._target = target
        self._community = CommunityData(community, mpModel=1)  # noqa: S508  most PDUs speak no other; the page says so
        self._oid = f"{_OUTLET}.{target.outlet}"
        self._engine: SnmpEngine | None = None
        self._transport: UdpTransportTarget | None = None
        #: What is read. To look an object up in the library's own table takes as long as to ask for it.
        self._read = {oid: ObjectType(ObjectIdentity(oid)) for oid in (self._oid, _FIRMWARE, _MODEL, _SERIAL)}
        self._one = asyncio.Lock()

    async def switch(self, *, closed: bool, hold_s: float | None) -> CommandOutcome:
        """Close or open it; nothing opens it by itself, so that one with `hold_s` is refused."""
        if hold_s is not None:
            return CommandOutcome.REFUSED
        wanted = _CLOSED if closed else _OPEN
        try:
            status, said = await self._ask(set_cmd, ObjectType(ObjectIdentity(self._oid), Integer32(wanted)))
        except DriverLoss:
            return CommandOutcome.UNKNOWN
        if status:
            return CommandOutcome.UNKNOWN if status in _UNCLEAR else CommandOutcome.REFUSED
        is_echoed = len(said) == 1 and said[0][1].prettyPrint() == str(wanted)
        return CommandOutcome.ACCEPTED if is_echoed else CommandOutcome.UNKNOWN

    async def read(self) -> bool | None:
        """Return whether it is closed; None for a state that is neither."""
        value = (await self._values(self._oid))[0]
        return {str(_CLOSED): True, str(_OPEN): False}.get(value)

    async def watts(self) -> None:
        """Return that it does not say what flows: few of these measure an outlet."""

    async def identity(self) -> DeviceIdentity:
        """Return what it is."""
        firmware, model, serial = await self._values(_FIRMWARE, _MODEL, _SERIAL)
        return DeviceIdentity(
            family="snmp-outlet", model=model or None, firmware=firmware or None, serial=serial or None
        )

    async def findings(self) -> Sequence[str]:
        """Return what is always so."""
        return ["whoever is on its network can read the community, and switch it"]

    async def close(self) -> None:
        """End what the library holds."""
        if self._engine is not None:
            self._engine.close_dispatcher()
        self._engine = self._transport = None

    async def _values(self, *oids: str) -> list[str]:
        status, said = await self._ask(get_cmd, *(self._read[oid] for oid in oids))
        if status or len(said) != len(oids):
            raise DriverLoss(f"{self._target.place} answers with the error {status}")
        return [one[1].prettyPrint().strip() for one in said]

    async def _ask(self, verb: Any, *objects: ObjectType) -> tuple[int, Sequence[Any]]:
        """Return the error of an answer, and its objects; raises DriverLoss where there is none."""
        target = self._target
        async with self._one, bounded(target.place, target.timeout_s + 0.5):
            if self._engine is None or self._transport is None:
                self._engine = SnmpEngine()
                where = (target.host, target.port)
                self._transport = await UdpTransportTarget.create(where, timeout=target.timeout_s, retries=0)
            error, status, _, said = await verb(
                self._engine, self._community, self._transport, ContextData(), *objects, lookupMib=False
            )
        if error:
            raise DriverLoss(f"{target.place}: {error}")
        return int(status), said
