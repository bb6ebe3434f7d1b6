"""A controller and devices for the agent's tests; the wire, the link and the broker between them are real."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Self

from drivers.clock import boottime_s
from drivers.errors import DriverLoss
from drivers.fleet import wire
from drivers.fleet.agent.device import CommandOutcome, DeviceReading, Ports
from drivers.fleet.keys import CONTROLLER, PrivateKey, PublicKey
from drivers.fleet.link import MqttLink
from drivers.fleet.wire import Activity, Leaf, MeasuredBy
from tests.waiting import until

SITE = "test-site"


class FakeDevice:
    """Draws what it is told at once, names it and measures it. Silent, it answers nothing, within `timeout_s`."""

    def __init__(self, off_w: int) -> None:
        self.off_w = self.setpoint_w = off_w
        self.told: list[tuple[float, int]] = []
        self.reads = 0
        self.watts: float | None = None  # instead of the setpoint
        self.silent = self.does = False
        self.timeout_s = 0.05
        self.outcome = CommandOutcome.ACCEPTED
        self.uptime_s = 1000.0
        self.serial = "A"
        self.names = True

    async def read(self) -> DeviceReading:
        self.reads += 1
        await self._answer()
        return DeviceReading(
            setpoint_w=self.setpoint_w if self.names else None,
            watts=float(self.setpoint_w) if self.watts is None else self.watts,
            measured_by=MeasuredBy.PSU,
            activity=Activity.RUNNING,
            uptime_s=self.uptime_s,
            serial=self.serial,
        )

    async def command(self, watts: int) -> CommandOutcome:
        self.told.append((boottime_s(), watts))
        try:
            await self._answer()
        except DriverLoss:
            if self.does:
                self.setpoint_w = watts
            return CommandOutcome.UNKNOWN
        if self.outcome is CommandOutcome.ACCEPTED:
            self.setpoint_w = watts
        return self.outcome

    async def stop(self) -> CommandOutcome:
        return await self.command(self.off_w)

    async def _answer(self) -> None:
        if self.silent:
            await asyncio.sleep(self.timeout_s)
            raise DriverLoss("no answer")


class FakeHall:
    """Devices by id, and what all of them do."""

    def __init__(self, off_w: Mapping[str, int]) -> None:
        self.devices = {id_: FakeDevice(watts) for id_, watts in off_w.items()}

    @property
    def ports(self) -> dict[str, Ports]:
        return {id_: Ports(device=device) for id_, device in self.devices.items()}

    @property
    def watts(self) -> dict[str, int]:
        return {id_: device.setpoint_w for id_, device in self.devices.items()}

    def draw(self, watts: Mapping[str, int]) -> None:
        """Have devices run on something that nobody has told them."""
        for id_, value in watts.items():
            self.devices[id_].setpoint_w = value

    @property
    def told(self) -> list[tuple[float, int]]:
        """When a device was told something, and how many watts, in the sequence of time."""
        return sorted(entry for device in self.devices.values() for entry in device.told)


class FakeController:
    """Signs sets with the controller's key and keeps what the agents say."""

    def __init__(
        self, port: int, protocol: str, key: PrivateKey, agent_keys: Mapping[str, PublicKey], *, epoch: int = 1
    ) -> None:
        self.key, self.epoch, self.seq = key, epoch, 0
        self._agent_keys = agent_keys
        self._lock = threading.Lock()
        self.reports: list[wire.Report] = []
        self.inventories: list[wire.Inventory] = []
        self.statuses: list[wire.Status] = []
        self.link = MqttLink(
            host="127.0.0.1",
            port=port,
            protocol=protocol,
            client_id="controller",
            subscriptions=[wire.topic(SITE, "+", leaf) for leaf in (Leaf.REPORT, Leaf.INVENTORY, Leaf.STATUS)],
            on_message=self._on_message,
            retry_s=(0.05, 0.3),
        )

    def __enter__(self) -> Self:
        self.link.start()
        until(lambda: self.link.connected, "controller connected")
        return self

    def __exit__(self, *_exc: object) -> None:
        self.link.stop()

    def _on_message(self, topic: str, payload: bytes, _retained: bool) -> None:
        agent, leaf = wire.parse_topic(topic, SITE)
        keys = {agent: self._agent_keys[agent]}
        match leaf:
            case Leaf.REPORT:
                self.reports.append(wire.open_report(payload, keys, site=SITE, agent=agent))
            case Leaf.INVENTORY:
                self.inventories.append(wire.open_inventory(payload, keys, site=SITE, agent=agent))
            case Leaf.STATUS:
                self.statuses.append(wire.open_status(payload, site=SITE, agent=agent))

    def statement(self, agent: str, **fields) -> wire.Set:
        """Return the next statement; the echo is the newest report's unless given."""
        self.seq += 1
        echo = self.reports[-1].echo if self.reports else None
        defaults = {"ttl_ms": 30_000, "echo": echo, "epoch": self.epoch, "seq": self.seq, "head": None}
        inventory = next((report.inventory for report in self.reports[::-1] if report.agent == agent), "0" * 16)
        setpoints = fields.pop("setpoints", None)
        if isinstance(setpoints, Mapping):
            setpoints = [setpoints[id_] for id_ in sorted(setpoints)]
        own = {"inventory": inventory, "setpoints_w": setpoints}
        return wire.Set(v=2, site=SITE, agent=agent, key=CONTROLLER, **(defaults | own | fields))

    def send(self, agent: str, **fields) -> wire.Set:
        statement = self.statement(agent, **fields)
        assert self.link.publish(wire.topic(SITE, agent, Leaf.SET), wire.sign(statement, self.key), expiry_s=30)
        return statement

    def report(self, condition: Callable[[wire.Report], bool], what: str = "report") -> wire.Report:
        """Return the newest report once it fulfils the condition."""
        return until(lambda: next((r for r in self.reports[-1:] if condition(r)), None), what)
