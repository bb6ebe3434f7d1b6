"""Meters behind a real broker: what is a reading, and what is none."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from drivers.fleet.link import BrokerTls
from drivers.meters.mqtt.inbox import Message, MessageInbox
from drivers.meters.mqtt.listen import RIDES_S, Hearing, hand_over, listen_forever
from drivers.meters.mqtt.meter import MeterBroker, MqttMeter
from drivers.meters.payloads.profiles import load_payload
from drivers.meters.payloads.reading import PayloadMeter
from drivers.meters.sessions import Watched
from drivers.readings import Loss, Sample
from simulators.devices import timeless
from simulators.substation.mqtt_gateway import connected
from tests.brokers import MOSQUITTO, BrokerProcess, mosquitto_broker
from tests.certificates import issue
from tests.drivers.meters.watching import Seen, in_loop
from tests.ports import free_port
from tests.waiting import until

TOPIC = "evcc/site/grid/power"


def meter(profile: str = "evcc_mqtt", topic: str = "evcc", every_s: float = 0.1, **more: object) -> MqttMeter:
    return MqttMeter(payload=PayloadMeter(id="m", profile=load_payload(profile), **more), topic=topic, every_s=every_s)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with mosquitto_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture
def sender(mosquitto: BrokerProcess) -> Iterator[paho.Client]:
    client = connected("127.0.0.1", mosquitto.port)
    yield client
    client.publish(TOPIC, b"", retain=True).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


@contextlib.asynccontextmanager
async def listening(broker: MeterBroker, *meters: MqttMeter) -> AsyncIterator[Seen]:
    seen = Seen()
    task = asyncio.create_task(listen_forever(broker, meters, seen))
    try:
        yield seen
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@in_loop
async def test_a_stored_copy_is_no_reading_and_a_live_message_that_is_stored_as_well_is_one(
    protocol: str, mosquitto: BrokerProcess, sender: paho.Client
) -> None:
    sender.publish(TOPIC, "777", retain=True).wait_for_publish(10)
    broker = MeterBroker(host="127.0.0.1", port=mosquitto.port, protocol=protocol)  # type: ignore[arg-type]
    async with listening(broker, meter()) as seen:
        await seen.loss("only the broker's stored copy, which may be of any age")
        sender.publish(TOPIC, "778", retain=True)
        sample = await seen.sample()
    assert sample.values == {"active_power_w": 778.0}
    assert not any(isinstance(each, Sample) and 777.0 in each.values.values() for each in seen)


@in_loop
async def test_a_message_that_is_too_long_is_not_even_sent(mosquitto: BrokerProcess, sender: paho.Client) -> None:
    async with listening(MeterBroker(host="127.0.0.1", port=mosquitto.port), meter()) as seen:
        await seen.loss("is the topic right, and does its sender send?")
        sender.publish(TOPIC, b"1" * 400_000)
        sender.publish(TOPIC, "5")
        sample = await seen.sample()
    assert sample.values == {"active_power_w": 5.0}
    assert not any("bytes" in each.reason for each in seen if isinstance(each, Loss))


@in_loop
async def test_a_broker_that_is_not_there_is_said_and_one_that_goes_is_a_loss_at_once(tmp_path: Path) -> None:
    async with listening(MeterBroker(host="127.0.0.1", port=free_port()), meter()) as seen:
        await seen.loss("Connection refused")
    with mosquitto_broker(tmp_path) as broker:
        async with listening(MeterBroker(host="127.0.0.1", port=broker.port), meter(every_s=60.0)) as seen:
            client = connected("127.0.0.1", broker.port)
            while not any(isinstance(each, Sample) for each in seen):
                client.publish(TOPIC, "5")
                await asyncio.sleep(0.02)
            broker.stop(signal.SIGKILL)
            loss = await seen.loss(f"broker 127.0.0.1:{broker.port}: ")
            client.loop_stop()
    assert loss.meter == "m"


@in_loop
async def test_a_broker_that_refuses_the_login_is_said_to(tmp_path: Path) -> None:
    assert MOSQUITTO is not None
    port, passwords = free_port(), tmp_path / "passwords"
    passwords.write_text("")
    passwords.chmod(0o600)
    conf = tmp_path / "mosquitto.conf"
    conf.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\nuser root\nlog_type none\n"
    )
    broker = BrokerProcess([MOSQUITTO, "-c", str(conf)], port, "5")
    broker.start()
    try:
        async with listening(MeterBroker(host="127.0.0.1", port=port, username="me", password="no"), meter()) as seen:
            await seen.loss("refused: Not authorized")
    finally:
        broker.stop(signal.SIGKILL)


@in_loop
async def test_a_broker_with_its_own_certificates_is_read(tmp_path: Path) -> None:
    assert MOSQUITTO is not None
    ca = issue(tmp_path, "ca", None)
    for name in ("broker", "surplusd"):
        issue(tmp_path, name, ca)
    port, conf = free_port(), tmp_path / "mosquitto.conf"
    conf.write_text(
        f"listener {port} 127.0.0.1\ncafile {tmp_path}/ca.pem\ncertfile {tmp_path}/broker.pem\nkeyfile {tmp_path}/broker.key\n"
        "require_certificate true\nallow_anonymous true\nlog_type none\nuser root\n"
    )
    tls = BrokerTls(
        ca=tmp_path / "ca.pem", certificate=tmp_path / "surplusd.pem", private_key=tmp_path / "surplusd.key"
    )
    broker = BrokerProcess([MOSQUITTO, "-c", str(conf)], port, "5")
    broker.start()
    sender = paho.Client(paho.CallbackAPIVersion.VERSION2)
    sender.tls_set(tls.ca, tls.certificate, tls.private_key)
    try:
        sender.connect("127.0.0.1", port)
        sender.loop_start()
        async with listening(MeterBroker(host="127.0.0.1", port=port, tls=tls), meter()) as seen:
            while not any(isinstance(each, Sample) for each in seen):
                sender.publish(TOPIC, "5")
                await asyncio.sleep(0.02)
    finally:
        sender.loop_stop()
        broker.stop(signal.SIGKILL)


class Heard:
    """A hearing with a clock in hand."""

    def __init__(self, wanted: MqttMeter) -> None:
        self.now_s = 100.0
        self.seen: list[Sample | Loss] = []
        self.hearing = Hearing(wanted, Watched(self.seen.append), lambda: self.now_s, lambda: 1_764_504_000.0)

    def hear(self, **bodies: str) -> None:
        told = {f"x/{topic.replace('__', '/')}": Message(body.encode(), self.now_s) for topic, body in bodies.items()}
        self.hearing.hear(told)


def test_of_several_topics_none_is_used_twice_and_the_oldest_says_how_old_it_is() -> None:
    heard = Heard(meter("shelly_3em_gen1_mqtt", "x"))
    heard.hear(emeter__0__power="100", emeter__1__power="200")
    assert heard.seen == []
    heard.now_s = 100.4
    heard.hear(emeter__2__power="300", emeter__0__voltage="230")
    (sample,) = heard.seen
    assert isinstance(sample, Sample)
    assert (sample.values["active_power_w"], sample.taken_at_s, sample.arrived_at_s) == (600.0, 100.0, 100.4)
    assert sample.values["voltage_l1_n_v"] == 230.0
    heard.hear(emeter__0__power="101", emeter__2__power="301")
    assert len(heard.seen) == 1, "the second phase has said nothing new"


def test_what_came_long_before_the_power_does_not_ride_along() -> None:
    heard = Heard(meter("shelly_em_gen1_mqtt", "x"))
    heard.hear(emeter__0__total="1000")
    heard.now_s += RIDES_S + 0.1
    heard.hear(emeter__0__power="5")
    (sample,) = heard.seen
    assert isinstance(sample, Sample)
    assert dict(sample.values) == {"active_power_w": 5.0}
    assert not sample.invalid


def test_a_stamp_of_its_own_topic_belongs_to_the_reading() -> None:
    heard = Heard(meter("home_assistant_statestream", "x", unit="kW"))
    heard.hear(state="5")
    assert heard.seen == []
    heard.hear(last_updated="2025-11-30T11:59:58+00:00")
    (sample,) = heard.seen
    assert isinstance(sample, Sample)
    assert sample.values == {"active_power_w": 5000.0}
    assert sample.taken_at_s == pytest.approx(98.0)


def test_silence_is_a_loss_after_three_intervals_and_is_told_again() -> None:
    heard = Heard(meter(topic="x", every_s=2.0))
    for now_s, losses in ((106.4, 0), (106.6, 1), (110.0, 1), (113.2, 2)):
        heard.now_s = now_s
        heard.hearing.judge_silence("", set())
        assert len(heard.seen) == losses
    heard.hear(site__grid__power="5")
    assert isinstance(heard.seen[-1], Sample)


@in_loop
async def test_of_a_flood_the_newest_is_kept_and_the_loop_is_woken_once() -> None:
    inbox = MessageInbox(asyncio.get_running_loop(), lambda: 1.0)
    for number in range(10_000):
        inbox.put("t", str(number).encode(), False)
    inbox.put("t", b"stored", True)
    await asyncio.wait_for(inbox.came.wait(), 5)
    assert inbox.take() == {"t": Message(b"9999", 1.0)}
    assert inbox.stored == {"t"}
    assert inbox.take() == {}


def test_names_of_clients_are_never_the_same_so_that_check_takes_no_connection_from_the_daemon(
    mosquitto: BrokerProcess, sender: paho.Client
) -> None:
    async def both() -> None:
        broker = MeterBroker(host="127.0.0.1", port=mosquitto.port)
        async with listening(broker, meter(every_s=60.0)) as one, listening(broker, meter(every_s=60.0)) as two:
            while not (any(isinstance(each, Sample) for each in one) and any(isinstance(each, Sample) for each in two)):
                sender.publish(TOPIC, "5")
                await asyncio.sleep(0.02)
            assert not any(isinstance(each, Loss) for each in (*one, *two))

    asyncio.run(both())
    until(sender.is_connected, "the sender is there")


def handed_over(put_at_s: Sequence[float], waiting: Callable[[], int] = lambda: 0) -> list[Sample | Loss]:
    """Return what becomes of messages that are put in at these times, on a clock that only counts waits."""
    seen: list[Sample | Loss] = []

    async def play() -> None:
        loop = asyncio.get_running_loop()
        inbox = MessageInbox(loop, loop.time)
        inbox.up = True
        hearing = Hearing(meter(every_s=60.0), Watched(seen.append), loop.time, lambda: 1_764_504_000.0)
        broker = MeterBroker(host="127.0.0.1")
        task = asyncio.create_task(hand_over(inbox, [hearing], broker, loop.time, waiting))
        for at_s in put_at_s:
            await asyncio.sleep(at_s - loop.time())
            inbox.put(TOPIC, f"{at_s}".encode(), False)
        await asyncio.sleep(0.2)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    timeless.run(play())
    return seen


def test_a_flood_makes_no_more_than_ten_readings_a_second_and_the_newest_is_among_them() -> None:
    seen = handed_over([number / 1000 for number in range(1, 1000)])
    assert 5 <= len(seen) <= 11
    assert isinstance(seen[-1], Sample)
    assert seen[-1].values == {"active_power_w": 0.999}


def test_what_waits_to_be_read_is_as_old_as_the_wait_and_no_reading_after_two_seconds() -> None:
    seen = handed_over([number / 20 for number in range(1, 80)], waiting=lambda: 1)
    samples = [each for each in seen if isinstance(each, Sample)]
    losses = [each for each in seen if isinstance(each, Loss)]
    assert {each.taken_at_s for each in samples} == {0.05}
    assert samples[-1].arrived_at_s == pytest.approx(2.05, abs=0.11)
    assert [f"more comes than can be read, as on {TOPIC}" in each.reason for each in losses] == [True]


def test_what_waited_for_a_moment_leaves_no_trace() -> None:
    waits = iter([0, 0, 5, 0] * 100)
    seen = handed_over([number / 10 for number in range(1, 60)], waiting=lambda: next(waits))
    assert all(isinstance(each, Sample) and each.arrived_at_s - each.taken_at_s < 0.2 for each in seen)
