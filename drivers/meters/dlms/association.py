"""One association with a meter: opened, authenticated, asked."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

from drivers.errors import DriverLoss
from drivers.meters.dlms import acse, xdlms
from drivers.meters.dlms.access import Access
from drivers.meters.dlms.cursor import ByteCursor, Malformed
from drivers.meters.dlms.data import data
from drivers.meters.dlms.protection import AROUND, NotGenuine, Protection
from drivers.meters.dlms.stream import Silent
from drivers.meters.dlms.xdlms import Acted, AnswerPart, Attribute, Got, Negotiated, NotServed, Response, Values

#: The association that is open is this object of class 15; its method 1 takes our answer to the meter's challenge.
_REPLY_TO_CHALLENGE: Final = Attribute(15, bytes([0, 0, 40, 0, 0, 255]), 1)
_CHALLENGE_BYTES: Final = 16
_REFUSED: Final = "the meter refuses our answer to its challenge: wrong keys, or another client"
#: What a request for several attributes has around them, and what each of them takes.
_AROUND_LIST, _EACH = 8, 10
#: The longest answer in parts, and the most parts.
_LONGEST, _MOST_PARTS = 1 << 17, 2048
#: So many times what one answer may take is there for a long one: on a line, others wait meanwhile.
_TOGETHER: Final = 5

T = TypeVar("T")


class DlmsLink(Protocol):
    """What carries messages between one client and one server."""

    @property
    def most_bytes(self) -> int:
        """The longest message that it carries to the meter."""

    async def open(self, within_s: float) -> None:
        """Set it up."""

    def send(self, apdu: bytes) -> None:
        """Send a message to the meter."""

    async def receive(self, until_s: float, within_s: float) -> bytes:
        """Return the next message from the meter."""

    def close(self) -> None:
        """End it."""


class NoSuchService(DriverLoss):
    """The meter serves no request of this kind."""


class Association:
    """An open association. `answers`: how many GETs it has brought."""

    def __init__(self, link: DlmsLink, protection: Protection | None, within_s: float) -> None:
        self._link, self._protection, self._within_s = link, protection, within_s
        self._granted = Negotiated(0, 0)
        self._invoke = 0
        self.answers = 0

    @property
    def most(self) -> int:
        """How many attributes one request may ask for."""
        if not self._granted.conformance & xdlms.LISTS:
            return 1
        room = min(self._link.most_bytes, self._granted.most_bytes or 0xFFFF)
        return max(1, (room - _AROUND_LIST - (AROUND if self._protection else 0)) // _EACH)

    async def ask(self, attributes: Sequence[Attribute]) -> tuple[Got, ...]:
        """Return their values, or why there are none, in the same order.

        Raises NoSuchService where the meter does not serve this kind of request, Silent, Closed and DriverLoss.
        """
        self._invoke = self._invoke % 15 + 1
        answer = await self._exchange(xdlms.get_request(self._invoke, attributes))
        values = answer.values if isinstance(answer, Values) else await self._together(answer, len(attributes))
        if len(values) != len(attributes):
            raise Malformed(f"{len(values)} values for {len(attributes)} attributes")
        self.answers += 1
        return values

    async def _together(self, answer: Response, wanted: int) -> tuple[Got, ...]:
        """Fetch all parts of a long answer; raises DriverLoss where they come too slowly."""
        raw, number = bytearray(), 1
        loop = asyncio.get_running_loop()
        until_s = loop.time() + _TOGETHER * self._within_s
        while True:
            if not isinstance(answer, AnswerPart):
                raise Malformed("an answer as a whole, where a part was asked for")
            if answer.refused is not None:
                raise DriverLoss(f"the meter cuts its answer off: {answer.refused}")
            if answer.number != number or len(raw) > _LONGEST or number > _MOST_PARTS:
                raise Malformed(f"part {answer.number} of a long answer, where {number} was asked for")
            raw += answer.raw
            if answer.last:
                break
            if loop.time() > until_s:
                raise DriverLoss(f"no whole answer within {_TOGETHER * self._within_s:g} s, only {number} parts of one")
            answer = await self._exchange(xdlms.next_request(self._invoke, number))
            number += 1
        cursor = ByteCursor(bytes(raw))
        return (data(cursor),) if wanted == 1 else xdlms.results(cursor)

    async def _exchange(self, request: bytes) -> Response:
        """Return the answer to this request; late ones to others are dropped."""
        self._link.send(self._protection.seal(request) if self._protection else request)

        def read(apdu: bytes) -> Response | None:
            if apdu[:1] == bytes([acse.AARE]):
                return None
            answer = xdlms.response(self._protection.open(apdu) if self._protection else apdu)
            if isinstance(answer, NotServed):
                raise NoSuchService(answer.text)
            return answer if answer.invoke == self._invoke else None

        return await _first(self._link, read, self._within_s)

    async def begin(self, access: Access) -> None:
        """Ask for the association, and authenticate; raises AssociationRefused, NotGenuine, Silent, Closed and DriverLoss."""
        protection, wanted = self._protection, xdlms.GET | xdlms.BLOCKS | xdlms.LISTS
        if protection is None:
            mechanism = acse.LOW if access.authentication == "low" else acse.NONE
            value, title = access.password, b""
            user = xdlms.initiate_request(wanted)
        else:
            mechanism, value, title = acse.HIGH_GMAC, secrets.token_bytes(_CHALLENGE_BYTES), protection.title
            user = protection.seal(xdlms.initiate_request(wanted | xdlms.ACTION))
        self._link.send(acse.request(mechanism, value, title, user))
        accepted = await _first(self._link, _accepted, self._within_s)
        if protection is not None:
            protection.meet(accepted.title)
            self._granted = xdlms.initiate_response(protection.open(accepted.user))
            await self._authenticate(protection, ours=value, theirs=accepted.challenge)
        else:
            self._granted = xdlms.initiate_response(accepted.user)

    async def _authenticate(self, protection: Protection, *, ours: bytes, theirs: bytes) -> None:
        if theirs in {b"", ours}:
            raise NotGenuine("the meter has asked nothing of us that only the right keys answer")
        self._invoke = 1
        request = xdlms.action_request(self._invoke, _REPLY_TO_CHALLENGE, protection.answer(theirs))
        try:
            acted = await self._exchange(request)
        except NoSuchService as refusal:
            raise acse.WrongSecret(_REFUSED) from refusal
        if not isinstance(acted, Acted) or acted.result != 0 or not isinstance(acted.returned, bytes):
            raise acse.WrongSecret(_REFUSED)
        protection.check(acted.returned, ours)


def _accepted(apdu: bytes) -> acse.Accepted | None:
    """Return what an answer to the request for an association says; None for the late answer to an earlier question."""
    return acse.answer(apdu) if apdu[:1] == bytes([acse.AARE]) else None


async def _first(link: DlmsLink, read: Callable[[bytes], T | None], within_s: float) -> T:
    """Return the first message that `read` makes something of; raises Silent where there is none in time."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + within_s
    while True:
        found = read(await link.receive(until_s, within_s))
        if found is not None:
            return found
        if loop.time() > until_s:
            raise Silent(f"no answer within {within_s:g} s, only what is no answer to the question", heard=True)
