"""One meter behind an MQTT broker as the site has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from drivers.fleet.link import BrokerTls, tls_context
from drivers.meters.payloads.reading import PayloadMeter


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterBroker:
    """Where messages come from; meters with the same broker and login share a connection. `password` is never shown."""

    host: str
    port: int = 1883
    protocol: Literal["5", "3.1.1"] = "5"
    tls: BrokerTls | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def check(self) -> None:
        """Raise ConfigError for certificates that cannot be used."""
        if self.tls is not None:
            tls_context(self.tls)

    def __str__(self) -> str:
        """Return how a person calls it."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttMeter:
    """One meter: `payload` says what its messages mean. `topic`: of its messages, or what stands before those of its profile.

    `every_s`: how often they are expected; after three times that without one the meter is lost.
    """

    payload: PayloadMeter
    topic: str
    every_s: float = 1.0

    def full(self, topic: str) -> str:
        """Return a topic of its profile as the broker knows it."""
        return f"{self.topic}/{topic}" if topic else self.topic
