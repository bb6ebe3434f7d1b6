"""The MQTT traps, each on real brokers: amqtt (3.1.1) and mosquitto (5)."""

import logging
import queue
import socket
import threading
import time
from typing import Self

import pytest

from drivers.errors import ConfigError
from drivers.fleet.link import BrokerTls, MqttLink
from tests.brokers import BrokerProcess
from tests.ports import free_port
from tests.waiting import DEADLINE_S, until


class Peer:
    """A link whose callbacks fill queues."""

    def __init__(self, port: int, protocol: str, name: str, *, poison: bytes | None = None, **kwargs) -> None:
        self.messages: queue.Queue[tuple[str, bytes, bool]] = queue.Queue()
        self.connections: queue.Queue[bool] = queue.Queue()
        self.poison = poison
        kwargs.setdefault("retry_s", (0.05, 0.3))
        self.link = MqttLink(
            host="127.0.0.1",
            port=port,
            protocol=protocol,
            client_id=name,
            on_message=self._on_message,
            on_connection=self.connections.put,
            **kwargs,
        )

    def _on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        if payload == self.poison:
            raise RuntimeError("poisoned")
        self.messages.put((topic, payload, retained))

    def __enter__(self) -> Self:
        self.link.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.link.stop()

    def wait(self, up: bool) -> None:
        assert self.connections.get(timeout=DEADLINE_S) is up


def peer(broker: BrokerProcess, name: str, **kwargs) -> Peer:
    return Peer(broker.port, broker.protocol, name, **kwargs)


def test_a_message_arrives_with_topic_payload_and_live_flag(broker: BrokerProcess) -> None:
    with peer(broker, "sub", subscriptions=["a/+"]) as sub, peer(broker, "pub") as pub:
        sub.wait(True)
        pub.wait(True)
        assert pub.link.publish("a/b", b"\x00\xff")
        assert sub.messages.get(timeout=DEADLINE_S) == ("a/b", b"\x00\xff", False)


def test_one_poisoned_message_does_not_stop_the_next(broker: BrokerProcess, caplog: pytest.LogCaptureFixture) -> None:
    with peer(broker, "sub", subscriptions=["a"], poison=b"bad") as sub, peer(broker, "pub") as pub:
        sub.wait(True)
        pub.wait(True)
        for payload in (b"1", b"bad", b"2"):
            assert pub.link.publish("a", payload)
        assert [sub.messages.get(timeout=DEADLINE_S)[1] for _ in range(2)] == [b"1", b"2"]
    assert "message dropped" in caplog.text


def test_a_failing_connection_callback_does_not_stop_the_link(broker: BrokerProcess) -> None:
    def fail(_up: bool) -> None:
        raise RuntimeError("mistake")

    received = queue.Queue()
    link = MqttLink(
        host="127.0.0.1",
        port=broker.port,
        protocol=broker.protocol,
        client_id="sub",
        subscriptions=["a"],
        on_message=lambda _topic, payload, _retained: received.put(payload),
        on_connection=fail,
    )
    link.start()
    try:
        with peer(broker, "pub") as pub:
            pub.wait(True)
            until(lambda: link.connected)
            assert pub.link.publish("a", b"1")
            assert received.get(timeout=DEADLINE_S) == b"1"
    finally:
        link.stop()


def test_nothing_arrives_that_only_others_subscribed_to(broker: BrokerProcess) -> None:
    with peer(broker, "all", subscriptions=["#"]) as everything:
        everything.wait(True)
        assert everything.link.publish("b", b"not for you", retain=True)
        assert everything.messages.get(timeout=DEADLINE_S)[1] == b"not for you"
        with peer(broker, "one", subscriptions=["a/+"]) as one:
            one.wait(True)
            assert everything.link.publish("a/1", b"for you")
            assert one.messages.get(timeout=DEADLINE_S)[1] == b"for you"


def test_a_retained_message_is_known_as_one(broker: BrokerProcess) -> None:
    with peer(broker, "pub") as pub:
        pub.wait(True)
        assert pub.link.publish("a", b"old", retain=True)
        with peer(broker, "early", subscriptions=["a"]) as early:
            assert early.messages.get(timeout=DEADLINE_S) == ("a", b"old", True)
        assert pub.link.publish("a", b"", retain=True)


