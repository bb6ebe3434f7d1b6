"""An agent that is killed, and one whose machine loses its power: what has a dead-man falls by itself, and all comes back as is stored."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from drivers.clock import boottime_s
from drivers.fleet.agent.lease import Held
from drivers.fleet.agent.store import Store
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.keys import CONTROLLER, load_public, make_keys
from drivers.fleet.link import MqttLink
from drivers.fleet.wire import Follow, Inventory, Leaf, Proof, Report, open_inventory, open_report, topic
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.luxos import LuxOsServer
from simulators.devices.relay_contact import RelayContact
from simulators.devices.shelly import ShellyServer
from simulators.devices.tasmota import TasmotaServer
from tests.brokers import MOSQUITTO, BrokerProcess, mosquitto_broker
from tests.drivers.devices.plugs import PlugUnit
from tests.waiting import DEADLINE_S, until

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")

MINER = load_catalogue()["antminer-s19k-pro"]
FAILSAFE_W = 784
HOLD_S = 12.0
#: Faster than the real thing, so that a test need not wait for it.
PACE = Pace(down_s=0.5, up_s=0.5, boot_s=0.5)
PLUGS: dict[str, tuple[str, Any]] = {
    "s19k-001": ("shelly", ShellyServer),
    "s19k-002": ("tasmota", TasmotaServer),
}
#: Before this one nothing stands.
BARE = "s19k-003"
STORED_W = {"s19k-001": MINER.max_w, "s19k-002": FAILSAFE_W, BARE: MINER.max_w}


class Hall:
    """Three miners, before two of which plugs stand; `heard`, `inventory`: the newest of their agent, None before the first."""

    def __init__(self, name: str, folder: Path, broker: BrokerProcess) -> None:
        self.name, self.folder, self.broker = name, folder, broker
        self.miners = {
            id_: BenchUnit(
                model=MINER, pace=PACE, clock=boottime_s, told_w=MINER.max_w, serial=id_,
                mac=f"02:00:00:00:02:0{number}",
            )
            for number, id_ in enumerate(STORED_W)
        }  # fmt: skip
        self.contacts: dict[str, RelayContact] = {}
        self.devices: list[dict[str, Any]] = []
        self.relays: list[dict[str, Any]] = []
        self.heard: Report | None = None
        self.inventory: Inventory | None = None
        self.highest_w = 0.0

    async def serve(self, stack: AsyncExitStack) -> None:
        for id_, miner in self.miners.items():
            server = await stack.enter_async_context(LuxOsServer(miner, clock=boottime_s))
            self.devices.append(
                {"id": id_, "family": "luxos", "host": "127.0.0.1", "port": server.port, "serial": id_,
                 "model": MINER.id, "failsafe": f"{FAILSAFE_W} W"}
            )  # fmt: skip
            if id_ in PLUGS:
                self.devices[-1]["relay"] = f"relay-{id_}"
                self.relays.append(await self._plug(stack, id_, miner))

    async def _plug(self, stack: AsyncExitStack, id_: str, miner: BenchUnit) -> dict[str, Any]:
        family, server_of = PLUGS[id_]
        mac = f"02:00:00:00:03:0{len(self.relays)}"
        plug = await stack.enter_async_context(server_of(PlugUnit(miner, clock=boottime_s, mac=mac)))
        self.contacts[id_] = plug.contact
        outlet = {"family": family, "host": "127.0.0.1", "port": plug.port, "mac": mac, "hold": f"{HOLD_S:g} s"}
        return {"id": f"relay-{id_}", "outlet": outlet}

    def write(self) -> Path:
        """Write the agent's file, its keys, and what an agent before it has stored: more than the failsafe, and as much."""
        make_keys(self.folder / "keys", (CONTROLLER, self.name))
        (self.folder / "agents").mkdir(mode=0o700)
        self.store.save(Held(applied=STORED_W))
        mqtt = {"host": "127.0.0.1", "port": self.broker.port, "protocol": self.broker.protocol}
        raw = {
            "version": 1,
            "site": "yard",
            "agent": self.name,
            "settle": "6 s",
            "mqtt": {**mqtt, "keys": "keys", "tls": "none"},
            "state": "agents",
            "devices": self.devices,
            "relays": self.relays,
        }
        path = self.folder / "agent.yaml"
        path.write_text(yaml.safe_dump(raw, sort_keys=False))
        return path

    @property
    def store(self) -> Store:
        return Store(self.folder / "agents" / f"{self.name}.json")

    def take(self, name: str, payload: bytes, _retained: bool) -> None:
        keys = {self.name: load_public(self.folder / "keys" / f"{self.name}.pub")}
        if name.endswith("inventory"):
            self.inventory = open_inventory(payload, keys, site="yard", agent=self.name)
        else:
            self.heard = open_report(payload, keys, site="yard", agent=self.name)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the reports of the agent."""
        link = MqttLink(
            host="127.0.0.1",
            port=self.broker.port,
            client_id=f"listener-{self.name}",
            on_message=self.take,
            subscriptions=[topic("yard", self.name, leaf) for leaf in (Leaf.REPORT, Leaf.INVENTORY)],
            protocol=self.broker.protocol,  # type: ignore[arg-type]
        )
        link.start()
        try:
            yield
        finally:
            link.stop()

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / "agent.log").open("ab") as log:
            argv = [sys.executable, "-m", "controller.cli", "agent", "run", str(self.folder / "agent.yaml")]
            process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)
            try:
                yield process
            finally:
                process.kill()
                process.wait(DEADLINE_S)

    @property
    def plugged_w(self) -> set[int]:
        """What the miners behind plugs draw."""
        return {round(self.miners[id_].draw_w) for id_ in PLUGS}

    def is_proven(self) -> bool:
        """Return whether all that the agent reports is proven, and true."""
        self.highest_w = max(self.highest_w, *(miner.draw_w for miner in self.miners.values()))
        heard = self.heard
        if heard is None or set(heard.state) != {Follow.PROVEN}:
            return False
        draws = [round(self.miners[id_].draw_w) for id_ in sorted(self.miners)]
        return draws == list(heard.applied_w) and set(heard.proof) <= {Proof.READ_BACK, Proof.BOTH, Proof.WATTS}

    def is_held(self) -> bool:
        return all(contact.opens_s for contact in self.contacts.values())

    def tell(self) -> str:
        """Return all there is to see, for the message of a failure."""
        draws = {id_: miner.draw_w for id_, miner in self.miners.items()}
        return f"{self.name}: {self.heard} {draws} {(self.folder / 'agent.log').read_text()[-3000:]}"


@contextmanager
def served(halls: Sequence[Hall]) -> Iterator[None]:
    """Let the devices of halls be spoken to, by a thread of their own."""
    loop, up, down = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            for hall in halls:
                await hall.serve(stack)
            up.set()
            await down.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert up.wait(DEADLINE_S)
    yield
    loop.call_soon_threadsafe(down.set)
    thread.join(DEADLINE_S)
    loop.close()


@pytest.fixture
def halls(tmp_path: Path) -> Iterator[tuple[Hall, Hall]]:
    """Give a hall whose agent is to be killed, and one whose agent's machine is to lose its power."""
    with mosquitto_broker(tmp_path) as broker:
        both = Hall("killed", tmp_path / "killed", broker), Hall("cut", tmp_path / "cut", broker)
        for hall in both:
            hall.folder.mkdir()
        with served(both), ExitStack() as stack:
            for hall in both:
                hall.write()
                stack.enter_context(hall.listening())
            yield both


