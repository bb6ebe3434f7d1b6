"""An agent that is killed, before devices whose relays are their dead-man: they fall by themselves, and come back as is stored."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
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
PLUGS = {"s19k-001": ("shelly", ShellyServer), "s19k-002": ("tasmota", TasmotaServer)}


class PluggedHall:
    """Miners before which plugs stand; `heard`: the newest report of their agent, None before the first."""

    def __init__(self, folder: Path, broker: BrokerProcess) -> None:
        self.folder, self.broker = folder, broker
        self.miners = {
            id_: BenchUnit(
                model=MINER,
                pace=PACE,
                clock=boottime_s,
                told_w=MINER.max_w,
                serial=id_,
                mac=f"02:00:00:00:02:0{number}",
            )
            for number, id_ in enumerate(PLUGS)
        }
        self.contacts: dict[str, RelayContact] = {}
        self.devices: list[dict[str, Any]] = []
        self.relays: list[dict[str, Any]] = []
        self.heard: Report | None = None
        self.inventory: Inventory | None = None

    async def serve(self, up: threading.Event, down: asyncio.Event) -> None:
        async with AsyncExitStack() as stack:
            for number, (id_, (family, server_of)) in enumerate(PLUGS.items()):
                miner = self.miners[id_]
                server = await stack.enter_async_context(LuxOsServer(miner, clock=boottime_s))
                mac = f"02:00:00:00:03:0{number}"
                plug = await stack.enter_async_context(server_of(PlugUnit(miner, clock=boottime_s, mac=mac)))
                self.contacts[id_] = plug.contact
                outlet = {"family": family, "host": "127.0.0.1", "port": plug.port, "mac": mac, "hold": f"{HOLD_S:g} s"}
                self.relays.append({"id": f"relay-{id_}", "outlet": outlet})
                self.devices.append(
                    {"id": id_, "family": "luxos", "host": "127.0.0.1", "port": server.port, "serial": id_,
                     "model": MINER.id, "relay": f"relay-{id_}", "failsafe": f"{FAILSAFE_W} W"}
                )  # fmt: skip
            up.set()
            await down.wait()

    def write(self) -> Path:
        """Write the agent's file, its keys, and what an agent before it has stored: more than the failsafe, and as much."""
        make_keys(self.folder / "keys", (CONTROLLER, "hall"))
        (self.folder / "agents").mkdir(mode=0o700)
        applied = dict(zip(self.miners, (MINER.max_w, FAILSAFE_W), strict=True))
        Store(self.folder / "agents" / "hall.json").save(Held(applied=applied))
        raw = {
            "version": 1,
            "site": "yard",
            "agent": "hall",
            "settle": "6 s",
            "mqtt": {
                "host": "127.0.0.1", "port": self.broker.port, "protocol": self.broker.protocol, "keys": "keys",
                "tls": "none",
            },
            "state": "agents",
            "devices": self.devices,
            "relays": self.relays,
        }  # fmt: skip
        path = self.folder / "agent.yaml"
        path.write_text(yaml.safe_dump(raw, sort_keys=False))
        return path

    def take(self, name: str, payload: bytes, _retained: bool) -> None:
        keys = {"hall": load_public(self.folder / "keys" / "hall.pub")}
        if name.endswith("inventory"):
            self.inventory = open_inventory(payload, keys, site="yard", agent="hall")
        else:
            self.heard = open_report(payload, keys, site="yard", agent="hall")

    def tell(self) -> str:
        """Return all there is to see, for the message of a failure."""
        return f"{self.shown()} {self.draws()} {(self.folder / 'agent.log').read_text()[-3000:]}"

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the reports of the agent."""
        link = MqttLink(
            host="127.0.0.1",
            port=self.broker.port,
            client_id="listener",
            on_message=self.take,
            subscriptions=[topic("yard", "hall", leaf) for leaf in (Leaf.REPORT, Leaf.INVENTORY)],
            protocol=self.broker.protocol,  # type: ignore[arg-type]
        )
        link.start()
        try:
            yield
        finally:
            link.stop()

    def draws(self) -> set[int]:
        return {round(miner.draw_w) for miner in self.miners.values()}

    def shown(self) -> tuple[set[int], set[str]]:
        """Return the setpoints and the states of the newest report."""
        report = self.heard
        return (set(), set()) if report is None else (set(report.applied_w), set(report.state))


@contextmanager
def running(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (path.parent / "agent.log").open("ab") as log:
        argv = [sys.executable, "-m", "controller.cli", "agent", "run", str(path)]
        process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.kill()
            process.wait(DEADLINE_S)


@contextmanager
def served(hall: PluggedHall) -> Iterator[None]:
    """Let the devices of a hall be spoken to, by a thread of their own."""
    loop, up, down = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(hall.serve(up, down),), daemon=True)
    thread.start()
    assert up.wait(DEADLINE_S)
    yield
    loop.call_soon_threadsafe(down.set)
    thread.join(DEADLINE_S)
    loop.close()


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[PluggedHall]:
    with mosquitto_broker(tmp_path) as broker:
        hall = PluggedHall(tmp_path, broker)
        with served(hall):
            yield hall


def test_devices_fall_by_their_relays_when_the_agent_is_killed_and_come_back_at_no_more_than_stored_and_failsafe(
    hall: PluggedHall,
) -> None:
    path = hall.write()
    proven = ({FAILSAFE_W}, {Follow.PROVEN})

    with hall.listening():
        with running(path) as process:
            until(
                lambda: hall.shown() == proven and hall.draws() == {FAILSAFE_W},
                "all are at failsafe, proven",
                tell=hall.tell,
            )
            until(lambda: all(one.opens_s for one in hall.contacts.values()), "all are held", tell=hall.tell)
            held = {id_: contact.opens_s for id_, contact in hall.contacts.items()}
            until(
                lambda: all((one.opens_s or 0) > (held[id_] or 0) for id_, one in hall.contacts.items()),
                "all are held anew",
                tell=hall.tell,
            )
            assert hall.draws() == {FAILSAFE_W}
            process.send_signal(signal.SIGKILL)
            killed_s = boottime_s()
            process.wait(DEADLINE_S)
        until(lambda: hall.draws() == {0}, "all are cut off", tell=hall.tell)
        assert boottime_s() - killed_s < HOLD_S + 2.0
        assert [contact.is_closed for contact in hall.contacts.values()] == [False, False]
        hall.heard = None
        highest_w = 0

        def are_back() -> bool:
            nonlocal highest_w
            highest_w = max(highest_w, *hall.draws())
            closed = all(contact.is_closed for contact in hall.contacts.values())
            return closed and hall.shown()[1] == {Follow.PROVEN} and hall.draws() == hall.shown()[0]

        with running(path):
            # What was dark has been off, and without a lease nobody may raise it.
            until(are_back, "all are back, proven", tell=hall.tell)
            assert hall.shown()[0] == {MINER.off_w}
            assert hall.heard is not None
            assert set(hall.heard.proof) <= {Proof.READ_BACK, Proof.BOTH, Proof.WATTS}
            assert highest_w <= FAILSAFE_W


class BareHall(PluggedHall):
    """The same, and a miner before which nothing stands."""

    def __init__(self, folder: Path, broker: BrokerProcess) -> None:
        super().__init__(folder, broker)
        self.bare = BenchUnit(
            model=MINER, pace=PACE, clock=boottime_s, told_w=MINER.max_w, serial="s19k-003", mac="02:00:00:00:02:09"
        )

    async def serve(self, up: threading.Event, down: asyncio.Event) -> None:
        async with LuxOsServer(self.bare, clock=boottime_s) as server:
            self.devices.append(
                {"id": "s19k-003", "family": "luxos", "host": "127.0.0.1", "port": server.port, "serial": "s19k-003",
                 "model": MINER.id, "failsafe": f"{FAILSAFE_W} W"}
            )  # fmt: skip
            await super().serve(up, down)


@pytest.fixture
def bare_hall(tmp_path: Path) -> Iterator[BareHall]:
    with mosquitto_broker(tmp_path) as broker:
        hall = BareHall(tmp_path, broker)
        with served(hall):
            yield hall


@pytest.mark.slow
def test_when_the_machine_of_the_agent_loses_its_power_what_has_a_dead_man_falls_and_the_rest_stays_and_is_known_to(
    bare_hall: BareHall,
) -> None:
    """A process that stands still says no more to anybody: no connection ends, no last word comes, as when power is gone."""
    hall, path = bare_hall, bare_hall.write()
    with hall.listening():
        with running(path) as process:
            until(
                lambda: hall.shown() == ({FAILSAFE_W, MINER.off_w}, {Follow.PROVEN}), "all are proven", tell=hall.tell
            )
            until(lambda: all(one.opens_s for one in hall.contacts.values()), "all are held", tell=hall.tell)
            hall.bare.tell(FAILSAFE_W)  # what a controller had it run on
            process.send_signal(signal.SIGSTOP)
            gone_s = boottime_s()
            until(lambda: hall.draws() == {0}, "all with a dead-man are cut off", tell=hall.tell)
            assert boottime_s() - gone_s < HOLD_S + 2.0
            assert round(hall.bare.draw_w) == FAILSAFE_W, "nothing takes it down"
        inventory = hall.inventory
        assert inventory is not None
        assert [device.id for device in inventory.devices if device.dead_man is None] == ["s19k-003"]
        hall.heard, highest_w = None, 0.0

        def are_back() -> bool:
            nonlocal highest_w
            highest_w = max(highest_w, hall.bare.draw_w, *hall.draws())
            return hall.shown()[1] == {Follow.PROVEN} and all(one.is_closed for one in hall.contacts.values())

        with running(path):
            until(are_back, "all are back, proven", tell=hall.tell)
            assert hall.heard is not None
            stored = Store(hall.folder / "agents" / "hall.json").load().applied
            assert all(
                watts <= min(stored[id_], FAILSAFE_W)
                for id_, watts in zip(sorted(stored), hall.heard.applied_w, strict=True)
            )
            assert set(hall.heard.proof) <= {Proof.READ_BACK, Proof.BOTH, Proof.WATTS}
            assert highest_w <= FAILSAFE_W * 1.01
