"""Many light agents on their connections, and the meters that show what they draw, in one asyncio loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from drivers.clock import boottime_s
from drivers.fleet.wire import Leaf, Presence
from simulators.light import packets
from simulators.light.agent import LightAgent
from simulators.substation.encoder import read_data
from simulators.substation.meter import SimulatedMeter
from simulators.substation.modbus_server import Unit, serve_gateway
from simulators.worldlink import Truth

#: Of the meter and of the source of the surplus: their profile, their units, and how often each measures.
PROFILE: Final = "siemens_pac3200_4200"
MAIN_UNIT: Final = 1
SURPLUS_UNIT: Final = 2
_REFRESH_S: Final = 0.2
#: Pause before an agent tries its broker again.
_AGAIN_S: Final = 0.2
_NUMBERS: Final = 65_535
#: By the contract, a report that waits at the broker for so long is dropped there.
_EXPIRY_S: Final = 3


class LightConnection(asyncio.Protocol):
    """The connection of one agent: reports every `report_s` and after each set that it takes."""

    def __init__(self, agent: LightAgent, *, site: str, report_s: float, first_s: float) -> None:
        """`first_s`: until the first report of the rhythm, so that those of many agents are spread."""
        self._agent, self._site, self._report_s, self._first_s = agent, site, report_s, first_s
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._number = 0
        self.lost = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        """Introduce the client."""
        self._transport, self._stream = transport, packets.Stream()
        will = self._agent.topic(Leaf.STATUS), self._agent.status(Presence.OFFLINE)
        transport.write(packets.connect(f"{self._site}.{self._agent.agent}", will=will))

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop reporting."""
        del exc
        if self._timer is not None:
            self._timer.cancel()
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        """Deal with all packets that are whole."""
        for packet in self._stream.feed(data):
            if packet.kind == packets.PUBLISH:
                self._take(packets.published(packet))
            elif packet.kind == packets.CONNACK:
                self._write(packets.subscribe(self._next(), self._agent.topic(Leaf.SET)))
            elif packet.kind == packets.SUBACK:
                self._introduce()
            elif packet.kind == packets.PUBACK:
                self._agent.known = True  # acknowledgements come in turn, and the inventory is the first message

    def _introduce(self) -> None:
        inventory = self._agent.meet(boottime_s())
        self._publish(Leaf.INVENTORY, inventory, retain=True)
        self._publish(Leaf.STATUS, self._agent.status(Presence.ONLINE), retain=True)
        self._timer = asyncio.get_running_loop().call_later(self._first_s, self._report_in_turn)

    def _take(self, message: packets.LightMessage) -> None:
        taken = not message.retained and self._agent.take(message.payload, boottime_s())
        if message.number is not None:
            self._write(packets.puback(message.number))
        if taken:
            self._report()

    def _report_in_turn(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._report_s, self._report_in_turn)
        self._report()

    def _report(self) -> None:
        self._publish(Leaf.REPORT, self._agent.report(boottime_s()), expiry_s=_EXPIRY_S)

    def _publish(self, leaf: Leaf, payload: bytes, *, retain: bool = False, expiry_s: int | None = None) -> None:
        topic = self._agent.topic(leaf)
        self._write(packets.publish(topic, payload, number=self._next(), retain=retain, expiry_s=expiry_s))

    def _next(self) -> int:
        self._number = self._number % _NUMBERS + 1
        return self._number

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


class Crowd:
    """All agents of a site at one broker."""

    def __init__(
        self, site: str, agents: Sequence[LightAgent], *, report_s: float, house_w: float, surplus_w: float
    ) -> None:
        self._site, self.agents, self._report_s = site, agents, report_s
        self._house_w, self._surplus_w = house_w, surplus_w

    async def run(self, broker: tuple[str, int], meter_port: int) -> None:
        """Serve until cancelled."""
        host, port = broker
        meters = {unit: SimulatedMeter(node=node, data=read_data(PROFILE)) for unit, node in _NODES.items()}
        units = {unit: Unit(meter.shown) for unit, meter in meters.items()}
        await serve_gateway(host, meter_port, units=units)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._measure(list(meters.values())))
            for a, agent in enumerate(self.agents):
                first_s = self._report_s * a / len(self.agents)
                group.create_task(self._stay(agent, host, port, first_s))

    async def _stay(self, agent: LightAgent, host: str, port: int, first_s: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, connection = await loop.create_connection(
                    lambda: LightConnection(agent, site=self._site, report_s=self._report_s, first_s=first_s),
                    host,
                    port,
                )
                await connection.lost.wait()
            except OSError:
                pass
            await asyncio.sleep(_AGAIN_S)

    async def _measure(self, meters: Sequence[SimulatedMeter]) -> None:
        while True:
            site_w = self._house_w + sum(agent.draw_w for agent in self.agents)
            truth = self._truth(site_w)
            for meter in meters:
                meter.measure(truth)
            await asyncio.sleep(_REFRESH_S)

    def _truth(self, site_w: float) -> Truth:
        return Truth(
            t_s=boottime_s(), ready=True, site_w=site_w, node_w={"pcc": site_w, "surplus": self._surplus_w},
            surplus_w=self._surplus_w, export_w=0.0, feeder_load_w=0.0, frequency_hz=50.0, devices_by_state={}, envelope_w=0.0,
            binding="",
        )  # fmt: skip

    def figures(self) -> Mapping[str, float]:
        """Return what has become of the agents: how many, and when the last."""
        led = [agent.led_s for agent in self.agents if agent.led_s is not None]
        down = [agent.down_s for agent in self.agents if agent.down_s is not None]
        return {
            "agents": len(self.agents),
            "known": sum(agent.known for agent in self.agents),
            "led": len(led),
            "first_led_s": min(led, default=0.0),
            "last_led_s": max(led, default=0.0),
            "down": len(down),
            "last_down_s": max(down, default=0.0),
            "taken": sum(agent.taken for agent in self.agents),
            "lapses": sum(agent.lapses for agent in self.agents),
            "unsure_raises": sum(agent.unsure_raises for agent in self.agents),
            "draw_w": sum(agent.draw_w for agent in self.agents),
        }


_NODES: Final = {MAIN_UNIT: "pcc", SURPLUS_UNIT: "surplus"}
