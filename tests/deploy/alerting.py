"""Everything that an alert is for, as the daemon's own metrics tell it, for a real Prometheus with the shipped rules."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from controller.core.decision import Decision
from controller.core.limits.contactors import ContactorState, Phase
from controller.core.limits.orders import Compliance, OrderNow
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.core.snapshot import ContactorNow, Grade, Position
from controller.core.trust.judge import no_trust
from controller.daemon.holding import Holding
from controller.daemon.latest import DeviceColumns, Latest, LatestAgent, LatestMeter
from controller.daemon.metrics import CONTENT_TYPE, Metrics
from controller.daemon.orders.book import OrderBook
from controller.daemon.tick import Tick
from controller.daemon.utc import Utc
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.north import make_decision, make_site, make_terms, observe

RULES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "surplusd-rules.yml"
#: The time on the clock of the daemons here.
NOW_S = 100_000.0

#: What is to be said of the site beyond what its decision has figures for.
_ALSO = (
    (Code.ORDERS_MAY_BE_MISSING, "pcc"), (Code.METER_UNCONFIRMED, "main"), (Code.STEP_DEFIED, "pcc"),
    (Code.CONTACTOR_DEFIANT, "feeder"), (Code.CONTACTOR_LOST, "feeder"), (Code.CONTACTOR_OPEN, "feeder"),
    (Code.RESET_VOID, "feeder"), (Code.LOCK_UNPROVEN, "feeder"), (Code.SITE_STOPPED, "pcc"),
    (Code.SECOND_CONTROLLER, "hall-a"), (Code.LINK_LOST, "pcc"), (Code.SET_REFUSED, "hall-a"),
    (Code.DEVICES_DIFFER, "hall-a"), (Code.SITE_FILE_NOT_TAKEN, "pcc"), (Code.CLOCK_APART, "pcc"),
    (Code.METER_FROZEN, "doubted"), (Code.DEVICES_SHARED, "hall-a"), (Code.POOLS_CHANGED, "hall-a"),
    (Code.LOCKS_MAY_BE_MISSING, "pcc"),
)  # fmt: skip


def _warned() -> tuple[Reason, ...]:
    return (
        Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 6.0, "count": 2, "most_w": 7e3}),
        Reason(Code.AGENT_DEAF, "hall-a", {"since_s": 16.0, "count": 2, "most_w": 6e3}),
        Reason(Code.DEVICE_LOST, "hall-a", {"count": 1, "most_w": 3.5e3}),
        Reason(Code.DEVICE_DEFIANT, "hall-a", {"count": 1, "over_w": 1.7e3}),
        Reason(Code.OVER_ENVELOPE, "pcc", {"over_w": 9e3, "since_s": 18.0}),
        *(Reason(code, subject) for code, subject in _ALSO),
    )


def _order(node: int, compliance: Compliance, power_w: float | None) -> OrderNow:
    return OrderNow(
        id="tso/o", node=node, limit_w=50e3, final_w=50e3, since_s=NOW_S - 90.0, power_w=power_w, achievable_w=60e3,
        compliance=compliance, revision=1,
    )  # fmt: skip


def _all_wrong() -> Decision:
    """Return a decision in which everything is wrong that a person must see to."""
    decision = make_decision()
    tripped = ContactorState(node=1, phase=Phase.TRIPPED, since_s=0.0, now=ContactorNow(position=Position.OPEN))
    orders = (
        _order(0, Compliance.NOT_MET, 80e3),
        _order(1, Compliance.PARTIAL, 80e3),
        _order(1, Compliance.UNSEEN, None),
    )
    return replace(
        decision, at_s=NOW_S, mode=Mode.FAILSAFE, warnings=_warned(), orders=orders, contactors=(tripped,),
        infeasible=~decision.infeasible,
    )  # fmt: skip


_METERS = {
    "main": LatestMeter(value_w=None, quality=Grade.BAD, age_s=30.0, problem="silent"),
    "doubted": LatestMeter(value_w=80e3, quality=Grade.GOOD, age_s=0.3, problem="frozen"),
}


def _latest(meters: dict[str, LatestMeter]) -> Latest:
    site = make_site()
    columns = DeviceColumns(measured_w=site.devices.off_w, state=site.devices.node)
    agents = {"hall-a": LatestAgent(online=False, age_s=6.0, lease_left_s=None)}
    return Latest(meters=lambda: meters, agents=lambda: agents, devices=lambda: columns)


class _Unwritable:
    """A journal on a disk that is full."""

    usable, waiting, dropped = False, 3, 0


class _Scenes:
    """Daemons to be scraped, each a text that is made anew for each scrape."""

    def __init__(self, folder: Path) -> None:
        self._journal = journal_at(folder / "journal.db")
        self._starts = 0
        self.wrong, self.old = self._metrics(_Unwritable(), _METERS), self._metrics(self._journal, {})
        observe(self.old, _tick(replace(make_decision(), at_s=NOW_S - 8.0)))
        since_s = NOW_S - 20_000.0
        observe(self.wrong, _tick(replace(_all_wrong(), at_s=since_s)), utc=_UTC)

    def close(self) -> None:
        self._journal.close()

    def _metrics(self, journal, meters: dict[str, LatestMeter]) -> Metrics:
        site = make_site()
        book = OrderBook(self._journal, site)
        return Metrics(site, _latest(meters), book, journal, terms=make_terms(), holding=Holding(), clock=lambda: NOW_S)

    def all_wrong(self) -> bytes:
        """Return what a daemon says when everything is wrong, and ever more is refused and fails."""
        observe(self.wrong, _tick(_all_wrong(), failure="step"), utc=_UTC)
        for _ in range(40):
            self.wrong.refused("http", "unauthorized")
        return self.wrong.render()

    def restarting(self) -> bytes:
        """Return what a daemon says that has begun anew since it was asked last."""
        self._starts += 1
        return f"process_start_time_seconds {1_800_000_000 + self._starts}\n".encode()


_UTC = Utc(utc_s=1.8e9, trusted=False, doubt=Reason(Code.CLOCK_APART, "pcc"), apart_s=9.0, tolerance_s=2.5)


def _tick(decision: Decision, failure: str = "") -> Tick:
    return Tick(decision=decision, trust=no_trust(make_site()), duration_s=0.003, late_s=0.0, failure=failure)


@contextmanager
def everything_wrong(folder: Path) -> Iterator[dict[str, str]]:
    """Serve the daemons of all alerts; gives where each is, by its name. One is a port at which nobody listens."""
    scenes = _Scenes(folder)
    with ExitStack() as stack:
        stack.callback(scenes.close)
        yield {
            "wrong": stack.enter_context(_serve(scenes.all_wrong)),
            "hangs": stack.enter_context(_serve(scenes.old.render)),
            "restarts": stack.enter_context(_serve(scenes.restarting)),
            "down": "127.0.0.1:9",
        }


@contextmanager
def _serve(render: Callable[[], bytes]) -> Iterator[str]:
    class Scrape(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = render()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Scrape) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def alerts() -> dict[str, dict]:
    """Return the shipped alerts by name."""
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def at_once(folder: Path) -> Path:
    """Return the shipped rules without the times for which they wait; the tests of promtool judge those."""
    content = yaml.safe_load(RULES.read_text())
    for rule in content["groups"][0]["rules"]:
        rule.pop("for", None)
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True))
    return path
