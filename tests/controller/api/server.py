"""The real HTTP interface over a small site, on a free port of loopback."""

import asyncio
import hashlib
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import numpy as np

from controller.api.app import behind_door
from controller.api.serve import serve
from controller.core.decision import Decision
from controller.core.reasons import Reason
from controller.core.site import Contactors, Site
from controller.core.snapshot import Grade
from controller.core.trust.judge import no_trust
from controller.daemon.access import Role, Token, Tokens
from controller.daemon.clock.desk import ClockDesk
from controller.daemon.contactors.resets import ResetDesk
from controller.daemon.course import PowerCourse
from controller.daemon.desks import Desks
from controller.daemon.events.changes import Changes
from controller.daemon.events.feed import Feed
from controller.daemon.holding import Holding
from controller.daemon.journal.journal import Journal
from controller.daemon.latest import DeviceColumns, Latest, LatestAgent, LatestMeter
from controller.daemon.metrics import Metrics
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.intake import OrderIntake
from controller.daemon.orders.lock_certainty import LockCertainty
from controller.daemon.people.locks import LockDesk
from controller.daemon.people.meters import MeterDesk
from controller.daemon.people.stop import StopDesk
from controller.daemon.reload.desk import ReloadAnswer
from controller.daemon.service import Health, Readiness, Service
from controller.daemon.tick import Tick
from controller.daemon.utc import Utc
from tests.controller.daemon.clock.machine import Machine
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.north import make_decision, make_site, make_terms, observe
from tests.waiting import DEADLINE_S

UTC_S = 1_795_000_000.0


@dataclass
class Reloads:
    """A desk that answers as it is told; `asked`: who has wanted a reload."""

    answer: ReloadAnswer | Exception = field(default_factory=lambda: ReloadAnswer(taken=(), waiting=()))
    reason: Reason | None = None
    asked: list[str] = field(default_factory=list)

    def reload(self, by: str) -> ReloadAnswer:
        self.asked.append(by)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def findings(self) -> tuple[Reason, ...]:
        return () if self.reason is None else (self.reason,)


@dataclass
class World:
    """What the daemon would know; tests change it under the running server."""

    decision: Decision | None = field(default_factory=make_decision)
    health: Health = field(default_factory=lambda: Health(ok=True, tick_age_s=0.2))
    readiness: Readiness = field(default_factory=lambda: Readiness(ready=True, reason=""))
    utc: Utc = field(default_factory=lambda: Utc(utc_s=UTC_S, trusted=True, doubt=None))
    refused: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    machine: Machine | None = None
    proxies: frozenset[str] = frozenset()
    reloads: Reloads = field(default_factory=Reloads)
    lock_certainty: LockCertainty = field(default_factory=lambda: LockCertainty("pcc"))
    course: PowerCourse = field(default_factory=PowerCourse)
    holding: Holding = field(default_factory=Holding)
    site: Site | None = None
    latest: Latest | None = None

    def machine_at(self, folder: Path) -> Machine:
        self.machine = Machine(folder)
        return self.machine


@dataclass
class Running:
    url: str
    world: World
    book: OrderBook
    journal: Journal
    tokens: Tokens
    feed: Feed
    changes: Changes

    def tick(self, **changed: object) -> None:
        """Have a tick decide as the one before, but for these fields, and tell what that changes."""
        self.world.decision = replace(self.world.decision, **changed)
        self.world.holding.observe(self.world.decision, (), UTC_S)
        self.changes.observe(self.world.decision)

    def client(self, name: str | None = "authority", **more: object) -> httpx.Client:
        headers = {"Authorization": f"Bearer {name}-secret"} if name else {}
        # To read the certificates that the system trusts takes each client longer than all its requests.
        return httpx.Client(base_url=self.url, headers=headers, timeout=DEADLINE_S, verify=False, **more)


def make_service(path: Path, world: World) -> tuple[Service, Journal]:
    feeder = Contactors(node=np.array([1]), trip_after_s=np.array([60.0]))
    site, journal = world.site or replace(make_site(), contactors=feeder), journal_at(path)
    feed, book = Feed(journal, utc=lambda: UTC_S), OrderBook(journal, site)
    machine = world.machine_at(path.parent)
    latest = world.latest or Latest(
        meters=lambda: {
            "main": LatestMeter(value_w=80e3, quality=Grade.GOOD, age_s=0.3, quantities={"frequency_hz": (50.01, 0.3)})
        },
        agents=lambda: {"hall-a": LatestAgent(online=True, age_s=1.0, lease_left_s=29.0)},
        devices=lambda: DeviceColumns(measured_w=np.array([3400.0, np.nan]), state=np.array([2, 4])),
    )
    metrics = Metrics(site, latest, book, journal, terms=make_terms(), holding=Holding(), clock=lambda: 1001.0)
    observe(metrics, Tick(decision=make_decision(), trust=no_trust(site), duration_s=0.004, late_s=0.0))
    digests = {role: hashlib.sha256(f"{role}-secret".encode()).hexdigest() for role in Role}

    def decision_now():
        return world.decision if world.health.ok else None

    trust = no_trust(site)
    agreed = replace(trust, redundancy=replace(trust.redundancy, under_w=np.array([1500.0])))

    def tick_now():
        decision = decision_now()
        return decision and Tick(decision=decision, trust=agreed, duration_s=0.004, late_s=0.0)

    service = Service(
        site=site,
        book=book,
        intake=OrderIntake(
            site=site,
            book=book,
            decision=decision_now,
            utc=lambda: world.utc,
            head=lambda: "a head",
            hear=machine.clock.hear,
        ),
        desks=Desks(
            resets=ResetDesk(site=site, journal=journal, decision=decision_now),
            locks=LockDesk(site=site, journal=journal, certainty=world.lock_certainty, utc=lambda: UTC_S),
            meters=MeterDesk(site=site, journal=journal, tick=tick_now),
            stops=StopDesk(site=site, journal=journal, utc=lambda: UTC_S),
            clock=ClockDesk(machine.clock, journal),
        ),
        feed=feed,
        course=world.course,
        holding=world.holding,
        currency=lambda: "USD",
        head=lambda: "a head",
        reloads=world.reloads,
        tokens=Tokens(Token(name=role, role=role, sha256=digest) for role, digest in digests.items()),
        proxies=world.proxies,
        latest=latest,
        decision=lambda: world.decision,
        decision_now=decision_now,
        health=lambda: world.health,
        readiness=lambda: world.readiness,
        utc=lambda: world.utc,
        metrics=metrics.chunks,
        metric_pages=metrics.pages,
        refused=world.refused.append,
        answered=world.answered.append,
    )
    return service, journal


class serving:  # noqa: N801
    """Runs the real server in a thread with a loop of its own, as the daemon does."""

    def __init__(self, service: Service, port: int = 0) -> None:
        self._service, self._wanted = service, port
        self._up = threading.Event()
        self._port = 0

    def __enter__(self) -> int:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="serving")
        self._thread.start()
        assert self._up.wait(DEADLINE_S)
        return self._port

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        try:
            await serve(*behind_door(self._service), "127.0.0.1", self._wanted, self._listening)
        except asyncio.CancelledError:
            return

    def _listening(self, port: int) -> None:
        self._port = port
        self._up.set()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()
