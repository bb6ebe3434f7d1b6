"""Simulated gateways as processes: read by our drivers, ended by a signal."""

from __future__ import annotations

import asyncio
from pathlib import Path

from drivers.meters.http.address import Url
from drivers.meters.http.meter import HttpMeter
from drivers.meters.http.poll import poll_forever
from drivers.meters.mqtt.listen import listen_forever
from drivers.meters.mqtt.meter import MeterBroker, MqttMeter
from drivers.meters.payloads.profiles import load_payload
from drivers.meters.payloads.reading import PayloadMeter
from tests.brokers import mosquitto_broker
from tests.drivers.meters.watching import Seen, running
from tests.ports import free_port
from tests.simulators.substation.test_processes import Processes, ends_well, power, world


def test_gateways_over_http_and_mqtt_show_the_node_of_the_world_that_is_theirs(tmp_path: Path) -> None:
    async def scenario(broker_port: int) -> None:
        port, asked, heard = free_port(), Seen(), Seen()
        async with world() as address, Processes() as processes:
            web = await processes.start("http", "--world", address, "--meter", f"pcc:shelly_em_gen2:{port}")
            sender = await processes.start(
                *("mqtt", "--world", address, "--broker", f"127.0.0.1:{broker_port}", "--every", "0.1"),
                *("--meter", "feeder-b:evcc_mqtt:evcc"),
            )
            shelly = PayloadMeter(id="m", profile=load_payload("shelly_em_gen2"))
            polled = HttpMeter(payload=shelly, url=Url.parse(f"http://127.0.0.1:{port}"), poll_s=0.1, timeout_s=5.0)
            evcc = MqttMeter(payload=PayloadMeter(id="m", profile=load_payload("evcc_mqtt")), topic="evcc")
            broker = MeterBroker(host="127.0.0.1", port=broker_port)
            async with running(poll_forever(polled, asked)), running(listen_forever(broker, [evcc], heard)):
                await asked.until(power(812_500.0))
                await heard.until(power(-20_000.0))
            assert await ends_well(web)
            assert await ends_well(sender)

    with mosquitto_broker(tmp_path) as broker:
        asyncio.run(scenario(broker.port))
