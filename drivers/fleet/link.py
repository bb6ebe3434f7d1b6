"""One MQTT connection that comes back by itself: paho-mqtt behind a small port, for the daemon and the agents alike.

Each connection gets a paho client of its own, so that nothing published before a loss can come out after it. The one
thread of a link connects, runs the network loop and waits with jitter; a callback that raises never ends it.
"""

from __future__ import annotations

import fcntl
import logging
import math
import random
import socket
import ssl
import sys
import termios
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from drivers.errors import ConfigError

_log = logging.getLogger(__name__)
_random = random.SystemRandom()

#: What may wait for its acknowledgement on one connection; more is refused, not queued.
MAX_WAITING: Final = 1000
CONNECT_TIMEOUT_S: Final = 5.0
#: Topics of which it is remembered whether they were subscribed to.
_TOPICS: Final = 4096
#: While nothing listens at the broker's port, an attempt costs nobody anything: it is made at least this often.
_REFUSED_RETRY_S: Final = 1.0
#: A connection that lives this long is steady. Two clients with one id take the connection from one another, without a word of
#: the broker's; after two that were not steady the pauses grow, and the log is told of the return once it is.
_STEADY_S: Final = 60.0

#: Takes topic, payload and whether the broker sent it as retained; called from the link's thread.
OnMessage = Callable[[str, bytes, bool], None]
#: Takes True when the link is up with its subscriptions granted, False when it is lost; from the link's thread.
OnConnection = Callable[[bool], None]
#: Takes in words why there is no connection, at every attempt; from the link's thread.
OnTrouble = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribing:
    """How messages are subscribed to.

    `as_published`: a live message that its sender had retained is told as retained, too; else only the broker's stored copies
    are. MQTT 3.1.1 knows the latter alone. `most_bytes`: of a message, where the broker speaks MQTT 5; None: any.
    """

    qos: int = 1
    as_published: bool = True
    most_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerTls:
    """Files in PEM: the CA that signed the broker, and the certificate and key that identify this side."""

    ca: Path
    certificate: Path | None = None
    private_key: Path | None = None


class Link(Protocol):
    """What the daemon and the agents need of a connection."""

    def start(self) -> None:
        """Begin to connect, and to reconnect."""

    def stop(self) -> None:
        """Send what was published, disconnect and end."""

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1, expiry_s: float | None = None
    ) -> bool:
        """Hand a message to the connection; False, and nothing is kept, where there is none."""


