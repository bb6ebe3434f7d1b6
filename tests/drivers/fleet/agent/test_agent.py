"""The agent against a controller over real brokers, with short leases."""

import threading
from functools import partial
from pathlib import Path

import pytest

from drivers.clock import boottime_s
from drivers.fleet import wire
from drivers.fleet.agent.agent import Agent
from drivers.fleet.agent.lease import Held, LeasedDevice
from drivers.fleet.agent.store import Store
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.keys import CONTROLLER, PrivateKey
from drivers.fleet.link import MqttLink
from drivers.fleet.wire import DeviceState, Leaf
from tests.brokers import BrokerProcess
from tests.drivers.fleet.fakes import SITE, FakeController, FakeHardware
from tests.waiting import DEADLINE_S, until

AGENT = "hall-a"
S21 = load_catalogue()["antminer-s21"]
GPU = load_catalogue()["hgx-h100"]
DEVICES = {f"m-{k}": LeasedDevice(model=S21, failsafe_w=0) for k in range(3)} | {
    "g-1": LeasedDevice(model=GPU, failsafe_w=4000)
}
OFF = {id_: device.model.off_w for id_, device in DEVICES.items()}
FULL = {"m-0": 3500, "m-1": 3000, "m-2": 1400, "g-1": 10200}
FAILSAFE = OFF | {"g-1": 4000}
LATE_S = 0.5  # what a busy machine may add


class Bench:
    """One agent, its hardware, and a controller, on one broker."""

    def __init__(self, broker: BrokerProcess, folder: Path) -> None:
        self.broker = broker
        self.path = folder / "agent.json"
        self.controller_key, self.agent_key = PrivateKey.generate(), PrivateKey.generate()
        self.hardware = FakeHardware(OFF)
        self.controller = FakeController(
            broker.port, broker.protocol, self.controller_key, {AGENT: self.agent_key.public_key()}
        )
        self.started: list[tuple[Agent, threading.Thread]] = []

    def agent(self, *, offset_s: float = 0.0, report_s: float = 0.2, settle_s: float = 15.0) -> Agent:
        connect = partial(
            MqttLink, host="127.0.0.1", port=self.broker.port, protocol=self.broker.protocol, retry_s=(0.05, 0.3)
        )
        agent = Agent(
            site=SITE,
            agent=AGENT,
            devices=DEVICES,
            hardware=self.hardware,
            connect=connect,
            key=self.agent_key,
            controller_keys={CONTROLLER: self.controller_key.public_key()},
            store=Store(self.path),
            settle_s=settle_s,
            report_s=report_s,
            clock=lambda: boottime_s() + offset_s,
        )
        thread = threading.Thread(target=agent.run, name="agent")
        self.started.append((agent, thread))
        thread.start()
        return agent

    def stop_agents(self) -> None:
        for agent, thread in self.started:
            agent.stop()
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
        self.started.clear()

    def raw(self, payload: bytes, **kwargs) -> None:
        assert self.controller.link.publish(wire.topic(SITE, AGENT, Leaf.SET), payload, **kwargs)

    def granted(self, **fields) -> wire.Set:
        """Send full power and wait until the agent says that it is applied."""
        self.controller.report(lambda r: True, "first report")
        sent = self.controller.send(AGENT, setpoints=FULL, **fields)
        self.controller.report(lambda r: r.applied_seq == sent.seq, "applied")
        assert self.hardware.watts == FULL
        return sent


@pytest.fixture
def bench(broker: BrokerProcess, tmp_path: Path):
    bench = Bench(broker, tmp_path)
    with bench.controller:
        yield bench
        bench.stop_agents()


def test_introduces_itself_and_acknowledges_twice(bench: Bench) -> None:
    bench.agent(report_s=60)
    inventory = until(lambda: bench.controller.inventories)[-1]
    assert inventory.devices["g-1"] == wire.InventoryDevice(model="hgx-h100", max_w=10200, off_w=150, failsafe_w=4000)
    assert until(lambda: bench.controller.statuses)[-1].state is wire.Presence.ONLINE
    bench.granted()
    accepted, applied = bench.controller.reports[-2:]
    assert (accepted.accepted_seq, accepted.applied_seq) == (1, 0)
    assert {id_: d.setpoint_w for id_, d in accepted.devices.items()} == OFF
    assert (applied.accepted_seq, applied.applied_seq, applied.lapsed, applied.refused) == (1, 1, False, None)
    assert {id_: d.setpoint_w for id_, d in applied.devices.items()} == FULL
    assert applied.devices["m-0"].measured_w == 3500.0
    assert 29_000 < applied.lease_left_ms <= 30_000


def test_reports_by_itself(bench: Bench) -> None:
    bench.agent(report_s=0.05)
    until(lambda: len(bench.controller.reports) > 5)


