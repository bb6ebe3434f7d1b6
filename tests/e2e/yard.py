"""A whole small site of the demo's processes, every part one that a test may kill, and ways to look at it."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import re
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from controller.core.site import Site
from controller.demo.children import Child
from controller.demo.main import add_arguments
from controller.demo.processes import DemoProcesses, processes_of
from controller.demo.setup import DemoOptions, DemoSetup, Raw, prepare
from controller.site.compile import compile_site
from controller.site.load import load
from drivers.clock import boottime_s
from simulators.worldlink import WorldClient
from tests.brokers import BrokerProcess
from tests.e2e.synchronised import SYNCHRONISED
from tests.simulated_devices import states_of
from tests.waiting import DEADLINE_S
from tests.waiting import until as waited_for

SITE = Path(__file__).with_name("site.yaml")
#: More surplus than the whole fleet can use: the devices alone say what the site draws.
PLENTY = "--scale=300 %"
#: An order, or a surplus that is gone, is followed within this time: the settle time, and what a busy machine may add.
MET_S = 60.0
#: Each look asks the processes of the site, and costs the daemon as much as two ticks: as often as the world moves, and no more.
until = partial(waited_for, look_s=0.1)
#: Looks of which each is kept see steps between them.
_WATCHED_S = 0.05
#: Within this the site is at full power again: a device that a busy machine has kept from coming up rests for up to four minutes
#: before it is asked again (`controller/core/fleet/waiting.py`).
RESTED_S = 300.0
#: From the end of a lease to the store that shows it, on a busy machine.
SLACK_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the physics and at what the agents have told the hardware."""

    at_s: float
    site_w: float
    applied_w: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the daemon answered over HTTP."""

    code: int
    body: Any


class Yard:
    """The site of `site.yaml`, or another one, in processes: the demo's, over a broker that is none of them."""

    def __init__(self, folder: Path, broker: BrokerProcess, options: argparse.Namespace, text: str = "") -> None:
        self.folder, self.broker, self._broker_up = folder, broker, True
        demo_options = DemoOptions(broker=("127.0.0.1", broker.port), protocol=broker.protocol)
        self._text = text or SITE.read_text(encoding="utf-8")
        self.setup: DemoSetup = prepare(folder, self._text, demo_options)
        self.site: Site = compile_site(load(self.setup.daemon_file))
        self.world = WorldClient(*self.setup.world, timeout_s=10.0)
        apart = frozenset(self.setup.agents if options.agents_apart else ())
        children = processes_of(self.setup, options, duration_s=3600.0, orders=0, broker=False, apart=apart)
        parts = [part for child in children if child.name != "authority" for part in self._parts(child)]
        self._argv = {part.name: part._argv for part in parts}
        self.processes = DemoProcesses(self.setup, self.world, parts, restart_s=math.inf)

    def _parts(self, child: Child) -> Iterator[Child]:
        """Yield the child; a process of its own for each meter, named after it."""
        if child.name != "meters":
            yield child
            return
        meters = [word for word in child._argv if word.startswith("--meter=")]
        rest = [word for word in child._argv if not word.startswith("--meter=")]
        names = [meter["id"] for meter in yaml.safe_load(self._text)["meters"]]
        for name, meter in zip(names, meters, strict=True):
            yield Child(name, [*rest, meter], self.folder / f"{name}.log")

    def close(self) -> None:
        self.world.close()
        self.processes.close()

    # -- processes

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        child = self.processes.children[name]
        assert child.pid is not None
        assert child.ended() is None, f"{name} has ended before: {child.tail()}"
        os.kill(child.pid, number)
        until(lambda: child.ended() is not None, f"{name} is gone")

    def stop_broker(self) -> None:
        self.broker.stop(signal.SIGKILL)
        self._broker_up = False

    def start_broker(self) -> None:
        if not self._broker_up:
            self.broker.start()
        self._broker_up = True

    def start(self, name: str, *more: str) -> None:
        """Start a part again, with more arguments than it had if there are any, and wait until it is ready."""
        log = self.folder / f"{name}.log"
        if name in self._argv:
            self.processes.children[name] = Child(name, [*self._argv[name], *more], log)
        child = self.processes.children[name]
        child.start()
        child.wait_ready(boottime_s() + DEADLINE_S, self.processes._daemon_is_ready if name == "surplusd" else None)

    def restart(self, name: str, *more: str) -> None:
        self.kill(name)
        self.start(name, *more)

    def synchronise(self) -> Path:
        """Have the daemon's next start be on a machine whose kernel says of its clock what stands in the file that is returned: it is synchronised."""
        said, argv = self.folder / "kernel", self._argv.pop("surplusd")
        said.write_text(SYNCHRONISED)
        verb = argv[argv.index("controller.cli") + 1 :]
        command = [sys.executable, "-m", "tests.e2e.synchronised", str(said), *verb]
        self.processes.children["surplusd"] = Child("surplusd", command, self.folder / "surplusd.log")
        return said

    def renew(self) -> None:
        """End the daemon in good order and start it by its site file: after a crash it would run what it ran."""
        if self.processes.children["surplusd"].ended() is None:
            self.kill("surplusd", signal.SIGTERM)
        self.start("surplusd")

    def reconfigure(self, change: Callable[[Raw], None]) -> Callable[[], None]:
        """Change the daemon's site file, for `renew`; returns what undoes it."""
        before = self.setup.daemon_file.read_text()
        raw = yaml.safe_load(before)
        change(raw)
        self.setup.daemon_file.write_text(yaml.safe_dump(raw, sort_keys=False))
        return lambda: void(self.setup.daemon_file.write_text(before))

    def calm(self, *, drawing: bool = False) -> Sample:
        """Bring back what fell, release every order, and wait for the site at full power: all set, or `drawing` it."""
        self.start_broker()
        for name, child in self.processes.children.items():
            if child.ended() is not None:
                self.start(name)
        for order in self.orders():
            if order["state"] != "ended" and order["issuer"] == "grid-authority":
                self.release(order["id"])
        until(lambda: self.mode() == "normal", "normal mode", tell=self.tell)
        return self.full_power(drawing=drawing)

    def most_w(self) -> dict[str, int]:
        return dict(zip(self.site.devices.ids, self.site.devices.max_w.astype(int).tolist(), strict=True))

    def full_power(self, *, drawing: bool = False) -> Sample:
        until(
            lambda: nearly(self.applied_w(), self.most_w()), "every device near its maximum", RESTED_S, tell=self.tell
        )
        hall_w = drawing * sum(watts for id_, watts in self.most_w().items() if id_ != "gpu")
        until(lambda: self.world.truth().node_w["hall"] > 0.9 * hall_w, "every device draws it", tell=self.tell)
        return self.look()

    # -- looks

    def tell(self) -> str:
        """Return all there is to see, for the message of a failure."""
        status = self.status() if self.processes._daemon_is_ready() else "no daemon"
        return f"{status}\n{self.applied_w()}\n{self.processes.children['surplusd'].tail(12)}"

    def look(self) -> Sample:
        return Sample(at_s=boottime_s(), site_w=self.world.truth().site_w, applied_w=self.applied_w())

    def watch(self, condition: Callable[[Sample], object], what: str, deadline_s: float = DEADLINE_S) -> list[Sample]:
        """Return every look up to the first that fulfils the condition."""
        seen: list[Sample] = []

        def fulfilled() -> object:
            seen.append(self.look())
            return condition(seen[-1])

        waited_for(fulfilled, what, deadline_s, look_s=_WATCHED_S)
        return seen

    def watch_for(self, seconds: float) -> list[Sample]:
        end_s = boottime_s() + seconds
        return self.watch(lambda sample: sample.at_s >= end_s, "the end of the time")

    def applied_w(self) -> dict[str, int]:
        """Return what the hardware was last told, by the agents' own stores."""
        return {id_: watts for agent in self.site.agents for id_, watts in self.stored(agent)["applied"].items()}

    def stored(self, agent: str) -> Any:
        return json.loads((self.folder / "agents" / f"{agent}.json").read_bytes())

    def states(self) -> Mapping[str, str]:
        return states_of(self.setup.world, self.site.devices.ids)

    @property
    def failsafe_w(self) -> dict[str, int]:
        devices = self.site.devices
        return dict(zip(devices.ids, devices.failsafe_w.astype(int).tolist(), strict=True))

    def lapsed(self, before_w: Mapping[str, int]) -> dict[str, int]:
        """Return what the devices may draw after their leases have ended."""
        return {id_: min(watts, self.failsafe_w[id_]) for id_, watts in before_w.items()}

    # -- HTTP

    def ask(
        self, path: str, body: object = None, *, role: str | None = "authority", raw: bytes | None = None
    ) -> Answer:
        """GET without a body, POST with one; `role` names whose token, None sends a wrong one."""
        token = "wrong" if role is None else self.setup.token_file(role).read_text().strip()
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.setup.url + path, data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                return Answer(code=answer.status, body=json.load(answer))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(code=error.code, body=json.load(error))

    def counted(self, name: str) -> set[tuple[str, str]]:
        """Return source and code of every series of a counter of refusals or answers."""
        with urllib.request.urlopen(self.setup.url + "/metrics", timeout=DEADLINE_S) as answer:
            series = rf'^{name}{{code="([^"]+)",source="([^"]+)"}} [1-9]'
            return {(source, code) for code, source in re.findall(series, answer.read().decode(), flags=re.MULTILINE)}

    def status(self) -> Any:
        return self.ask("/api/v1/status", role="viewer").body

    def mode(self) -> str:
        return str(self.status()["mode"])

    def binding(self) -> str:
        return str(self.status()["nodes"][self.setup.root]["binding"])

    def orders(self) -> Any:
        return self.ask("/api/v1/orders", role="viewer").body["orders"]

    def order(self, order_id: str, limit_w: float) -> Answer:
        answer = self.ask("/api/v1/orders", {"id": order_id, "limit_w": limit_w})
        assert answer.code == 200, answer
        return answer

    def release(self, order_id: str) -> Answer:
        answer = self.ask(f"/api/v1/orders/{order_id}/release", {})
        assert answer.code == 200, answer
        return answer

    def wait_mode(self, mode: str, reason: str = "", deadline_s: float = DEADLINE_S) -> Any:
        def reached() -> Any:
            status = self.status()
            return status if status["mode"] == mode and reason in status["reason"] else None

        return until(reached, f"{mode} because of {reason!r}", deadline_s, self.tell)


def nearly(applied_w: Mapping[str, int], wanted_w: Mapping[str, int]) -> bool:
    """Return whether each device has what it may have, but for what is not worth a change."""
    return all(0.98 * watts <= applied_w[id_] <= watts for id_, watts in wanted_w.items())


def void(_: object) -> None:
    """Drop a value."""


def options(*words: str) -> argparse.Namespace:
    """Return the options of the demo."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


@contextlib.contextmanager
def yard_over(broker: BrokerProcess, folder: Path, *words: str, text: str = "") -> Iterator[Yard]:
    """A yard with all its parts started; `text`: of another site file."""
    yard = Yard(folder, broker, options(*(words or (PLENTY,))), text)
    try:
        yard.processes.open()
        yield yard
    finally:
        yard.close()


def largest_fall_w(samples: list[Sample], within_s: float = 1.0) -> float:
    """Return the largest fall of the site's true power between two looks at most so far apart."""
    return max(
        (early.site_w - late.site_w
         for i, early in enumerate(samples)
         for late in samples[i:] if late.at_s - early.at_s <= within_s),
        default=0.0,
    )  # fmt: skip
