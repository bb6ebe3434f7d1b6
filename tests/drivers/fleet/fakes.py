"""A controller and a hardware for the agent's tests; the wire, the link and the broker between them are real."""

import threading
from collections.abc import Callable, Mapping
from typing import Self

from drivers.clock import boottime_s
from drivers.errors import DriverLoss
from drivers.fleet import wire
from drivers.fleet.agent.hardware import DeviceReading
from drivers.fleet.keys import CONTROLLER, PrivateKey, PublicKey
from drivers.fleet.link import MqttLink
from drivers.fleet.wire import DeviceState, Leaf
from tests.waiting import until

SITE = "test-site"


class FakeHardware:
    """Draws what it is told at once; can be made silent, or one device of it."""

    def __init__(self, off_w: Mapping[str, int]) -> None:
        self.watts = dict(off_w)
        self.applied: list[dict[str, int]] = []
        self.times: list[float] = []
        self.silent = False
        self.silent_devices: set[str] = set()

    def apply(self, watts: Mapping[str, int]) -> None:
        if self.silent:
            raise DriverLoss("no answer")
        self.applied.append(dict(watts))
        self.times.append(boottime_s())
        self.watts |= watts

    def measure(self) -> Mapping[str, DeviceReading]:
        if self.silent:
            raise DriverLoss("no answer")
        return {
            id_: DeviceReading(watts=float(watts), state=DeviceState.RUNNING)
            for id_, watts in self.watts.items()
            if id_ not in self.silent_devices
        }


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
        defaults = {"ttl_ms": 30_000, "echo": echo, "epoch": self.epoch, "seq": self.seq}
        return wire.Set(v=1, site=SITE, agent=agent, key=CONTROLLER, **(defaults | fields))

    def send(self, agent: str, **fields) -> wire.Set:
        statement = self.statement(agent, **fields)
        assert self.link.publish(wire.topic(SITE, agent, Leaf.SET), wire.sign(statement, self.key), expiry_s=30)
        return statement

    def report(self, condition: Callable[[wire.Report], bool], what: str = "report") -> wire.Report:
        """Return the newest report once it fulfils the condition."""
        return until(lambda: next((r for r in self.reports[-1:] if condition(r)), None), what)
