"""A simulated gateway that sends to an MQTT broker."""

from __future__ import annotations

import asyncio

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from simulators.substation.gateway import Gateway


def connected(host: str, port: int) -> paho.Client:
    """Return a client of the broker, whose thread runs; `loop_stop` and `disconnect` end it."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect(host, port)
    client.loop_start()
    return client


def send_once(gateway: Gateway, client: paho.Client, topic: str) -> None:
    """Send what the gateway says now, below `topic`."""
    if gateway.faults.silent or not gateway.values:
        return
    for below, body in gateway.messages().items():
        client.publish(f"{topic}/{below}" if below else topic, body, retain=gateway.faults.retained)


async def send_forever(gateway: Gateway, client: paho.Client, topic: str, every_s: float) -> None:
    """Send every so many seconds. Never returns; cancel it to stop."""
    while True:
        send_once(gateway, client, topic)
        await asyncio.sleep(every_s)
