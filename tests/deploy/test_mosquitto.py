"""The shipped broker configuration, run by a real mosquitto with certificates from the shipped script."""

from __future__ import annotations

import os
import queue
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from paho.mqtt.client import Client as Paho
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from drivers.fleet.link import BrokerTls, MqttLink
from drivers.fleet.wire import MAX_PAYLOAD_BYTES
from tests.ports import free_port
from tests.waiting import DEADLINE_S, until

A, B, CONTROLLER = "hall-a1", "hall-b1", "surplusd.controller"
CONNECT_311 = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x0a\x00\x01x"
ACCEPTED = b"\x20\x02\x00\x00"


@pytest.fixture(scope="module")
def certificates(deploy: Path, installed, tmp_path_factory) -> Path:
    installed("openssl")
    return make_certificates(deploy, tmp_path_factory.mktemp("certs"))


def make_certificates(deploy: Path, folder: Path) -> Path:
    script = deploy / "mosquitto" / "certificates.sh"
    wanted = [["ca"], ["server", "127.0.0.1", "localhost"], *(["client", name] for name in (A, B, CONTROLLER))]
    for arguments in wanted:
        subprocess.run([script, folder, *arguments], check=True)
    return folder


def tls(folder: Path, name: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    if name:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


@dataclass(frozen=True, kw_only=True)
class Broker:
    port: int
    certificates: Path
    acl: Path
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def broker(deploy: Path, installed, certificates: Path, tmp_path_factory) -> Iterator[Broker]:
    program, port, folder = installed("mosquitto"), free_port(), tmp_path_factory.mktemp("mosquitto")
    acl, conf = folder / "surplusd.acl", folder / "mosquitto.conf"
    acl.write_text((deploy / "mosquitto" / "surplusd.acl").read_text())
    acl.chmod(0o600)
    text = (deploy / "mosquitto" / "mosquitto.conf").read_text()
    for installed_at, here in {
        "listener 8883": f"listener {port} 127.0.0.1",
        "/etc/mosquitto/certs/": f"{certificates}/",
        "/etc/mosquitto/surplusd.acl": str(acl),
        "/var/lib/mosquitto/": f"{folder}/",
        "/run/mosquitto/": f"{folder}/",
    }.items():
        assert installed_at in text
        text = text.replace(installed_at, here)
    if os.geteuid() == 0:
        text += "user root\n"  # root drops to the user mosquitto, which cannot read pytest's folders
    conf.write_text(text)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-c", conf], stderr=log)
    try:
        until(lambda: process.poll() is not None or accepts(port), "mosquitto listens")
        assert process.poll() is None, (folder / "log").read_text()
        yield Broker(port=port, certificates=certificates, acl=acl, process=process)
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Client:
    """A connected and subscribed paho client that collects what it gets."""

    def __init__(
        self,
        broker: Broker,
        name: str,
        *topics: str,
        client_id: str | None = None,
        protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5,
    ):
        self.received: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.lost = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self._subscribed = threading.Semaphore(0)
        paho = self.paho = Paho(CallbackAPIVersion.VERSION2, client_id or name, protocol=protocol)
        paho.tls_set_context(tls(broker.certificates, name))
        paho.on_message = self._take
        paho.on_subscribe = lambda *_: self._subscribed.release()
        paho.on_disconnect = lambda *_: self.lost.set()
        connected = threading.Event()
        paho.on_connect = lambda *_: connected.set()
        paho.connect("127.0.0.1", broker.port)
        paho.loop_start()
        assert connected.wait(DEADLINE_S)
        for topic in topics:
            paho.subscribe(topic, qos=1)
            assert self._subscribed.acquire(timeout=DEADLINE_S)

    def _take(self, _client: Paho, _data: object, message: MQTTMessage) -> None:
        self.gate.wait()
        self.received.put((message.topic, bytes(message.payload)))

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.paho.publish(topic, payload, qos=1, retain=retain).wait_for_publish(DEADLINE_S)

    def hear(self) -> tuple[str, bytes]:
        return self.received.get(timeout=DEADLINE_S)

    def close(self) -> None:
        self.gate.set()
        self.paho.disconnect()
        self.paho.loop_stop()


@pytest.fixture
def client(broker: Broker) -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def connect(name: str, *topics: str, **options) -> Client:
        clients.append(Client(broker, name, *topics, **options))
        return clients[-1]

    yield connect
    for one in clients:
        one.close()


def topic(agent: str, leaf: str) -> str:
    return f"surplus/v2/demo/{agent}/{leaf}"


@pytest.mark.parametrize("protocol", [MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311])
def test_a_set_reaches_its_agent_alone(client, protocol):
    a = client(A, topic(A, "set"), topic(B, "set"), "surplus/#", protocol=protocol)
    b = client(B, topic(B, "set"), protocol=protocol)
    controller = client(CONTROLLER, protocol=protocol)
    controller.say(topic(B, "set"), b"for b")
    controller.say(topic(A, "set"), b"for a")
    assert b.hear() == (topic(B, "set"), b"for b")
    assert a.hear() == (topic(A, "set"), b"for a")  # and not "for b", which was sent first


@pytest.mark.parametrize("leaf", ["report", "inventory", "status"])
def test_the_controller_hears_what_an_agent_says(client, leaf):
    controller = client(CONTROLLER, topic("+", leaf))
    client(A).say(topic(A, leaf), b"mine")
    assert controller.hear() == (topic(A, leaf), b"mine")


def test_an_agent_can_publish_neither_a_set_nor_in_another_s_name(client):
    b = client(B, topic(B, "set"))
    controller = client(CONTROLLER, topic("+", "report"), topic("+", "inventory"), topic("+", "status"))
    a = client(A)
    for agent in (A, B):
        a.say(topic(agent, "set"), b"forged")
    for leaf in ("report", "inventory", "status"):
        a.say(topic(B, leaf), b"forged")
    a.say(topic(A, "report"), b"allowed")
    assert controller.hear() == (topic(A, "report"), b"allowed")
    controller.say(topic(B, "set"), b"real")
    assert b.hear() == (topic(B, "set"), b"real")


def test_an_agent_cannot_listen_to_another_s_report(client):
    eavesdropper = client(B, "surplus/#", topic(A, "report"))
    controller = client(CONTROLLER, topic("+", "report"))
    client(A).say(topic(A, "report"), b"private")
    assert controller.hear()[1] == b"private"
    controller.say(topic(B, "set"), b"own")
    assert eavesdropper.hear() == (topic(B, "set"), b"own")


def test_an_agent_cannot_throw_another_out_by_its_client_id(client):
    a = client(A, topic(A, "set"))
    client(B, client_id=A)
    client(CONTROLLER, client_id=A).say(topic(A, "set"), b"still here")
    assert a.hear()[1] == b"still here"
    assert not a.lost.is_set()


def test_inventory_is_kept_for_a_controller_that_comes_later(client):
    agent = client(A)
    agent.say(topic(A, "inventory"), b"what I have", retain=True)
    controller = client(CONTROLLER, topic(A, "inventory"))
    assert controller.hear() == (topic(A, "inventory"), b"what I have")
    agent.say(topic(A, "inventory"), b"", retain=True)  # the other tests start from nothing


def test_the_largest_message_of_the_contract_passes_and_no_larger_one(client):
    controller = client(CONTROLLER, topic("+", "report"))
    a = client(A)
    a.say(topic(A, "report"), bytes(MAX_PAYLOAD_BYTES))
    assert len(controller.hear()[1]) == MAX_PAYLOAD_BYTES
    a.paho.publish(topic(A, "report"), bytes(MAX_PAYLOAD_BYTES + 100_000), qos=0)
    assert a.lost.wait(DEADLINE_S)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_the_links_of_daemon_and_agent_work_with_it(broker, protocol):
    heard: queue.Queue[tuple[str, bytes]] = queue.Queue()

    def link(name: str, *subscriptions: str) -> MqttLink:
        folder = broker.certificates
        return MqttLink(
            host="localhost",
            port=broker.port,
            client_id=name,
            protocol=protocol,
            tls=BrokerTls(ca=folder / "ca.pem", certificate=folder / f"{name}.pem", private_key=folder / f"{name}.key"),
            subscriptions=subscriptions,
            on_message=lambda topic, payload, _retained: heard.put((topic, payload)),
        )

    controller = link(CONTROLLER, *(topic("+", leaf) for leaf in ("report", "inventory", "status")))
    agent = link(A, topic(A, "set"))
    controller.start()
    agent.start()
    try:
        until(lambda: controller.connected and agent.connected, "both are connected and subscribed")
        assert controller.publish(topic(A, "set"), b"do", expiry_s=30)
        assert heard.get(timeout=DEADLINE_S) == (topic(A, "set"), b"do")
        assert agent.publish(topic(A, "report"), b"done")
        assert heard.get(timeout=DEADLINE_S) == (topic(A, "report"), b"done")
    finally:
        agent.stop()
        controller.stop()


def test_the_will_of_an_agent_that_is_gone_is_heard(broker, client):
    controller = client(CONTROLLER, topic("+", "status"))
    will = text(topic(A, "status")) + text("offline")
    packet = b"\x00\x04MQTT\x04\x0e\x00\x0a" + text("x") + will
    assert connack(broker.port, tls(broker.certificates, A), b"\x10" + bytes([len(packet)]) + packet) == ACCEPTED
    assert controller.hear() == (topic(A, "status"), b"offline")


def text(content: str) -> bytes:
    """Return a string as MQTT writes it."""
    return len(content).to_bytes(2, "big") + content.encode()


def connack(port: int, context: ssl.SSLContext, packet: bytes = CONNECT_311) -> bytes:
    """Return the broker's answer to a connection that then ends without a word."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
    ):
        wrapped.sendall(packet)
        return wrapped.recv(4)


def test_a_certificate_of_the_site_is_let_in(broker):
    assert connack(broker.port, tls(broker.certificates, A)) == ACCEPTED


def test_without_a_certificate_nobody_is_let_in(broker):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connack(broker.port, tls(broker.certificates, None))


def test_a_certificate_of_another_ca_is_not_let_in(broker, deploy, tmp_path):
    foreign = make_certificates(deploy, tmp_path)
    context = tls(broker.certificates, None)
    context.load_cert_chain(foreign / f"{A}.pem", foreign / f"{A}.key")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connack(broker.port, context)


def test_the_server_s_certificate_is_no_client_certificate(broker):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connack(broker.port, tls(broker.certificates, "server"))


def test_without_tls_nobody_is_let_in(broker):
    with socket.create_connection(("127.0.0.1", broker.port), timeout=DEADLINE_S) as plain:
        plain.sendall(CONNECT_311)
        try:
            answer = plain.recv(4)
        except ConnectionError:
            answer = b""
    assert answer != ACCEPTED


@pytest.mark.parametrize("protocol", [MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311])
def test_a_burst_to_a_subscriber_that_stalls_loses_nothing(client, protocol):
    count = 10_000
    controller = client(CONTROLLER, topic("+", "report"), protocol=protocol)
    agent = client(A, protocol=protocol)
    controller.gate.clear()
    sent = [agent.paho.publish(topic(A, "report"), str(number), qos=1) for number in range(count)]
    for message in sent:
        message.wait_for_publish(DEADLINE_S)
    controller.gate.set()
    assert [int(controller.hear()[1]) for _ in range(count)] == list(range(count))


def test_a_stolen_agent_is_locked_out_without_a_restart(broker, client):
    """The two lines of docs/keys.md, read again on SIGHUP."""
    a, b, controller = client(A), client(B), client(CONTROLLER, topic("+", "report"))
    allowed = broker.acl.read_text()
    broker.acl.write_text(allowed + f"\nuser {A}\ntopic deny #\n")
    try:
        broker.process.send_signal(signal.SIGHUP)

        def locked_out() -> bool:
            a.say(topic(A, "report"), b"probe")
            b.say(topic(B, "report"), b"mark")
            heard = controller.hear()[1]
            if heard == b"probe":
                controller.hear()
            return heard == b"mark"

        until(locked_out, "the denial counts")
    finally:
        broker.acl.write_text(allowed)
        broker.process.send_signal(signal.SIGHUP)
