"""One load from its start to its end: what is measured, in which sequence."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from controller.bench.load_site import ROOT, LoadSite
from controller.bench.parts import LoadProcess, keep_busy, make_journal, start_agents, start_broker, start_daemon
from controller.bench.process_figures import Scrape, cpu_s, resident_mb, scrape, tick_within_s
from controller.bench.raw_socket import push_s
from drivers.clock import boottime_s
from drivers.errors import DriverLoss

#: A figure by its name; those that are missing were not measured.
Figures = dict[str, Any]
_PATIENCE_S: Final = 300.0
_POLL_S: Final = 0.05
_RAW_MESSAGES: Final = 10_000
_RAW_TIMES: Final = 5
_SHARE: Final = 0.999


@dataclass(slots=True)
class FleetLoad:
    """A running load. `say` is told what is measured now."""

    site: LoadSite
    say: Callable[[str], None]
    broker: LoadProcess
    agents: LoadProcess
    daemon: LoadProcess

    @classmethod
    @contextmanager
    def begun(cls, site: LoadSite, say: Callable[[str], None]) -> Iterator[tuple[FleetLoad, Figures]]:
        """Start all; yield the load and what the start took."""
        with ExitStack() as stack:
            broker = start_broker(site)
            stack.callback(broker.stop)
            say("raw socket")
            raw = [push_s(site.broker_port, _RAW_MESSAGES) for _ in range(_RAW_TIMES)]
            make_journal(site)
            agents = start_agents(site)
            stack.callback(agents.stop)
            say("start")
            _wait(agents, broker, "every agent at the broker", lambda figures: figures["known"] == site.agents)
            begun_s = boottime_s()
            daemon = start_daemon(site)
            stack.callback(daemon.stop)
            load = cls(site, say, broker, agents, daemon)
            stack.callback(load.stop_broker)
            load.wait("every agent led", lambda figures: figures["led"] == site.agents)
            led_s = load.agents.ask()["last_led_s"] - begun_s
            load.wait("every device up", lambda figures: figures["down"] == 0)
            up_s = boottime_s() - begun_s
            yield load, {"raw_socket_s": _spread(raw), "start_to_led_s": led_s, "start_to_up_s": up_s}

    def stop_broker(self) -> None:
        """End the broker that runs now."""
        self.broker.stop()

    def wait(self, what: str, ready: Callable[[Mapping[str, float]], bool]) -> Mapping[str, float]:
        """Wait for it, and return the figures; raises DriverLoss where it never comes."""
        return _wait(self.agents, self.daemon, what, ready)

    def steady(self, seconds: float, *, scraped: bool) -> Figures:
        """Return what the daemon costs while nothing happens, with a scrape a second or without."""
        self.say(f"steady for {seconds:g} s{', scraped' if scraped else ''}")
        lapses, pids = (
            self.agents.ask()["lapses"],
            {"daemon": self.daemon.pid, "agents": self.agents.pid, "broker": self.broker.pid},
        )
        before, begun_s = scrape(self.site.url), boottime_s()
        used_s = {name: cpu_s(pid) for name, pid in pids.items()}
        scrapes: list[Scrape] = []
        while boottime_s() < begun_s + seconds:
            if scraped:
                scrapes.append(scrape(self.site.url))
            time.sleep(1.0)  # as often as a Prometheus that looks closely
        took_s = boottime_s() - begun_s
        cores = {f"{name}_cores": (cpu_s(pid) - used_s[name]) / took_s for name, pid in pids.items()}
        after = scrape(self.site.url)
        figures: Figures = {
            **cores,
            "ticks": max(after.ticks.values()) - max(before.ticks.values()),
            "tick_p999_s_at_most": tick_within_s(before, after, _SHARE),
            "tick_median_s_at_most": tick_within_s(before, after, 0.5),
            "rss_mb": resident_mb(self.daemon.pid),
            "rss_most_mb": resident_mb(self.daemon.pid, most=True),
            "lapses": self.agents.ask()["lapses"] - lapses,
        }
        if scraped:
            figures |= {"scrape_s": _spread([one.took_s for one in scrapes]), "scrape_bytes": after.size}
        return figures

    def order_s(self, number: int) -> float:
        """Order everything off, and return how long it took until the last agent had verified it; then release it."""
        name = f"load-{number}"
        begun_s = boottime_s()
        self._post("/api/v1/orders", {"id": name, "node": ROOT, "limit_w": 1})
        figures = self.wait("the order", lambda figures: figures["down"] == self.site.agents)
        self._post(f"/api/v1/orders/{name}/release", None)
        self.wait("every device up", lambda figures: figures["down"] == 0)
        return figures["last_down_s"] - begun_s

    def orders(self, count: int) -> Figures:
        """Return how long orders took."""
        self.say(f"{count} orders")
        took = []
        for number in range(count):
            took.append(self.order_s(number))
            time.sleep(0.37)  # so that they fall everywhere between two ticks
        return _spread(took)

    def broker_restart(self) -> Figures:
        """Restart the broker, so that everybody comes back at once; return how long until the last agent is led."""
        self.say("all reconnect at once")
        before = self.agents.ask()
        self.stop_broker()
        begun_s = boottime_s()
        self.broker = start_broker(self.site)
        figures = self.wait(
            "every agent led again",
            lambda figures: figures["led"] == self.site.agents and figures["first_led_s"] > begun_s,
        )
        return {
            "reconnect_to_led_s": figures["last_led_s"] - begun_s,
            "raised_before_confirmed": figures["unsure_raises"] - before["unsure_raises"],
            "lapses": figures["lapses"] - before["lapses"],
        }

    @contextmanager
    def busy(self, count: int) -> Iterator[None]:
        """Keep the machine busy with so many processes."""
        parts = keep_busy(self.site, count)
        try:
            yield
        finally:
            for part in parts:
                part.stop()

    def _post(self, path: str, body: dict[str, object] | None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.site.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.site.url + path, data=data, headers=headers, method="POST")  # noqa: S310  our own URL
        with urllib.request.urlopen(request, timeout=30.0) as answer:  # noqa: S310  as above
            answer.read()


def _wait(
    agents: LoadProcess, beside: LoadProcess, what: str, ready: Callable[[Mapping[str, float]], bool]
) -> Mapping[str, float]:
    """Ask the agents until it is so, and return their figures; raises DriverLoss where it never comes, or `beside` ends."""
    end_s, pause = boottime_s() + _PATIENCE_S, threading.Event()
    while not ready(figures := agents.ask()):
        beside.check()
        if boottime_s() > end_s:
            raise DriverLoss(f"waited in vain for {what}: {json.dumps(figures)}\n{beside.tail()}")
        pause.wait(_POLL_S)
    return figures


def _spread(values: list[float]) -> Figures:
    """Return median, 99th percentile and worst of values."""
    ranked = sorted(values)
    return {
        "median": median(ranked),
        "p99": ranked[min(len(ranked) - 1, int(0.99 * len(ranked)))],
        "worst": ranked[-1],
        "count": len(ranked),
    }
