"""What the crowd knows of its agents."""

import asyncio

from simulators.light import packets
from simulators.light.crowd import Crowd, LightConnection
from tests.simulators.light.test_agent import SITE, Wired

#: MQTT 5.0, section 3.9: of packet 1, no properties, QoS 1 is granted.
SUBACK = b"\x90\x04\x00\x01\x00\x01"


class Written(list):
    """A transport that keeps what is written."""

    write = list.append


def test_an_agent_is_known_once_the_broker_has_acknowledged_its_inventory():
    agent = Wired().agent
    crowd = Crowd(SITE, [agent], report_s=1.0, house_w=0.0, surplus_w=0.0)

    async def connect() -> None:
        connection, written = LightConnection(agent, site=SITE, report_s=1.0, first_s=1.0), Written()
        connection.connection_made(written)
        connection.data_received(SUBACK)
        topics = [packets.published(packet).topic for packet in packets.Stream().feed(b"".join(written[1:]))]
        assert topics[0].endswith("/inventory")
        assert crowd.figures()["known"] == 0
        connection.data_received(packets.puback(1))
        assert crowd.figures()["known"] == 1
        connection.connection_lost(None)

    for _ in range(2):  # and on each connection anew
        asyncio.run(connect())
