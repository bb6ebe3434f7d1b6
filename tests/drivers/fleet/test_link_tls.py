"""The link over TLS with client certificates, on a real mosquitto."""

import queue
import signal
from pathlib import Path

import pytest

from drivers.fleet.link import BrokerTls, MqttLink
from tests.brokers import MOSQUITTO, BrokerProcess
from tests.certificates import issue
from tests.ports import free_port
from tests.waiting import DEADLINE_S, until

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")

CONF = """\
listener {port} 127.0.0.1
cafile {folder}/ca.pem
certfile {folder}/broker.pem
keyfile {folder}/broker.key
require_certificate true
use_identity_as_username true
acl_file {folder}/acl
log_type none
user root
"""
ACL = """\
pattern read surplus/v1/+/%u/set
pattern write surplus/v1/+/%u/report
"""


@pytest.fixture
def secured(tmp_path: Path):
    ca = issue(tmp_path, "ca", None)
    for name in ("broker", "hall-a"):
        issue(tmp_path, name, ca)
    port = free_port()
    (tmp_path / "acl").write_text(ACL)
    (tmp_path / "mosquitto.conf").write_text(CONF.format(port=port, folder=tmp_path))
    broker = BrokerProcess([MOSQUITTO, "-c", str(tmp_path / "mosquitto.conf")], port, "5")
    broker.start()
    yield tmp_path, port
    broker.stop(signal.SIGKILL)


def connections(port: int, tls: BrokerTls, caplog: pytest.LogCaptureFixture) -> tuple[MqttLink, queue.Queue[bool]]:
    caplog.set_level("INFO")
    seen: queue.Queue[bool] = queue.Queue()
    link = MqttLink(
        host="127.0.0.1",
        port=port,
        client_id="hall-a",
        tls=tls,
        subscriptions=["surplus/v1/demo/hall-a/set"],
        on_message=lambda *_: None,
        on_connection=seen.put,
        retry_s=(0.05, 0.2),
    )
    link.start()
    return link, seen


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.event for record in caplog.records if record.name == "drivers.fleet.link"]


def test_both_sides_prove_who_they_are_and_a_refused_publish_is_said(secured, caplog) -> None:
    folder, port = secured
    tls = BrokerTls(ca=folder / "ca.pem", certificate=folder / "hall-a.pem", private_key=folder / "hall-a.key")
    link, seen = connections(port, tls, caplog)
    try:
        assert seen.get(timeout=DEADLINE_S)
        assert link.publish("surplus/v1/demo/hall-a/report", b"mine")
        assert link.publish("surplus/v1/demo/hall-b/report", b"another's")
        until(lambda: "publish_refused" in events(caplog))
        assert link.publish("surplus/v1/demo/hall-b/report", b"again")
        until(lambda: not link._open._out_messages)
    finally:
        link.stop()
    assert events(caplog) == ["broker_back", "publish_refused"]


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("bare", [True, False])
def test_without_a_certificate_or_with_another_ca_there_is_no_connection(secured, caplog, bare: bool) -> None:
    folder, port = secured
    other = folder / "other"
    other.mkdir()
    issue(other, "ca", None)
    tls = BrokerTls(ca=folder / "ca.pem") if bare else BrokerTls(ca=other / "ca.pem")
    link, seen = connections(port, tls, caplog)
    try:
        with pytest.raises(queue.Empty):
            seen.get(timeout=0.6)
        assert not link.connected
    finally:
        link.stop()
    assert events(caplog) == ["broker_lost"]
