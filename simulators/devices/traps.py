"""The traps that a simulated device may set, one at a time: what becomes of a write, and what is answered.

Each has been seen in real devices. Reads go on as they are, but for another serial: a device that is silent or talks nonsense
altogether is its server stopped. A trap is of writes that move power; those that open or close a session, or switch a
self-moving mode off, are answered as they should be, unless `whole` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final


class Trap(StrEnum):
    """What a simulated device does about a write; `MANNERS` has what each comes to."""

    OK = "ok"
    SAYS_OK = "says_ok"
    REFUSES = "refuses"
    HALF_ANSWER = "half_answer"
    HTML = "html"
    HTTP_500 = "http_500"
    CLOSES = "closes"
    HANGS = "hangs"
    WRONG_SERIAL = "wrong_serial"
    REBOOTS = "reboots"
    MOVES_BACK = "moves_back"


class ReplyForm(Enum):
    """How a write is answered."""

    YES = "yes"  # the family's own yes
    NO = "no"  # the family's own no
    HALF = "half"  # the first half of the yes, then the connection is closed
    HTML = "html"  # `PAGE`, where the family's own form was expected; over HTTP with status 200
    HTTP_500 = "http_500"  # over HTTP the status; without HTTP the bytes of such an answer
    CLOSED = "closed"  # the connection is closed without a byte
    NOTHING = "nothing"  # the connection stays open without a byte


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """`does`: the write is carried out. `then`: what happens by itself afterwards, `reboots` or `moves back`."""

    does: bool
    reply: ReplyForm
    then: Trap | None = None


#: What answers a write in HTML.
PAGE: Final = b"<!DOCTYPE html><html><head><title>Login</title></head><body>Please log in</body></html>"
#: A device that moves back does so after so long; one that reboots is away at once.
MOVES_BACK_S: Final = 3.0
#: What another device at the address has in place of its serial and MAC.
OTHER_SERIAL: Final = "OTHER0DEVICE0001"
OTHER_MAC: Final = "02:00:00:00:00:fe"

MANNERS: Final = {
    Trap.OK: Manner(does=True, reply=ReplyForm.YES),
    Trap.SAYS_OK: Manner(does=False, reply=ReplyForm.YES),
    Trap.REFUSES: Manner(does=False, reply=ReplyForm.NO),
    Trap.HALF_ANSWER: Manner(does=True, reply=ReplyForm.HALF),
    Trap.HTML: Manner(does=False, reply=ReplyForm.HTML),
    Trap.HTTP_500: Manner(does=False, reply=ReplyForm.HTTP_500),
    Trap.CLOSES: Manner(does=False, reply=ReplyForm.CLOSED),
    Trap.HANGS: Manner(does=False, reply=ReplyForm.NOTHING),
    Trap.WRONG_SERIAL: Manner(does=True, reply=ReplyForm.YES),
    Trap.REBOOTS: Manner(does=True, reply=ReplyForm.YES, then=Trap.REBOOTS),
    Trap.MOVES_BACK: Manner(does=True, reply=ReplyForm.YES, then=Trap.MOVES_BACK),
}