@pytest.mark.alone
@pytest.mark.parametrize("offset_s", [3600.0, -3600.0, 0.0])
def test_i5_no_setpoint_outlives_its_lease_whatever_the_clock_offset(bench: Bench, offset_s: float) -> None:
    offset_s = max(offset_s, 10.0 - boottime_s())
    bench.agent(offset_s=offset_s)
    sent = bench.granted(ttl_ms=1500)
    until(lambda: bench.hardware.watts == FAILSAFE, "failsafe")
    ends = bench.hardware.times[-4:]
    end_s = (sent.echo.boottime_ms + sent.ttl_ms) / 1000 - offset_s
    assert end_s - 0.51 < ends[0] < ends[-1] < end_s + LATE_S, "one after the other"
    report = bench.controller.report(lambda r: r.lapsed and r.lease_left_ms == 0)
    assert {id_: d.setpoint_w for id_, d in report.devices.items()} == FAILSAFE


def test_renewals_keep_a_lease(bench: Bench) -> None:
    bench.agent(report_s=0.1)
    first = bench.granted(ttl_ms=1000)
    count = len(bench.hardware.applied)
    for _ in range(12):
        renewal = bench.controller.send(AGENT, same_as=first.seq, ttl_ms=1000)
        seen = len(bench.controller.reports)
        bench.controller.report(lambda r, seq=renewal.seq: r.applied_seq == seq)
        until(lambda seen=seen: len(bench.controller.reports) > seen + 1)
    assert bench.hardware.watts == FULL
    assert len(bench.hardware.applied) == count


def test_a_lapsed_device_is_raised_by_a_controller_that_knows(bench: Bench) -> None:
    bench.agent()
    stale = bench.granted(ttl_ms=500).echo
    until(lambda: bench.hardware.watts == FAILSAFE)
    unaware = bench.controller.send(AGENT, setpoints=FULL, echo=stale)
    bench.controller.report(lambda r: r.accepted_seq == unaware.seq and r.lapsed)
    assert bench.hardware.watts == FAILSAFE
    bench.granted()


def test_broker_loss_ends_at_failsafe_and_recovers_by_itself(bench: Bench) -> None:
    bench.agent()
    bench.granted(ttl_ms=1500)
    bench.broker.stop()
    until(lambda: bench.hardware.watts == FAILSAFE)
    bench.controller.reports.clear()
    bench.broker.start()
    bench.granted()


def test_a_site_curtailed_to_zero_stays_at_zero(bench: Bench) -> None:
    bench.agent()
    bench.granted()
    sent = bench.controller.send(AGENT, setpoints=dict.fromkeys(FULL, 0), ttl_ms=500)
    bench.controller.report(lambda r: r.applied_seq == sent.seq)
    bench.controller.report(lambda r: r.lapsed)
    assert bench.hardware.watts == OFF


def test_restart_takes_min_of_applied_and_failsafe_and_an_echo_of_the_old_start_raises_nothing(bench: Bench) -> None:
    bench.path.write_bytes(b'{"v":1,"epoch":4,"seq":9,"applied":{"m-0":3500,"m-1":3000,"m-2":25,"g-1":10200}}')
    bench.hardware.watts |= {"m-0": 3500, "m-1": 3000, "g-1": 10200}
    bench.agent()
    report = bench.controller.report(lambda r: True)
    assert bench.hardware.watts == FAILSAFE
    assert (report.epoch, report.accepted_seq, report.lapsed) == (4, 9, True)
    old = wire.Echo(boot="the-last-start", boottime_ms=report.echo.boottime_ms)
    bench.controller.epoch = 5
    bench.controller.send(AGENT, setpoints=FULL, echo=old)
    bench.controller.report(lambda r: r.accepted_seq == 1 and r.epoch == 5)
    assert bench.hardware.watts == FAILSAFE
    bench.controller.send(AGENT, setpoints=dict.fromkeys(FULL, 0), echo=None)
    until(lambda: bench.hardware.watts == OFF)


def test_nothing_stored_is_everything_off(bench: Bench) -> None:
    bench.hardware.watts |= FULL
    bench.agent()
    bench.controller.report(lambda r: True)
    assert bench.hardware.watts == OFF


def test_poison_changes_nothing_and_is_named_in_the_report(bench: Bench) -> None:
    bench.agent()
    bench.granted()
    good = wire.sign(bench.controller.statement(AGENT, setpoints=OFF), bench.controller_key)
    stranger = wire.sign(bench.controller.statement(AGENT, setpoints=OFF), PrivateKey.generate())
    for payload, reason in (
        (b"", "payload of 0 bytes"),
        (b"x" * 64, "payload of 64 bytes"),
        (b"\x00" * 500, "no known key"),
        (good[:64] + good[64:].replace(b'"m-0":25', b'"m-0":26'), "no known key"),
        (stranger, "no known key"),
    ):
        bench.raw(payload)
        bench.controller.report(lambda r, reason=reason: reason in (r.refused or ""), reason)
    bench.raw(good)
    bench.controller.report(lambda r: r.applied_seq == 2 and r.refused is None)
    bench.raw(good)
    assert bench.hardware.watts == OFF
    bench.controller.report(lambda r: "not newer" in (r.refused or ""))
    bench.granted()
    bench.raw(good)
    bench.controller.report(lambda r: "not newer" in (r.refused or ""))
    assert bench.hardware.watts == FULL


