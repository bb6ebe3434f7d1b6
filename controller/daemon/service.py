"""What the daemon gives to whoever serves it to the outside: ways to look, the order book, and who may do what."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from controller.core.decision import Decision
from controller.core.site import Site
from controller.daemon.access import Tokens
from controller.daemon.course import PowerCourse
from controller.daemon.desks import Desks
from controller.daemon.events.feed import Feed
from controller.daemon.holding import Holding
from controller.daemon.latest import Latest
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.intake import OrderIntake
from controller.daemon.reload.desk import ReloadDesk
from controller.daemon.utc import Utc


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether the tick runs; `tick_age_s`: since the last one, None before the first."""

    ok: bool
    tick_age_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether the site is led, and why it is not (empty where it is)."""

    ready: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything behind an interface to the outside; what is called returns at once, but for the book, the intake, the desks and `metrics`.

    `decision`: the newest, `decision_now`: None where it is too old to speak of now. `utc`: the newest look at the wall clock. `metrics`: the exposition for Prometheus in pieces, all of it or a page of the `metric_pages`.
    `feed`: what happens. `course`: how the power went, `holding`: since when what holds has held, `currency`: that of all values. `head`: what the journal ends with, signed, None where it has nothing. `proxies`: addresses that may name whom they speak for.
    `refused`: counts a refused request, once for each of its codes, or by a word of the protocol that it came by. `answered`:
    counts what the answer to an order says beside its outcome, by code.
    """

    site: Site
    book: OrderBook
    intake: OrderIntake
    desks: Desks
    feed: Feed
    course: PowerCourse
    holding: Holding
    currency: Callable[[], str]
    head: Callable[[], str | None]
    reloads: ReloadDesk
    tokens: Tokens
    proxies: frozenset[str]
    latest: Latest
    decision: Callable[[], Decision | None]
    decision_now: Callable[[], Decision | None]
    health: Callable[[], Health]
    readiness: Callable[[], Readiness]
    utc: Callable[[], Utc]
    metrics: Callable[[int | None], Iterator[bytes]]
    metric_pages: int
    refused: Callable[[str], None]
    answered: Callable[[str], None]


#: Serves a service on a host and port until cancelled; the last argument is called with the port once it listens.
#: It raises ConfigError where the address cannot be listened on.
Serve = Callable[[Service, str, int, Callable[[int], None]], Coroutine[Any, Any, None]]