class MqttLink:
    """A `Link` over paho-mqtt.

    `protocol` is ``5`` (message expiry, reason codes, clean start) or ``3.1.1`` (clean session). `will` is topic and
    payload that the broker publishes, retained, when this side is gone. `retry_s` bounds the wait between attempts,
    which doubles from its first to its second value; a third of it at most is cut off at random.

    Raises ConfigError where the TLS files are not usable; a broker that is not there is no error.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        client_id: str,
        on_message: OnMessage,
        on_connection: OnConnection = lambda _up: None,
        on_trouble: OnTrouble = lambda _reason: None,
        subscriptions: Sequence[str] = (),
        wanted: Subscribing = Subscribing(),
        will: tuple[str, bytes] | None = None,
        protocol: Literal["5", "3.1.1"] = "5",
        tls: BrokerTls | None = None,
        username: str | None = None,
        password: str | None = None,
        keepalive_s: int = 10,
        retry_s: tuple[float, float] = (0.5, 10.0),
    ) -> None:
        self._host, self._port = host, port
        self._client_id = client_id
        self._on_message, self._on_connection, self._on_trouble = on_message, on_connection, on_trouble
        self._subscriptions, self._wanted = tuple(subscriptions), wanted
        self._is_wanted = lru_cache(maxsize=_TOPICS)(self._matches)
        self._will = will
        self._version = MQTTProtocolVersion.MQTTv5 if protocol == "5" else MQTTProtocolVersion.MQTTv311
        self._tls = tls_context(tls) if tls else None
        self._username, self._password = username, password
        self._keepalive_s = keepalive_s
        self._retry_s, self._delay_s = retry_s, retry_s[0]
        self._open: paho.Client | None = None
        self._up: paho.Client | None = None
        self._up_since_s = 0.0
        # Of this connection: messages handed to it, and written or acknowledged. Each is counted by one thread alone.
        self._handed = self._written = 0
        self._told_up: bool | None = None
        self._short, self._refused = 0, ""
        self._refusals: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{client_id}", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether the link is up with its subscriptions granted."""
        return self._up is not None

    @property
    def waiting(self) -> int:
        """How many bytes have come from the broker that are not read yet."""
        client = self._open
        connected = None if client is None else client.socket()
        if connected is None:
            return 0
        try:
            return int.from_bytes(fcntl.ioctl(connected.fileno(), termios.FIONREAD, bytes(4)), sys.byteorder)
        except (OSError, ValueError):  # closed by its thread meanwhile
            return 0

    def start(self) -> None:
        """Begin to connect, and to reconnect."""
        self._thread.start()

    def stop(self) -> None:
        """Send what was published, disconnect and end."""
        self._stopping.set()
        client = self._open
        if client is not None:
            client.disconnect()
        if self._thread.is_alive():
            self._thread.join(CONNECT_TIMEOUT_S)  # it may hang for much longer where a name is looked up

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1, expiry_s: float | None = None
    ) -> bool:
        """Hand a message to the connection; False, and nothing is kept, where there is none or it is stuck.

        With MQTT 5 the broker drops the message when it has waited there for `expiry_s`.
        """
        client = self._up
        if client is None or (qos == 0 and self._handed - self._written >= MAX_WAITING):
            return False
        properties = None
        if expiry_s is not None and self._version == MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = max(1, math.ceil(expiry_s))
        if client.publish(topic, payload, qos, retain, properties).rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        self._handed += 1
        return True

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._connection()
            self._stopping.wait(self._delay_s * _random.uniform(2 / 3, 1))
            self._delay_s = min(2 * self._delay_s, self._retry_s[1])

    def _connection(self) -> None:
        """Live through one connection."""
        client = self._client()
        self._open, self._refused = client, ""
        reason = "stopped"
        try:
            client.connect(self._host, self._port, self._keepalive_s, properties=self._asked())
            while (code := client.loop(1.0)) == MQTTErrorCode.MQTT_ERR_SUCCESS:
                if self._stopping.is_set():
                    client.disconnect()
                self._note_steady()
            reason = paho.error_string(code)
        except OSError as error:
            reason = str(error)
            if isinstance(error, ConnectionRefusedError):
                self._delay_s = min(self._delay_s, _REFUSED_RETRY_S)
        except Exception as error:  # noqa: BLE001  paho raises anything on a malformed packet; the link must go on
            reason = f"unusable answer: {error!r}"
        finally:
            self._open = None
        self._down(reason)

    def _asked(self) -> Properties | None:
        """Return what the broker is asked for with a connection."""
        if self._wanted.most_bytes is None or self._version != MQTTProtocolVersion.MQTTv5:
            return None
        asked = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        asked.MaximumPacketSize = self._wanted.most_bytes
        return asked

    def _note_steady(self) -> None:
        """Take a connection for good once it has lived for long enough; one after a short one is not yet told of."""
        if self._up is not None and time.monotonic() - self._up_since_s >= _STEADY_S:
            self._delay_s = self._retry_s[0]
            self._short = 0
            self._log_return()

    def _client(self) -> paho.Client:
        version5 = self._version == MQTTProtocolVersion.MQTTv5
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=self._version,
            clean_session=None if version5 else True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_queued_messages_set(MAX_WAITING)
        client.on_socket_open = _without_nagle
        # Registered, it makes publish wake the loop's thread instead of writing from the caller's.
        client.on_socket_register_write = _leave_to_loop
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_publish = self._published
        client.on_message = self._received
        if self._username is not None:
            client.username_pw_set(self._username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if self._will is not None:
            client.will_set(*self._will, qos=1, retain=True)
        return client

    def _connected(
        self, client: paho.Client, _data: Any, _flags: paho.ConnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._refused = f"refused: {reason}"
            self._log_loss(self._refused)
        elif not self._subscriptions:
            self._rise(client)
        elif self._version == MQTTProtocolVersion.MQTTv5:
            # Retain as published: a retained set is known as one even when it arrives live.
            options = SubscribeOptions(qos=self._wanted.qos, retainAsPublished=self._wanted.as_published)
            client.subscribe([(topic, options) for topic in self._subscriptions])
        else:
            client.subscribe([(topic, self._wanted.qos) for topic in self._subscriptions])

    def _subscribed(
        self, client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._refused = f"subscription refused: {', '.join(refused)}"
            self._log_loss(self._refused)
            client.disconnect()
        else:
            self._rise(client)

    def _published(self, _client: paho.Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        self._written += 1
        if reason.is_failure and str(reason) not in self._refusals:
            self._refusals.add(str(reason))
            _log.warning(
                "broker refuses a message: %s",
                reason,
                extra={"event": "publish_refused", "client": self._client_id, "mid": mid},
            )

    def _received(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            # amqtt hands a new session retained messages that match the subscriptions of others.
            if not self._is_wanted(message.topic):
                return
            self._on_message(message.topic, bytes(message.payload), message.retain)
        except Exception:  # noqa: BLE001  it would end paho's loop, and every later message would be lost with this one
            _log.exception("message dropped", extra={"event": "message_dropped", "client": self._client_id})

    def _matches(self, topic: str) -> bool:
        return any(paho.topic_matches_sub(wanted, topic) for wanted in self._subscriptions)

    def _rise(self, client: paho.Client) -> None:
        self._handed = self._written = 0
        self._up, self._up_since_s = client, time.monotonic()
        if self._short <= 1:
            self._delay_s = self._retry_s[0]
            self._log_return()
        self._tell(up=True)

    def _down(self, reason: str) -> None:
        was_up, self._up = self._up is not None, None
        self._short += was_up and time.monotonic() - self._up_since_s < _STEADY_S
        if not self._stopping.is_set():
            self._log_loss(self._refused or reason)
        if was_up:
            self._tell(up=False)

    def _tell(self, *, up: bool) -> None:
        try:
            self._on_connection(up)
        except Exception:  # noqa: BLE001  as with messages, the link outlives its user's mistakes
            _log.exception("connection callback failed", extra={"event": "callback_failed"} | self._who)

    def _log_loss(self, reason: str) -> None:
        try:
            self._on_trouble(reason)
        except Exception:  # noqa: BLE001  as with messages, the link outlives its user's mistakes
            _log.exception("connection callback failed", extra={"event": "callback_failed"} | self._who)
        if self._told_up is not False:
            self._told_up = False
            extra = {"event": "broker_lost"} | self._who
            _log.warning("broker %s:%d lost: %s", self._host, self._port, reason, extra=extra)

    def _log_return(self) -> None:
        if self._told_up is not True:
            self._told_up = True
            _log.info("broker %s:%d connected", self._host, self._port, extra={"event": "broker_back"} | self._who)

    @property
    def _who(self) -> dict[str, str]:
        return {"client": self._client_id}


def tls_context(tls: BrokerTls) -> ssl.SSLContext:
    """Return what a connection is made with; raises ConfigError where the files are not usable."""
    try:
        context = ssl.create_default_context(cafile=str(tls.ca))
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.private_key)
    except OSError as error:
        raise ConfigError(
            f"TLS files {tls.ca}, {tls.certificate}, {tls.private_key} are not usable: {error}"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _without_nagle(_client: paho.Client, _data: Any, sock: Any) -> None:
    """Send small packets at once: a batch would wait 40 ms for a delayed acknowledgement; paho never sets this."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _leave_to_loop(_client: paho.Client, _data: Any, _sock: Any) -> None:
    """Do nothing: paho's own wake-up reaches the loop."""