@pytest.mark.alone
def test_a_flood_of_poison_delays_no_lease_end(bench: Bench) -> None:
    bench.agent()
    sent = bench.granted(ttl_ms=1500)
    breath = threading.Event()  # the flood comes from this very process: without it the agent would not get its turn
    while bench.hardware.watts != FAILSAFE:
        breath.wait(0.001)
        bench.controller.link.publish(wire.topic(SITE, AGENT, Leaf.SET), b"poison" * 20, qos=0)
        assert boottime_s() - bench.hardware.times[-1] < DEADLINE_S
    assert bench.hardware.times[-1] < (sent.echo.boottime_ms + sent.ttl_ms) / 1000 + LATE_S


def test_a_retained_poisoned_setpoint_is_dropped(bench: Bench) -> None:
    poison = bench.controller.statement(AGENT, setpoints=dict.fromkeys(FULL, 0), epoch=99, echo=None)
    bench.raw(wire.sign(poison, bench.controller_key), retain=True)
    bench.agent()
    bench.controller.report(lambda r: "retained" in (r.refused or ""))
    bench.granted()


def test_a_missed_message_is_no_mixture(bench: Bench) -> None:
    bench.agent()
    bench.granted()
    lost = bench.controller.statement(AGENT, setpoints=OFF)
    bench.controller.send(AGENT, same_as=lost.seq)
    bench.controller.report(lambda r: "setpoints held are of 1/1" in (r.refused or ""))
    assert bench.hardware.watts == FULL


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.event for record in caplog.records if record.name == "drivers.fleet.agent.actuation"]


def test_silent_hardware_is_lost_logged_once_and_told_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    bench.agent(report_s=0.05)
    bench.granted()
    bench.hardware.silent = True
    bench.controller.report(lambda r: all(d.state is DeviceState.LOST for d in r.devices.values()))
    sent = bench.controller.send(AGENT, setpoints=OFF)
    until(lambda: "hardware_lost" in events(caplog))
    report = bench.controller.report(lambda r: r.accepted_seq == sent.seq)
    assert report.applied_seq == 1
    assert {id_: d.setpoint_w for id_, d in report.devices.items()} == FULL
    bench.hardware.silent = False
    report = bench.controller.report(lambda r: r.applied_seq == sent.seq and r.devices["m-0"].measured_w == 25)
    assert bench.hardware.watts == OFF
    assert sorted(events(caplog)) == ["devices_back", "devices_lost", "hardware_back", "hardware_lost"]


def test_a_device_that_comes_back_is_told_again(bench: Bench) -> None:
    bench.agent(report_s=0.05)
    bench.granted()
    bench.hardware.silent_devices.add("m-1")
    bench.controller.report(lambda r: r.devices["m-1"].state is DeviceState.LOST)
    bench.hardware.watts["m-1"] = 3500
    bench.hardware.silent_devices.clear()
    until(lambda: bench.hardware.watts["m-1"] == FULL["m-1"])


def test_a_measured_nan_is_unknown_not_a_number(bench: Bench) -> None:
    bench.hardware.watts["m-0"] = float("nan")
    bench.agent(report_s=0.05)
    bench.controller.report(lambda r: r.devices["m-1"].measured_w is not None)
    bench.hardware.watts["m-0"] = float("nan")
    bench.controller.report(lambda r: r.devices["m-0"].measured_w is None)


def test_an_unusable_store_lowers_but_never_raises(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.agent(report_s=0.05)
    bench.granted()
    bench.path.unlink()
    bench.path.mkdir()
    sent = bench.controller.send(AGENT, setpoints=OFF)
    until(lambda: bench.hardware.watts == OFF)
    sent = bench.controller.send(AGENT, setpoints=FULL)
    report = bench.controller.report(lambda r: r.accepted_seq == sent.seq)
    assert "store is unusable" in report.refused
    assert report.applied_seq < sent.seq
    assert bench.hardware.watts == OFF
    bench.path.rmdir()
    bench.controller.report(lambda r: r.applied_seq == sent.seq and r.refused is None)
    assert bench.hardware.watts == FULL
    assert Store(bench.path).load() == Held(epoch=1, seq=sent.seq, applied=FULL)


def test_stop_leaves_the_devices_at_failsafe_and_says_offline(bench: Bench) -> None:
    bench.agent()
    bench.granted()
    bench.stop_agents()
    assert bench.hardware.watts == FAILSAFE
    until(lambda: bench.controller.statuses[-1].state is wire.Presence.OFFLINE)
    assert Store(bench.path).load().applied == FAILSAFE
