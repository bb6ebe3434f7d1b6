"""The simulated fleet as a process: real agents, a real broker, a world link that answers."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from controller.site.load import load
from drivers.errors import ConfigError, DriverLoss, Refused
from drivers.fleet import wire
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.keys import CONTROLLER, load_private, load_public, make_keys
from simulators import messages, worldlink
from simulators.devicewire import DeviceWire
from simulators.fleet.hardware import SimulatedContactor, SimulatedDevice, SimulatedRelay
from simulators.fleet.site import read_fleet
from tests.brokers import BrokerProcess, amqtt_broker
from tests.drivers.fleet.fakes import SITE, FakeController
from tests.drivers.fleet.test_own_models import EXAMPLE, OWN
from tests.ports import free_port
from tests.simulators.world.left_out import LEFT_OUT
from tests.waiting import DEADLINE_S, until

SITE_FILE = f"""\
version: 1
site: {SITE}
grid: {{settle: 2 s}}
nodes: [{{id: pcc, limit: 40 kW}}]
fleet:
  groups:
    - {{id: s21, model: antminer-s21, count: 3, agent: hall-a, node: pcc, failsafe: off}}
    - {{id: gpu, model: hgx-h100, count: 1, agent: rack-b, node: pcc, failsafe: 4 kW}}
  devices:
    - {{id: lone, model: whatsminer-m60s, agent: rack-b, node: pcc, failsafe: "off"}}
