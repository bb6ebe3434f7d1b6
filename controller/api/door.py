"""The door: who may hold a connection, and how often somebody without a valid token may ask. Time comes in, in s.

Whoever waits without having asked anything has to go when others come, the longest first; so idle connections keep nobody out.
No limit by peer ever refuses a request with a valid token, and no other one an authority's: where all who are inside have one and are
being answered, of the viewers and operators the token goes back that has the most connections. So no token keeps another out.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, Protocol

from controller.api.auth import principal_of
from controller.api.session import authorization, token_of
from controller.daemon.access import Principal, Role, Token

#: Connections at once, in all and of one peer.
MOST: Final = 512
MOST_OF_PEER: Final = 256
#: Streams of events at once, beside all these: in all and by one token. Of all, a part is kept from viewers, and half of it from operators too.
FOLLOWERS: Final = 128
FOLLOWERS_EACH: Final = 64
FOLLOWERS_KEPT: Final = {Role.VIEWER: 1 / 4, Role.OPERATOR: 1 / 8, Role.AUTHORITY: 0.0}
METRICS: Final = "/metrics"
#: Paths that ask for no token, and where the files of the page begin, which ask for none either.
PROBES: Final = frozenset({"/healthz", "/readyz", METRICS, "/"})
PAGE_FILES: Final = "/page/files/"
#: Requests of one peer without a valid token: so many at once, and so many a second in the long run.
TRIES: Final = (20.0, 1.0)
PROBINGS: Final = (100.0, 20.0)
#: Of these, metrics: a large site has many pages of them, and each is work.
SCRAPES: Final = (60.0, 4.0)
#: Peers that are remembered; the one that was heard of last stays longest.
_PEERS: Final = 4096
_BEARER: Final = re.compile(rb"\r\nauthorization:[ \t]*bearer[ \t]+([^\r\n]*?)[ \t]*\r\n", re.IGNORECASE)
_COOKIE: Final = re.compile(rb"\r\ncookie:[ \t]*([^\r\n]*)\r\n", re.IGNORECASE)
_TARGET: Final = re.compile(rb"[A-Z]+ ([^ ?]*)")


class Guest(Protocol):
    """A connection. `by`: who holds the valid token of what it asks now, None where it has none."""

    peer: str
    by: Principal | None

    @property
    def is_waiting(self) -> bool:
        """Whether it may be closed without an answer being lost."""

    def leave(self) -> None:
        """Close it at once."""

    def overstays(self, now_s: float) -> bool:
        """Return whether it has taken too long over a request, or over its answer."""


class Allowance:
    """How often each peer may still do something: a bucket of `most` that fills by `per_s`."""

    def __init__(self, most: float, per_s: float) -> None:
        self._most, self._per_s = most, per_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def is_spent(self, peer: str, now_s: float) -> bool:
        """Return whether nothing is left for a peer now."""
        return self._now(peer, now_s) < 1.0

    def take(self, peer: str, now_s: float) -> bool:
        """Use up one; False where none is left."""
        left = self._now(peer, now_s)
        taken = left >= 1.0
        self._left[peer] = (left - 1.0 if taken else left, now_s)
        self._left.move_to_end(peer)
        if len(self._left) > _PEERS:
            self._left.popitem(last=False)
        return taken

    def _now(self, peer: str, now_s: float) -> float:
        left, at_s = self._left.get(peer, (self._most, now_s))
        return min(self._most, left + self._per_s * (now_s - at_s))


class Doorkeeper:
    """Everybody who is inside, and what those without a token may still ask.

    `proxies`: addresses that speak for others and name them; `refused` counts who is turned away; `most` connections fit.
    `cookie`: the name of the one that a browser shows its token by.
    """

    def __init__(
        self,
        tokens: Iterable[Token],
        proxies: Collection[str],
        refused: Callable[[str], None],
        *,
        most: int = MOST,
        cookie: str = "surplusd",
    ) -> None:
        self.cookie = cookie
        self._tokens, self._proxies, self._refused = tokens, frozenset(proxies), refused
        self._most, self._most_of_peer = most, min(MOST_OF_PEER, most // 2)
        self._guests: OrderedDict[Guest, None] = OrderedDict()
        self._of_peer: dict[str, OrderedDict[Guest, None]] = {}
        self._followers: dict[Guest, Principal] = {}
        self._tries, self._probings, self._scrapes = Allowance(*TRIES), Allowance(*PROBINGS), Allowance(*SCRAPES)

    def __len__(self) -> int:
        """Return how many are inside, without those who follow."""
        return len(self._guests)

    def enter(self, guest: Guest) -> None:
        """Let a connection in; where it is full, the one goes that has waited longest."""
        mine = self._of_peer.setdefault(guest.peer, OrderedDict())
        if len(mine) >= self._most_of_peer and guest.peer not in self._proxies:
            self._make_room(mine)
        if len(self._guests) >= self._most:
            self._make_room(self._guests, (Role.VIEWER, Role.OPERATOR))
        self._guests[guest] = mine[guest] = None

    def stay(self, guest: Guest, by: Principal) -> bool:
        """Let a guest stay, to follow what happens, for the holder of its token; it takes the room of nobody else from now on.

        Where all places are taken, the token that has the most gives its newest one to whoever has fewer, and
        never one of a higher role: so each comes to its share.
        False: there is no more room for such.
        """
        counts = Counter(self._followers.values())
        if counts[by] >= FOLLOWERS_EACH:
            return False
        places = min(FOLLOWERS, self._most // 4)
        if len(self._followers) >= places - int(places * FOLLOWERS_KEPT[by.role]):
            below = [each for each in counts if FOLLOWERS_KEPT[each.role] >= FOLLOWERS_KEPT[by.role]]
            most = max(below, key=lambda each: counts[each], default=by)
            if counts[most] <= counts[by] + 1:
                return False
            self._send_away(next(each for each, of in reversed(self._followers.items()) if of == most))
        self.left(guest)
        self._followers[guest] = by
        return True

    def close(self) -> None:
        """Send away all who stay to follow: they would never end by themselves."""
        for guest in tuple(self._followers):
            self._send_away(guest)

    def served(self, guest: Guest) -> None:
        """Note that a guest has got an answer: it has waited since now."""
        if guest in self._guests:
            self._guests.move_to_end(guest)
            self._of_peer[guest.peer].move_to_end(guest)

    def left(self, guest: Guest) -> None:
        """Forget a connection that is closed."""
        self._guests.pop(guest, None)
        self._followers.pop(guest, None)
        mine = self._of_peer.get(guest.peer, OrderedDict())
        mine.pop(guest, None)
        if not mine:
            self._of_peer.pop(guest.peer, None)

    def make_room(self, count: int) -> None:
        """Send away so many of those that have waited longest; where no file is left, of whichever token has the most."""
        for _ in range(count):
            self._make_room(self._guests, tuple(Role))

    def sweep(self, now_s: float) -> None:
        """Send away all that take too long."""
        for guest in [guest for guest in (*self._guests, *self._followers) if guest.overstays(now_s)]:
            self._send_away(guest)

    def peer_of(self, address: str, forwarded: bytes) -> str:
        """Return who asks: the address, or whom a proxy that is trusted names last."""
        if address not in self._proxies or not forwarded:
            return address
        return forwarded.rpartition(b",")[2].strip().decode("latin-1")

    def asker(self, headers: Mapping[bytes, bytes]) -> Principal | None:
        """Return whose valid token a request with these headers has, None where it has none."""
        return self.holder(authorization(headers, "GET", self.cookie))

    def holder(self, value: bytes) -> Principal | None:
        """Return whose token this value of the header Authorization has, None where it has no valid one."""
        scheme, _, token = value.partition(b" ")
        return self._holder(token.strip()) if scheme.lower() == b"bearer" else None

    def may_ask(self, peer: str, path: str, now_s: float) -> bool:
        """Return whether a peer without a valid token may ask for this now, and count it."""
        open_to_all = self._scrapes if path == METRICS else self._probings
        allowed = (open_to_all if _is_open(path) else self._tries).take(peer, now_s)
        if not allowed:
            self._refused("too_many_tries")
        return allowed

    def is_barred(self, peer: str, now_s: float) -> bool:
        """Return whether of this peer only what `passes` is looked at; a proxy speaks for others."""
        return peer not in self._proxies and self._tries.is_spent(peer, now_s)

    def passes(self, head: bytes) -> bool:
        """Return whether the raw head of a request has a valid token, or asks for what needs none."""
        target, bearer, cookies = _TARGET.match(head), _BEARER.search(head), _COOKIE.search(head)
        tokens = [bearer[1]] if bearer else []
        if cookies:
            tokens.append(token_of(cookies[1], self.cookie).encode("latin-1"))
        is_open = target is not None and _is_open(target[1].decode("latin-1"))
        passes = is_open or any(self._holder(token) is not None for token in tokens)
        if not passes:
            self._refused("too_many_tries")
        return passes

    def _holder(self, token: bytes) -> Principal | None:
        return principal_of(token.decode("latin-1"), self._tokens)

    def _make_room(self, guests: Collection[Guest], roles: Collection[Role] = ()) -> None:
        """Send one away; of those with a valid token that are being answered, one of these roles."""
        waiting = next((guest for guest in guests if guest.is_waiting), None)
        # Where nobody waits, whoever has no valid token and takes long over it.
        goes = waiting or next((guest for guest in guests if guest.by is None), None) or _of_the_most(guests, roles)
        if goes is not None:
            self._send_away(goes)

    def _send_away(self, guest: Guest) -> None:
        self.left(guest)
        guest.leave()


def _of_the_most(guests: Iterable[Guest], roles: Collection[Role]) -> Guest | None:
    """Return of the token of these roles that has the most connections the one that is longest about it, None where there is none."""
    theirs = [guest for guest in guests if guest.by is not None and guest.by.role in roles]
    counts = Counter(guest.by for guest in theirs)
    return max(theirs, key=lambda guest: counts[guest.by], default=None)


def _is_open(path: str) -> bool:
    return path in PROBES or path.startswith(PAGE_FILES)
