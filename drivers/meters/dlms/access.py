"""As whom a meter is read, and by what it is made sure of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from drivers.meters.dlms.protection import Keys

Authentication = Literal["none", "low", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a client shows who it is.

    `password`: for ``low``; it crosses the network as it is. `keys`: for ``high``, where both sides answer a challenge by GMAC
    and every message is ciphered. `title`: our system title, 8 bytes, where the meter insists on one; empty: a new one for
    each association. `counter_code`: the object with the newest counter that the meter has taken, as six bytes, which the
    public client reads.
    """

    authentication: Authentication = "none"
    password: bytes = field(default=b"", repr=False)
    keys: Keys | None = None
    title: bytes = b""
    counter_code: bytes = b""
