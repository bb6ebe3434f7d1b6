"""What `check --live` says of the fleet: the inventories that a real broker keeps, against the site file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from controller.commands.inventories import FleetLook, look_at_fleet
from controller.core.site import Site
from controller.site.compile import compile_site
from controller.site.load import load
from controller.site.model import SiteFile
from drivers.fleet import wire
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.keys import CONTROLLER, PrivateKey, load_private, make_keys
from drivers.fleet.link import MqttLink
from tests.brokers import mosquitto_broker
from tests.controller.commands.agent.test_verify import AGENT, SITE
from tests.waiting import until

S21 = load_catalogue()["antminer-s21"]
DEVICES = [
    wire.InventoryDevice(
        id=f"g-00{k}", model=S21.id, max_w=S21.max_w, off_w=S21.off_w,
        ranges=[wire.Range(from_w=int(S21.modes[1].watts), to_w=S21.max_w)], up_ms=round(1000 * S21.up_s),
        down_ms=round(1000 * S21.down_s), failsafe_w=S21.off_w, proof=wire.Proof.BOTH,
        measured_by=wire.MeasuredBy.PDU, dead_man=None,
    )
    for k in (1, 2, 3)
]  # fmt: skip


class Site1:
    """A broker, a site file, keys, and an agent that has introduced itself once."""

    def __init__(self, folder: Path, port: int) -> None:
        self.keys, self.port = folder / "keys", port
        make_keys(self.keys, (CONTROLLER, AGENT))
        path = folder / "site.yaml"
        path.write_text(SITE.format(port=port, keys=self.keys, agent=AGENT))
        self.file: SiteFile = load(path)
        self.site: Site = compile_site(self.file)

    def look(self, within_s: float = 3.0) -> FleetLook:
        return look_at_fleet(self.file, self.site, within_s)

    def introduce(self, devices: list[wire.InventoryDevice], key: PrivateKey | None = None) -> None:
        body = wire.Inventory(
            v=2, site="bench", agent=AGENT, key=AGENT, echo=wire.Echo(boot="b", boottime_ms=1),
            inventory=wire.inventory_id(devices), devices=devices,
        )  # fmt: skip
        link = MqttLink(host="127.0.0.1", port=self.port, client_id="an-agent", on_message=lambda *_: None)
        link.start()
        until(lambda: link.connected, "the agent is connected")
        name = wire.topic("bench", AGENT, wire.Leaf.INVENTORY)
        assert link.publish(name, wire.sign(body, key or load_private(self.keys / f"{AGENT}.key")), retain=True)
        link.stop()

    @contextmanager
    def reporting(self, devices: list[wire.InventoryDevice]) -> Iterator[None]:
        """Have the agent report again and again."""
        count, over = len(devices), threading.Event()
        key = load_private(self.keys / f"{AGENT}.key")
        link = MqttLink(host="127.0.0.1", port=self.port, client_id="an-agent", on_message=lambda *_: None)
        link.start()

        def report() -> None:
            turn = 0
            while not over.wait(0.05):
                turn += 1
                body = wire.Report(
                    v=2, site="bench", agent=AGENT, key=AGENT, echo=wire.Echo(boot="b", boottime_ms=1 + turn), epoch=1,
                    accepted_seq=1, applied_seq=1, lease_left_ms=0, lapsed=False, inventory=wire.inventory_id(devices),
                    applied_w=[25] * count, measured_w=[None] * count, measured_by="n" * count, state="p" * count,
                    proof="r" * count, activity="o" * count, head_seen=None, head_stored=None, refused=None,
                )  # fmt: skip
                link.publish(wire.topic("bench", AGENT, wire.Leaf.REPORT), wire.sign(body, key))

        thread = threading.Thread(target=report)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            link.stop()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Site1]:
    with mosquitto_broker(tmp_path) as broker:
        yield Site1(tmp_path, broker.port)


def test_an_agent_that_says_what_the_site_file_says_is_no_finding(there):
    there.introduce(DEVICES)
    with there.reporting(DEVICES):
        assert there.look() == FleetLook()


def test_an_agent_that_has_introduced_itself_and_is_silent_now_is_named(there):
    there.introduce(DEVICES)
    assert there.look(1.0).findings == (f"agent {AGENT} is silent: no report within 1 s",)


def test_what_the_two_say_differently_is_named(there):
    devices = [msgspec.structs.replace(DEVICES[0], max_w=3000), DEVICES[1]]
    there.introduce(devices)
    with there.reporting(devices):
        findings = there.look().findings
    assert findings == (
        f"agent {AGENT} does not have g-003",
        f"agent {AGENT} says max_w 3000 of g-001, the site file says 3500",
    )


def test_an_agent_that_was_never_there_or_signs_with_another_key_is_named(there):
    assert there.look(1.0).findings == (f"agent {AGENT} has not said what it has",)
    there.introduce(DEVICES, PrivateKey.generate())
    (found,) = there.look(1.0).findings
    assert "the signature is of no known key" in found


def test_a_fleet_that_cannot_be_asked_is_no_finding_and_is_said(there, tmp_path):
    (there.keys / f"{AGENT}.pub").unlink()
    assert f"{AGENT}.pub" in there.look().unasked
    make_keys(tmp_path / "keys", (f"{AGENT}-2",))
    (there.keys / f"{AGENT}-2.pub").rename(there.keys / f"{AGENT}.pub")
    there.file = there.file.model_copy(update={"mqtt": there.file.mqtt.model_copy(update={"port": 1})})
    assert "no link to the broker" in there.look(0.5).unasked
