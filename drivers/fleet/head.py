"""The head token: what the controller's journal ends with, in a text that only the controller can make.

``site.journal.epoch.sequence.utc.hash.signature``. It goes out in each set, the agents keep it and give it back in their reports;
so a controller that has lost its journal learns from the fleet that there was one. To an agent it is opaque.
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from nacl.exceptions import BadSignatureError

from drivers.errors import Refused
from drivers.fleet.keys import PrivateKey, PublicKey
from drivers.fleet.wire import Counter

#: Signed in front of the text. Every other thing that this key signs begins with a brace, so none can pass for a head.
_DOMAIN: Final = b"surplusd journal head v3\n"
#: No clock and no number of restarts comes to such an epoch: it would only keep every later controller from leading.
ABSURD_EPOCH: Final = 2**40


class JournalHead(msgspec.Struct, frozen=True, kw_only=True):
    """The newest record of a journal that matters to orders, and the epoch of the controller that says so.

    `journal` names the journal, `seq` and `hash` the record; `utc_s`, the Unix time at which it was written, only labels it.
    """

    journal: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    epoch: Counter
    seq: Counter
    utc_s: Counter
    hash: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


def seal(head: JournalHead, *, site: str, key: PrivateKey) -> str:
    """Return the token of a head of the journal of `site`."""
    text = f"{site}.{head.journal}.{head.epoch}.{head.seq}.{head.utc_s}.{head.hash}"
    signature = key.sign(_DOMAIN + text.encode())
    return f"{text}.{_encoded(signature)}"


def _encoded(signature: bytes) -> str:
    return urlsafe_b64encode(signature).decode().rstrip("=")


def open_head(token: str, key: PublicKey, *, site: str) -> JournalHead:
    """Return what a token says; raises Refused with the reason for one that the controller of `site` has not made so."""
    text, _, signature = token.rpartition(".")
    try:
        signed = b64decode(signature + "==", altchars=b"-_", validate=True)
        key.verify(signed, _DOMAIN + text.encode())
    except (BadSignatureError, ValueError) as error:
        raise Refused("the head is not signed by this controller") from error
    # Base64 can be written in more ways than one, and a token stands for one head in one way.
    if _encoded(signed) != signature:
        raise Refused("the head is not signed by this controller: its signature is not written as the controller does")
    named, journal, epoch, seq, utc_s, digest = text.split(".")
    if named != site:
        raise Refused(f"the head is of the site {named}, not of {site}")
    if int(epoch) > ABSURD_EPOCH:
        raise Refused(f"the head names the epoch {epoch}, which no controller can have come to")
    return JournalHead(journal=journal, epoch=int(epoch), seq=int(seq), utc_s=int(utc_s), hash=digest)
