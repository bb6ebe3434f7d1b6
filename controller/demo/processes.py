"""All parts of the demo as processes: started in order, watched, started again when they fall, ended in reverse."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from controller.demo.children import Child
from controller.demo.setup import DemoSetup
from drivers.clock import Clock, boottime_s
from drivers.errors import DriverLoss
from simulators.worldlink import WorldClient

#: Before the id of an agent with a process of its own.
_AGENT: Final = "agent-"
#: What an agent of real devices says once it has a broker.
_LED: Final = "event=broker_back"
#: The parts without which the agents are out of the daemon's contact, beside those of single agents.
CONTACT: Final = frozenset({"broker", "fleet", "surplusd"})
#: The parts that cannot come back in the middle of a run: the world forgets it, the authority where it was.
ONCE: Final = frozenset({"world", "authority"})
#: Longest time for one part to become ready; the daemon may have to compile its kernels first.
START_S: Final = 300.0


class DemoProcesses:
    """The children of one demo. `events` tells in words who fell and who came back."""

    def __init__(
        self,
        setup: DemoSetup,
        world: WorldClient,
        children: Sequence[Child],
        *,
        restart_s: float,
        clock: Clock = boottime_s,
    ) -> None:
        self.events: list[str] = []
        self.children = {child.name: child for child in children}
        self._setup = setup
        self._world = world
        self._restart_s = restart_s
        self._clock = clock
        self._fallen_s: dict[str, float] = {}
        self._hanging: set[str] = set()
        self._kept_dead: set[str] = set()
        self._told_lost = False

    def open(self, tell: Callable[[str], object] = lambda _: None) -> None:
        """Start every part and wait for it, agents side by side, and `tell` each; raises DriverLoss with the last log lines of one that fails."""
        starting: list[Child] = []
        for child in self.children.values():
            if not child.name.startswith(_AGENT):
                self._wait_for(starting, tell)
                starting = []
            if child.name == "surplusd":
                _make_journal(self._setup)
            child.start()
            starting.append(child)
            if not child.name.startswith(_AGENT):
                self._wait_for(starting, tell)
                starting = []
        self._wait_for(starting, tell)

    def _wait_for(self, starting: Sequence[Child], tell: Callable[[str], object]) -> None:
        begun_s = self._clock()
        for child in starting:
            ready = self._daemon_is_ready if child.name == "surplusd" else None
            child.wait_ready(self._clock() + START_S, ready, self._clock)
            tell(f"{child.name} is up after {self._clock() - begun_s:.1f} s")

    def close(self) -> None:
        """End every part, the last first."""
        for child in reversed(self.children.values()):
            child.stop()

    def tend(self) -> None:
        """Note who fell, start it again after a while, and tell the referee while agents are out of contact."""
        for name, child in self.children.items():
            status = child.ended()
            if status is None or (name == "authority" and status == 0):
                continue
            if name not in self._fallen_s:
                self._fallen_s[name] = self._clock()
                self.events.append(f"{name} ended with status {status}")
            elif self._clock() >= self._fallen_s[name] + self._restart_s and name not in ONCE | self._kept_dead:
                self._start_again(name)
        self._tell_contact(lost=any(_has_contact(name) for name in self._hanging | self._fallen_s.keys()))

    def fallen(self) -> tuple[str, ...]:
        """Return the names of the parts that are down."""
        return tuple(self._fallen_s)

    def hang(self, agent: str, *, on: bool) -> None:
        """Stop the process of an agent where it is, or let it go on; it must have one of its own."""
        name = _AGENT + agent
        (self._hanging.add if on else self._hanging.discard)(name)
        self.children[name].signal(signal.SIGSTOP if on else signal.SIGCONT)

    def keep_dead(self, agent: str, *, on: bool) -> None:
        """Kill the process of an agent and leave it so, or start it again; it must have one of its own."""
        name = _AGENT + agent
        (self._kept_dead.add if on else self._kept_dead.discard)(name)
        if on:
            self.children[name].signal(signal.SIGKILL)
        elif name in self._fallen_s:
            self._start_again(name)

    def jump_clock(self, agent: str, *, on: bool) -> None:
        """Have the clock of an agent jump ahead, or back again; it must have a process of its own."""
        self.children[_AGENT + agent].signal(signal.SIGUSR1 if on else signal.SIGUSR2)

    def _start_again(self, name: str) -> None:
        del self._fallen_s[name]
        self._hanging.discard(name)
        self.children[name].start()
        self.events.append(f"{name} started again")

    def _tell_contact(self, *, lost: bool) -> None:
        if lost != self._told_lost:
            self._world.note_contact(lost=lost)
            self._told_lost = lost

    def _daemon_is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._setup.url}/readyz", timeout=1.0) as answer:  # noqa: S310  our own URL
                return bool(answer.status == 200)
        except OSError:
            return False  # not listening yet, or 503: not ready yet


def processes_of(
    setup: DemoSetup,
    args: argparse.Namespace,
    *,
    duration_s: float,
    orders: int,
    broker: bool,
    apart: frozenset[str] = frozenset(),
) -> list[Child]:
    """Return the parts in the order of their start.

    `broker`: the embedded one is part of them. `apart`: the agents with a process of their own, ``agent-ID``.
    """
    own = {_AGENT + agent.id: agent.environment for agent in setup.own}
    return [
        Child(
            name,
            [sys.executable, "-m", *argv],
            setup.folder / f"{name}.log",
            says=_LED if name in own else None,
            environment=own.get(name),
        )
        for name, argv in _commands(setup, args, duration_s, orders, apart)
        if broker or name != "broker"
    ]


def _make_journal(setup: DemoSetup) -> None:
    """Make the daemon's journal, which it never does itself; raises DriverLoss where that cannot be."""
    command = [sys.executable, "-m", "controller.cli", "init", "--without-fleet", str(setup.daemon_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own command
    if done.returncode:
        raise DriverLoss(f"the journal cannot be made: {done.stderr.strip()}")


def _has_contact(name: str) -> bool:
    return name in CONTACT or name.startswith(_AGENT)


def _commands(
    setup: DemoSetup, args: argparse.Namespace, duration_s: float, orders: int, apart: frozenset[str]
) -> Iterator[tuple[str, list[str]]]:
    site, world, broker = ["--site-file", str(setup.site_file)], _address(setup.world), _address(setup.broker)
    judged = ["--seed", str(args.seed), "--duration", str(duration_s), "--orders", str(orders)]
    relays = [f"--relays={args.relays}"] if args.relays else []
    served = [f"--serve={device}" for agent in setup.own for device in agent.serve]
    yield "world", ["simulators.world", *site, "--listen", world, *judged, *relays, *served, *_surplus(args)]
    meters = [f"--meter={meter}" for meter in setup.meters]
    yield "meters", ["simulators.substation", "modbus", *meters, "--world", world]
    if setup.contactors:
        contactors = [f"--contactor={contactor}" for contactor in setup.contactors]
        yield "contactors", ["simulators.substation", "modbus", *contactors, "--world", world]
    if setup.own and setup.relays:
        yield (
            "relays",
            ["simulators.substation", "modbus", *(f"--relay={relay}" for relay in setup.relays), "--world", world],
        )
    yield "scada", ["simulators.substation", "opcua", "--endpoint", setup.scada, "--world", world]
    yield "broker", ["simulators.broker", "--listen", broker]
    folders = ["--keys", str(setup.folder / "keys"), "--state", str(setup.folder / "agents")]
    fleet = ["simulators.fleet", *site, "--world", world, "--broker", broker, *folders, *relays, *judged[:2]]
    own = {agent.id for agent in setup.own}
    together = [agent for agent in setup.agents if agent not in apart | own]
    if together:
        yield "fleet", [*fleet, *(f"--agent={agent}" for agent in together)]
    for agent in sorted(apart - own):
        yield _AGENT + agent, [*fleet, f"--agent={agent}"]
    for each in setup.own:
        yield _AGENT + each.id, ["controller.cli", "agent", "run", str(each.file)]
    yield "surplusd", ["controller.cli", "run", str(setup.daemon_file)]
    order = ["--node", setup.root, "--token-file", str(setup.token_file("authority")), "--duration", str(duration_s)]
    yield "authority", ["simulators.authority", "--world", world, "--daemon", setup.url, *order]


def _surplus(args: argparse.Namespace) -> list[str]:
    options = [f"--scale={args.scale}", f"--speed={args.speed}"]
    if args.surplus_csv is not None:
        options += [f"--surplus-csv={args.surplus_csv}", f"--column={args.column}"]
    return options if args.start is None else [*options, f"--start={args.start}"]


def _address(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"