def test_without_its_agent_what_has_a_dead_man_falls_the_rest_is_named_and_all_come_back_at_no_more_than_stored_and_failsafe(
    halls: tuple[Hall, Hall],
) -> None:
    """An agent that stands still says no more to anybody: no connection ends, no last word comes, as when its machine has lost its power."""
    killed, cut = halls

    def both(holds: Callable[[Hall], bool], what: str) -> None:
        until(
            lambda: False not in [holds(hall) for hall in halls],
            what,
            tell=lambda: "\n".join(hall.tell() for hall in halls),
        )

    with killed.running() as of_killed, cut.running() as of_cut:
        both(lambda hall: hall.is_proven() and hall.plugged_w == {FAILSAFE_W}, "all are at failsafe, proven")
        both(Hall.is_held, "all are held")
        held = {id(one): one.opens_s or 0 for hall in halls for one in hall.contacts.values()}
        both(
            lambda hall: all((one.opens_s or 0) > held[id(one)] for one in hall.contacts.values()), "all are held anew"
        )
        of_killed.send_signal(signal.SIGKILL)
        of_cut.send_signal(signal.SIGSTOP)
        gone_s = boottime_s()
        both(lambda hall: hall.plugged_w == {0}, "all with a dead-man are cut off")
        assert boottime_s() - gone_s < HOLD_S + 2.0
    for hall in halls:
        assert [contact.is_closed for contact in hall.contacts.values()] == [False, False]
        assert round(hall.miners[BARE].draw_w) == FAILSAFE_W, "nothing takes it down"
        assert hall.inventory is not None
        assert [device.id for device in hall.inventory.devices if device.dead_man is None] == [BARE]
        hall.heard, hall.highest_w = None, 0.0
    stored = {hall.name: hall.store.load().applied for hall in halls}
    closed = {True}
    with killed.running(), cut.running():
        # What was dark has been off, and without a lease nobody may raise it.
        both(
            lambda hall: hall.is_proven() and {one.is_closed for one in hall.contacts.values()} == closed,
            "all are back",
        )
    for hall in halls:
        assert hall.heard is not None
        at_most = [min(watts, FAILSAFE_W) for _, watts in sorted(stored[hall.name].items())]
        assert all(now <= most for now, most in zip(hall.heard.applied_w, at_most, strict=True))
        assert hall.plugged_w == {MINER.off_w}
        assert hall.highest_w <= FAILSAFE_W