def test_the_first_connection_is_retried_and_loss_and_return_are_logged_once(
    broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    broker.stop()
    caplog.set_level(logging.INFO)
    with peer(broker, "sub", subscriptions=["a"]) as sub, peer(broker, "pub") as pub:
        assert not pub.link.publish("a", b"x")
        time.sleep(0.5)
        broker.start()
        sub.wait(True)
        pub.wait(True)
        assert pub.link.publish("a", b"1")
        assert sub.messages.get(timeout=DEADLINE_S)[1] == b"1"
    events = [record.event for record in caplog.records if getattr(record, "client", "") == "sub"]
    assert events == ["broker_lost", "broker_back"]


def test_nothing_is_queued_across_an_outage_and_subscriptions_come_back(broker: BrokerProcess) -> None:
    with peer(broker, "sub", subscriptions=["a"]) as sub, peer(broker, "pub") as pub:
        sub.wait(True)
        pub.wait(True)
        broker.stop()
        sub.wait(False)
        pub.wait(False)
        assert not pub.link.connected
        assert [pub.link.publish("a", b"stale") for _ in range(8)] == [False] * 8
        broker.start()
        sub.wait(True)
        pub.wait(True)
        assert pub.link.publish("a", b"fresh")
        assert sub.messages.get(timeout=DEADLINE_S)[1] == b"fresh"


def test_what_was_unacknowledged_at_the_loss_is_not_sent_again(broker: BrokerProcess) -> None:
    with peer(broker, "pub") as pub:
        pub.wait(True)
        broker.pause()
        for k in range(50):
            pub.link.publish("a", b"stale %d" % k)
        broker.stop(9)
        broker.start()
        with peer(broker, "sub", subscriptions=["a"]) as sub:
            sub.wait(True)
            pub.wait(False)
            pub.wait(True)
            assert pub.link.publish("a", b"fresh")
            assert sub.messages.get(timeout=DEADLINE_S)[1] == b"fresh"


@pytest.mark.parametrize(("qos", "size"), [(1, 100), (0, 20_000)])
def test_a_stuck_broker_fills_no_memory(broker: BrokerProcess, qos: int, size: int) -> None:
    with peer(broker, "pub") as pub:
        pub.wait(True)
        broker.pause()
        taken = sum(pub.link.publish("a", b"x" * size, qos=qos) for _ in range(2000))
        broker.resume()
        # At QoS 0 the buffers of the two sockets take some megabytes, and what is in them waits no more.
        assert 0 < taken < 2000 if qos == 0 else 0 < taken <= 1000


@pytest.mark.alone
def test_a_broker_that_answers_nothing_is_lost_within_two_keepalives(broker: BrokerProcess) -> None:
    with peer(broker, "sub", subscriptions=["a"], keepalive_s=1) as sub:
        sub.wait(True)
        broker.pause()
        started = time.monotonic()
        sub.wait(False)
        broker.resume()
        assert time.monotonic() - started < 4
        sub.wait(True)


def test_the_will_is_published_and_retained_when_the_peer_is_cut_off(broker: BrokerProcess) -> None:
    with peer(broker, "watch", subscriptions=["status"]) as watch:
        watch.wait(True)
        dying = peer(broker, "dying", will=("status", b"gone"))
        with dying:
            dying.wait(True)
            dying.link._open.socket().shutdown(socket.SHUT_RDWR)
            assert watch.messages.get(timeout=DEADLINE_S)[:2] == ("status", b"gone")
    with peer(broker, "late", subscriptions=["status"]) as late:
        assert late.messages.get(timeout=DEADLINE_S) == ("status", b"gone", True)


def test_no_will_after_an_orderly_stop_but_everything_published(broker: BrokerProcess) -> None:
    with peer(broker, "watch", subscriptions=["status"]) as watch:
        watch.wait(True)
        with peer(broker, "leaving", will=("status", b"gone")) as leaving:
            leaving.wait(True)
            assert leaving.link.publish("status", b"bye")
        assert watch.messages.get(timeout=DEADLINE_S)[1] == b"bye"
        with pytest.raises(queue.Empty):
            watch.messages.get(timeout=0.3)


def test_packets_are_not_held_back_by_nagle(broker: BrokerProcess) -> None:
    with peer(broker, "pub") as pub:
        pub.wait(True)
        assert pub.link._open.socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_publishing_from_many_threads_loses_nothing(broker: BrokerProcess) -> None:
    with peer(broker, "sub", subscriptions=["a/#"]) as sub, peer(broker, "pub") as pub:
        sub.wait(True)
        pub.wait(True)

        def publish(k: int) -> None:
            for n in range(50):
                assert pub.link.publish(f"a/{k}", b"%d" % n)

        threads = [threading.Thread(target=publish, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        received = [sub.messages.get(timeout=DEADLINE_S) for _ in range(200)]
    for k in range(4):
        assert [payload for topic, payload, _ in received if topic == f"a/{k}"] == [b"%d" % n for n in range(50)]


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
def test_two_with_one_id_make_way_for_one_another_ever_longer_and_say_so_once(
    broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first, second = (peer(broker, "same", subscriptions=["a"], retry_s=(0.05, 60.0)) for _ in range(2))
    with first:
        first.wait(True)
        with second:
            until(lambda: min(first.link._delay_s, second.link._delay_s) >= 0.4)
    events = [record.event for record in caplog.records if getattr(record, "client", "") == "same"]
    assert events.count("broker_lost") <= 4, "each of the two is lost twice, and then there is nothing new to be said"


def test_while_nothing_listens_an_attempt_is_made_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: queue.Queue[float] = queue.Queue()
    lonely = Peer(free_port(), "5", "x", retry_s=(0.01, 30.0))
    monkeypatch.setattr(lonely.link._stopping, "wait", waits.put)
    with lonely:
        assert max(waits.get(timeout=DEADLINE_S) for _ in range(20)) <= 1.0


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
def test_mqtt5_message_expires_at_the_broker(broker: BrokerProcess) -> None:
    with peer(broker, "pub") as pub:
        pub.wait(True)
        with peer(broker, "soon", subscriptions=["short", "long"]) as soon:
            soon.wait(True)
            assert pub.link.publish("short", b"1", retain=True, expiry_s=3)
            assert pub.link.publish("long", b"2", retain=True, expiry_s=60)
            found = {soon.messages.get(timeout=DEADLINE_S)[1] for _ in range(2)}
            assert found == {b"1", b"2"}
        time.sleep(4.5)
        with peer(broker, "late", subscriptions=["short", "long"]) as late:
            assert late.messages.get(timeout=DEADLINE_S)[1] == b"2"
            with pytest.raises(queue.Empty):
                late.messages.get(timeout=0.3)


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
def test_mqtt5_retained_is_known_even_when_it_arrives_live(broker: BrokerProcess) -> None:
    with peer(broker, "sub", subscriptions=["a"]) as sub, peer(broker, "pub") as pub:
        sub.wait(True)
        pub.wait(True)
        assert pub.link.publish("a", b"poison", retain=True)
        assert sub.messages.get(timeout=DEADLINE_S) == ("a", b"poison", True)


def test_a_peer_that_is_no_broker_is_retried_and_never_raises() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stranger = Peer(server.getsockname()[1], "3.1.1", "x")
        with stranger:
            for _ in range(2):
                connection, _ = server.accept()
                with connection:
                    connection.recv(100)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 5)
            assert stranger.connections.empty()
            assert not stranger.link.connected


def test_stop_ends_at_once_while_nothing_listens() -> None:
    lonely = Peer(free_port(), "5", "x", retry_s=(30, 30))
    with lonely:
        time.sleep(0.2)
        started = time.monotonic()
    assert time.monotonic() - started < 15, "it does not wait for the next attempt"


def test_unusable_tls_files_are_a_config_error(tmp_path) -> None:
    with pytest.raises(ConfigError, match="TLS files"):
        Peer(1, "5", "x", tls=BrokerTls(ca=tmp_path / "none.pem"))


def test_what_has_come_and_is_not_read_yet_is_counted(broker: BrokerProcess) -> None:
    first, go_on = threading.Event(), threading.Event()

    def hang(_topic: str, _payload: bytes, _retained: bool) -> None:
        first.set()
        assert go_on.wait(DEADLINE_S)

    link = MqttLink(
        host="127.0.0.1",
        port=broker.port,
        protocol=broker.protocol,
        client_id="slow",
        on_message=hang,
        subscriptions=["a"],
    )
    assert link.waiting == 0
    link.start()
    try:
        with peer(broker, "pub") as pub:
            pub.wait(True)
            until(lambda: link.connected, "the slow one is up")
            assert pub.link.publish("a", b"1")
            assert first.wait(DEADLINE_S)
            assert pub.link.publish("a", 1000 * b"2")
            until(lambda: link.waiting > 1000, "it waits")
            go_on.set()
            until(lambda: link.waiting == 0, "it is read")
    finally:
        go_on.set()
        link.stop()