mqtt: {{protocol: "3.1.1"}}
"""


class TinyWorld:
    """Answers the world link: every device draws its setpoint."""

    def __init__(self) -> None:
        self.watts: dict[str, float] = {f"s21-00{k}": 25.0 for k in (1, 2, 3)} | {"gpu-001": 150.0, "lone": 13.0}
        self.cuts: set[str] = set()
        self.closed = self.main_closed = True
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(DEADLINE_S)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        server = self._loop.run_until_complete(worldlink.serve("127.0.0.1", self.port, self._answer))
        self._started.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def _answer(self, request: worldlink.AnyRequest) -> worldlink.AnyReply:
        if isinstance(request, messages.DeviceRequest) and request.device not in self.watts:
            raise Refused(f"no device {request.device}")
        match request:
            case messages.CommandDevice(device=device, watts=watts):
                self.watts[device] = watts
                return messages.Cut() if device in self.cuts else worldlink.Ok()
            case messages.StopDevice(device=device):
                self.watts[device] = 0
                return worldlink.Ok()
            case messages.ReadDevice(device=device):
                watts = self.watts[device]
                return messages.DeviceAnswer(
                    setpoint_w=int(watts), watts=watts, measured_by="psu", state="running", uptime_s=1.0, serial="A"
                )
            case messages.SwitchRelay(device="lone", closed=closed):
                self.closed = closed
                return worldlink.Ok()
            case messages.SwitchContactor(node="pcc", closed=closed):
                self.main_closed = closed
                return worldlink.Ok()
        return self._position(request)

    def _position(self, request: worldlink.AnyRequest) -> worldlink.AnyReply:
        match request:
            case messages.ReadRelay(device="lone"):
                return messages.RelayAnswer(closed=self.closed)
            case messages.ReadContactor(node="pcc"):
                return messages.ContactorAnswer(closed=self.main_closed)
        raise Refused("not here")


class Fleet:
    def __init__(self, folder: Path, world_port: int, broker: BrokerProcess) -> None:
        self.folder = folder
        self.site_file = folder / "site.yaml"
        self.site_file.write_text(SITE_FILE)
        make_keys(folder / "keys", [CONTROLLER, "hall-a", "rack-b"])
        self._world, self._broker = f"127.0.0.1:{world_port}", f"127.0.0.1:{broker.port}"
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "simulators.fleet", "--site-file", str(self.site_file)]
        command += ["--world", self._world, "--broker", self._broker, "--keys", str(self.folder / "keys")]
        command += ["--state", str(self.folder / "state"), "--report", "100 ms", *more]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.processes.append(process)
        return process

    def ready(self, *more: str) -> subprocess.Popen[str]:
        process = self.start(*more)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready"), line + (process.stderr.read() if process.stderr else "")
        return process

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate(timeout=DEADLINE_S)


@pytest.fixture
def world() -> Iterator[TinyWorld]:
    with TinyWorld() as world:
        yield world


@pytest.fixture
def broker() -> Iterator[BrokerProcess]:
    with amqtt_broker() as broker:
        yield broker


@pytest.fixture
def fleet(tmp_path: Path, world: TinyWorld, broker: BrokerProcess) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path, world.port, broker)
    yield fleet
    fleet.close()


@pytest.fixture
def controller(fleet: Fleet, broker: BrokerProcess) -> Iterator[FakeController]:
    keys = fleet.folder / "keys"
    agent_keys = {name: load_public(keys / f"{name}.pub") for name in ("hall-a", "rack-b")}
    with FakeController(broker.port, "3.1.1", load_private(keys / "controller.key"), agent_keys) as controller:
        yield controller


def grant(controller: FakeController, agent: str, setpoints: dict[str, int], ttl_ms: int) -> None:
    report = until(lambda: next((r for r in reversed(controller.reports) if r.agent == agent), None), agent)
    sent = controller.send(agent, setpoints=setpoints, ttl_ms=ttl_ms, echo=report.echo, inventory=report.inventory)
    until(lambda: any(r.agent == agent and r.applied_seq == sent.seq for r in controller.reports), "applied")


@pytest.mark.parametrize("offset", ["0 s", "3600s"])
def test_the_fleet_obeys_and_ends_its_leases_by_itself(
    fleet: Fleet, world: TinyWorld, controller: FakeController, offset: str
) -> None:
    fleet.ready(f"--clock-offset={offset}")
    until(lambda: {i.agent for i in controller.inventories} == {"hall-a", "rack-b"}, "inventories")
    grant(controller, "hall-a", {"s21-001": 3500, "s21-002": 2000, "s21-003": 0}, 1500)
    grant(controller, "rack-b", {"gpu-001": 10_200, "lone": 3441}, 1500)
    assert world.watts == {"s21-001": 3500, "s21-002": 2000, "s21-003": 25, "gpu-001": 10_200, "lone": 3441}
    until(lambda: world.watts["gpu-001"] == 4000 and world.watts["lone"] == 13, "failsafe")
    until(lambda: world.watts["s21-001"] == 25, "off")


def test_a_clock_that_jumps_ahead_ends_the_leases(fleet: Fleet, world: TinyWorld, controller: FakeController) -> None:
    process = fleet.ready("--agent", "rack-b", "--clock-jump=40 s")
    grant(controller, "rack-b", {"gpu-001": 10_200, "lone": 3441}, 60_000)
    process.send_signal(signal.SIGUSR1)
    before_ms = controller.reports[-1].echo.boottime_ms
    until(lambda: controller.reports[-1].echo.boottime_ms > before_ms + 30_000, "the jump")
    assert world.watts["gpu-001"] == 10_200
    process.send_signal(signal.SIGUSR1)
    until(lambda: world.watts["gpu-001"] == 4000 and world.watts["lone"] == 13, "failsafe")


def test_the_world_goes_on_when_the_fleet_is_killed_and_a_restart_takes_failsafe(
    fleet: Fleet, world: TinyWorld, controller: FakeController
) -> None:
    first = fleet.ready("--agent", "rack-b")
    grant(controller, "rack-b", {"gpu-001": 10_200, "lone": 3441}, 30_000)
    store = fleet.folder / "state/rack-b.json"
    until(lambda: b'"gpu-001":10200' in store.read_bytes(), "what was raised is stored, which is after it was told")
    first.send_signal(signal.SIGKILL)
    first.wait(DEADLINE_S)
    assert world.watts["gpu-001"] == 10_200
    until(lambda: controller.statuses[-1].state is wire.Presence.OFFLINE, "will")
    fleet.ready("--agent", "rack-b")
    until(lambda: world.watts["gpu-001"] == 4000 and world.watts["lone"] == 13, "failsafe")


def test_an_orderly_end_leaves_failsafe_and_exit_status_0(
    fleet: Fleet, world: TinyWorld, controller: FakeController
) -> None:
    process = fleet.ready("--agent", "rack-b")
    grant(controller, "rack-b", {"gpu-001": 10_200, "lone": 3441}, 30_000)
    process.terminate()
    assert process.wait(DEADLINE_S) == 0
    assert (world.watts["gpu-001"], world.watts["lone"]) == (4000, 13)
    assert json.loads((fleet.folder / "state" / "rack-b.json").read_text())["applied"] == {"gpu-001": 4000, "lone": 13}


def test_an_unknown_agent_and_a_missing_key_are_said(fleet: Fleet) -> None:
    for more, words in ((["--agent", "nobody"], "'nobody', allowed are hall-a, rack-b"), ([], "No such file")):
        (fleet.folder / "keys" / "rack-b.key").unlink(missing_ok=True)
        process = fleet.start(*more)
        _, errors = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 1
        assert re.search(words, errors), errors


def test_devices_and_relays_over_the_world_link(world: TinyWorld) -> None:
    async def scene() -> None:
        link = DeviceWire("127.0.0.1", world.port)
        lone, stranger = SimulatedDevice(link, "lone"), SimulatedDevice(link, "stranger")
        assert await lone.command(3000) is CommandOutcome.ACCEPTED
        reading = await lone.read()
        assert (reading.setpoint_w, reading.watts, reading.measured_by) == (3000, 3000, wire.MeasuredBy.PSU)
        assert (reading.activity, reading.uptime_s, reading.serial) == (wire.Activity.RUNNING, 1.0, "A")
        world.cuts.add("lone")
        assert await lone.command(2500) is CommandOutcome.UNKNOWN
        assert await lone.stop() is CommandOutcome.ACCEPTED
        assert await stranger.command(1) is CommandOutcome.REFUSED
        with pytest.raises(DriverLoss, match="answers with an error"):
            await stranger.read()
        relay, none = SimulatedRelay(link, "lone"), SimulatedRelay(link, "gpu-001")
        assert await relay.switch(closed=False, hold_s=None) is CommandOutcome.ACCEPTED
        assert await relay.read() is False
        assert await none.switch(closed=False, hold_s=None) is CommandOutcome.REFUSED
        with pytest.raises(DriverLoss, match="answers with an error"):
            await none.read()
        await link.close()
        nobody = DeviceWire("127.0.0.1", free_port())
        assert await SimulatedDevice(nobody, "lone").command(1) is CommandOutcome.UNKNOWN
        with pytest.raises(DriverLoss):
            await SimulatedDevice(nobody, "lone").read()

    asyncio.run(scene())


def test_a_contactor_of_an_agent_is_one_more_of_its_devices(
    fleet: Fleet, world: TinyWorld, controller: FakeController
) -> None:
    """What a site's agent reads of it, and that neither the end of a lease nor that of the process moves it."""
    main = "limit: 40 kW, contactor: {trip_after: 60 s, relay: {agent: hall-a, device: main}}"
    fleet.site_file.write_text(SITE_FILE.replace("limit: 40 kW", main))
    process = fleet.ready("--agent", "hall-a", "--relays", "3")
    entry = until(lambda: controller.inventories)[-1].devices[0]
    assert (entry.id, entry.model, entry.max_w, entry.failsafe_w) == ("main", "contactor", 40_000, 40_000)
    miners = dict.fromkeys(("s21-001", "s21-002", "s21-003"), 2000)
    grant(controller, "hall-a", {"main": 0, **miners}, 30_000)
    until(lambda: not world.main_closed, "the contactor to open")
    grant(controller, "hall-a", {"main": 40_000, **miners}, 1500)
    until(lambda: world.main_closed, "the contactor to close")
    until(lambda: world.watts["s21-001"] == 25, "the end of the lease")
    assert world.main_closed is True
    grant(controller, "hall-a", {"main": 0, **miners}, 30_000)
    process.terminate()
    assert process.wait(DEADLINE_S) == 0
    assert world.main_closed is False


