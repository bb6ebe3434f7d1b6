"""The link to the broker that the site file names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from controller.daemon.secret import read_secret
from controller.site.model import MqttSection
from drivers.fleet.link import BrokerTls, Link, MqttLink, OnConnection, OnMessage

#: Pauses between two attempts to connect.
_FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 10.0

#: Makes the link from its callbacks, its subscriptions with it.
MakeLink = Callable[[OnMessage, OnConnection, tuple[str, ...]], Link]


def make_link(mqtt: MqttSection, client_id: str, *, longest_pause_s: float = LONGEST_PAUSE_S) -> MakeLink:
    """Return what makes a link to that broker under the name `client_id`; it raises ConfigError where a file is not usable.

    `longest_pause_s`: between two attempts to connect.
    """

    def make(on_message: OnMessage, on_connection: OnConnection, subscriptions: tuple[str, ...]) -> Link:
        tls = mqtt.tls
        return MqttLink(
            host=mqtt.host,
            port=mqtt.port,
            client_id=client_id,
            on_message=on_message,
            on_connection=on_connection,
            subscriptions=subscriptions,
            protocol=mqtt.protocol,
            tls=BrokerTls(ca=tls.ca, certificate=tls.certificate, private_key=tls.private_key) if tls else None,
            username=mqtt.username,
            password=read_secret(mqtt.password_file) if mqtt.password_file else None,
            retry_s=(min(_FIRST_PAUSE_S, longest_pause_s), longest_pause_s),
        )

    return make
