"""A rack PDU that speaks SNMP v2c over UDP, with the objects of APC's rPDU that a driver reads and writes; one outlet feeds a unit.

Names and numbers are those of PowerNet-MIB, from memory.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Self

from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto.api import v2c

from simulators.devices.relay_contact import RelayContact
from simulators.devices.traps import PAGE, ReplyForm
from simulators.devices.unit import DeviceUnit

_RPDU: Final = "1.3.6.1.4.1.318.1.1.12"
_OUTLET: Final = f"{_RPDU}.3.3.1.1.4"
_NO_ACCESS, _WRONG_VALUE, _GENERAL = 6, 10, 5


class SnmpOutletServer(asyncio.DatagramProtocol):
    """One PDU, whose outlet `number` feeds the unit. Use as ``async with``.

    `community`: of writers and readers; who says another one is not answered. `echoes`: it answers a write with what was written;
    some agents say that there is no such object, with no error.
    """

    def __init__(
        self,
        unit: DeviceUnit,
        *,
        number: int = 3,
        community: str = "private",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._unit, self._number, self._community = unit, number, community
        self._host, self._wanted = host, port
        self.contact = RelayContact(unit)
        self.echoes = True
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        if self._transport is None:
            return self._wanted
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    async def __aenter__(self) -> Self:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self._host, self._wanted))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all."""
        self.contact.close()
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one request."""
        message, _ = decoder.decode(data, asn1Spec=v2c.Message())
        if not self._unit.answers or str(v2c.apiMessage.get_community(message)) != self._community:
            return
        self.contact.let_time_pass()
        request = v2c.apiMessage.get_pdu(message)
        answer = v2c.apiMessage.get_response(message)
        writes = request.isSameTypeWith(v2c.SetRequestPDU())
        self._unit.asked("set" if writes else "get", writes=writes)
        bound, pdu, before_w = v2c.apiPDU.get_varbinds(request), v2c.apiMessage.get_pdu(answer), self._unit.told_w
        form = self._unit.manner().reply if writes else ReplyForm.YES
        error = self._write(bound) if writes else 0
        if form in {ReplyForm.NO, ReplyForm.HTTP_500}:
            error = _NO_ACCESS if form is ReplyForm.NO else _GENERAL
        said = bound if writes and self.echoes else [(oid, self._value(str(oid))) for oid, _ in bound]
        v2c.apiPDU.set_varbinds(pdu, said)
        if error:
            v2c.apiPDU.set_error_status(pdu, error)
            v2c.apiPDU.set_error_index(pdu, 1)
        self._send(form, encoder.encode(answer), addr)
        if writes:
            self._unit.wrote(before_w)

    def _send(self, form: ReplyForm, answer: bytes, addr: tuple[str, int]) -> None:
        if self._transport is None or form in {ReplyForm.CLOSED, ReplyForm.NOTHING}:
            return
        half = answer[: len(answer) // 2] if form is ReplyForm.HALF else answer
        self._transport.sendto(PAGE if form is ReplyForm.HTML else half, addr)

    def _write(self, bound: Any) -> int:
        for oid, value in bound:
            if str(oid) != f"{_OUTLET}.{self._number}":
                return _NO_ACCESS
            if int(value) not in {1, 2}:
                return _WRONG_VALUE
            if self._unit.manner().does:
                self.contact.switch(closed=int(value) == 1)
        return 0

    def _value(self, oid: str) -> Any:
        said = {
            f"{_OUTLET}.{self._number}": v2c.Integer32(1 if self.contact.is_closed else 2),
            f"{_RPDU}.1.3.0": v2c.OctetString("v3.9.2"),
            f"{_RPDU}.1.5.0": v2c.OctetString("AP7953"),
            f"{_RPDU}.1.6.0": v2c.OctetString(self._unit.serial),
        }
        return said.get(oid, v2c.NoSuchObject())