def test_a_contactor_over_the_world_link(world: TinyWorld) -> None:
    async def scene() -> None:
        link = DeviceWire("127.0.0.1", world.port)
        main, none = SimulatedContactor(link, "pcc"), SimulatedContactor(link, "nowhere")
        assert await main.read() is True
        assert await main.switch(closed=False, hold_s=None) is CommandOutcome.ACCEPTED
        assert (await main.read(), world.main_closed) == (False, False)
        assert await main.switch(closed=True, hold_s=5.0) is CommandOutcome.REFUSED
        assert await none.switch(closed=False, hold_s=None) is CommandOutcome.REFUSED
        with pytest.raises(DriverLoss, match="contactor of nowhere answers with an error"):
            await none.read()
        await link.close()
        nobody = DeviceWire("127.0.0.1", free_port())
        assert await SimulatedContactor(nobody, "pcc").switch(closed=False, hold_s=None) is CommandOutcome.UNKNOWN
        with pytest.raises(DriverLoss):
            await SimulatedContactor(nobody, "pcc").read()

    asyncio.run(scene())


def test_the_demo_site_is_read() -> None:
    site = read_fleet(Path("configs/demo.yaml"))
    assert sum(len(devices) for devices in site.agents.values()) == 208
    assert site.agents["rack-b3"]["gpu-008"].at_most(site.agents["rack-b3"]["gpu-008"].failsafe_w) == 4000


def test_what_a_site_file_may_leave_out_is_as_the_daemon_has_it(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(LEFT_OUT)
    whole, fleet = read_fleet(Path("configs/demo.yaml")), read_fleet(path)
    assert fleet.settle_s == load(path).grid.settle_s
    assert fleet.agents == whole.agents, "what is off there by its words is off here by default"


def test_the_models_of_the_site_s_own_are_led_too(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(EXAMPLE)
    text = Path("configs/demo.yaml").read_text().replace("model: antminer-s21,", f"model: {OWN},")
    (tmp_path / "site.yaml").write_text(f"{text}\nmodels: own.yaml\n")
    led = [
        device.model for devices in read_fleet(tmp_path / "site.yaml").agents.values() for device in devices.values()
    ]
    assert {model.max_w for model in led if model.id == OWN} == {2192}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", r"site\.yaml:2:1: did not find expected node content"),
        *((text, "the fleet cannot use this site") for text in ("fleet: 1", "site: x", SITE_FILE.replace("4 kW", "4"))),
    ],
)
def test_a_site_file_that_is_no_use_is_a_config_error(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "site.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_fleet(tmp_path / "site.yaml")
