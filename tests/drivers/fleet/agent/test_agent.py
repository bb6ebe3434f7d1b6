"""The agent against a controller over real brokers, with short leases."""

import asyncio
import threading
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from drivers.clock import Clock, boottime_s
from drivers.fleet import wire
from drivers.fleet.agent.agent import Agent
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.agent.lease import Held, LeasedDevice
from drivers.fleet.agent.store import Store
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.keys import CONTROLLER, PrivateKey
from drivers.fleet.link import MqttLink
from drivers.fleet.wire import Follow, Leaf, MeasuredBy, Proof
from simulators.fleet.clock import JumpingClock
from tests.brokers import BrokerProcess
from tests.drivers.fleet.fakes import SITE, FakeController, FakeHall
from tests.waiting import DEADLINE_S, until

AGENT = "hall-a"
S21 = load_catalogue()["antminer-s21"]
GPU = load_catalogue()["hgx-h100"]
SEEN = {"proof": Proof.BOTH, "measured_by": MeasuredBy.PSU}
DEVICES = {f"m-{k}": LeasedDevice(model=S21, failsafe_w=0, **SEEN) for k in range(3)} | {
    "g-1": LeasedDevice(model=GPU, failsafe_w=4000, **SEEN)
}
IDS = sorted(DEVICES)
OFF = {id_: device.model.off_w for id_, device in DEVICES.items()}
FULL = {"m-0": 3500, "m-1": 3000, "m-2": 1400, "g-1": 10200}
FAILSAFE = OFF | {"g-1": 4000}
SEEN_AGAIN = set(Follow) - {Follow.LOST}
LATE_S = 0.5  # what a busy machine may add


def applied(report: wire.Report) -> dict[str, int]:
    return dict(zip(IDS, report.applied_w, strict=True))


def of(report: wire.Report, device: str) -> Follow:
    return Follow(report.state[IDS.index(device)])


def all_are(report: wire.Report, *states: Follow) -> bool:
    return set(report.state) <= set(states)


class Bench:
    """One agent, its hardware, and a controller, on one broker."""

    def __init__(self, broker: BrokerProcess, folder: Path) -> None:
        self.broker = broker
        self.path = folder / "agent.json"
        self.controller_key, self.agent_key = PrivateKey.generate(), PrivateKey.generate()
        self.hall = FakeHall(OFF)
        self.controller = FakeController(
            broker.port, broker.protocol, self.controller_key, {AGENT: self.agent_key.public_key()}
        )
        self.started: list[tuple[Agent, threading.Thread]] = []

    def agent(
        self, *, clock: Clock = boottime_s, offset_s: float = 0.0, report_s: float = 0.2, settle_s: float = 15.0
    ) -> Agent:
        connect = partial(
            MqttLink, host="127.0.0.1", port=self.broker.port, protocol=self.broker.protocol, retry_s=(0.05, 0.3)
        )
        agent = Agent(
            site=SITE,
            agent=AGENT,
            devices=DEVICES,
            ports=self.hall.ports,
            connect=connect,
            key=self.agent_key,
            controller_keys={CONTROLLER: self.controller_key.public_key()},
            store=Store(self.path),
            settle_s=settle_s,
            report_s=report_s,
            clock=lambda: clock() + offset_s,
        )
        thread = threading.Thread(target=lambda: asyncio.run(agent.run()), name="agent")
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
        assert self.hall.watts == FULL
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
    assert [device.id for device in inventory.devices] == IDS
    assert inventory.inventory == wire.inventory_id(inventory.devices)
    assert inventory.devices[0] == wire.InventoryDevice(
        id="g-1",
        model="hgx-h100",
        max_w=10200,
        off_w=150,
        ranges=[wire.Range(from_w=3600, to_w=10200)],
        up_ms=2000,
        down_ms=1000,
        failsafe_w=4000,
        proof=Proof.BOTH,
        measured_by=MeasuredBy.PSU,
        dead_man=None,
    )
    assert until(lambda: bench.controller.statuses)[-1].state is wire.Presence.ONLINE
    sent = bench.granted()
    accepted = next(report for report in bench.controller.reports if report.accepted_seq == sent.seq)
    told = next(report for report in bench.controller.reports if report.applied_seq == sent.seq)
    assert accepted.applied_seq == 0
    assert set(accepted.state) <= {Follow.GRANTED, Follow.COMMANDED}
    assert all(OFF[id_] <= watts <= FULL[id_] for id_, watts in applied(accepted).items())
    assert (told.accepted_seq, told.lapsed, told.refused, applied(told)) == (1, False, None, FULL)
    assert 29_000 < told.lease_left_ms <= 30_000
    shown = bench.controller.report(lambda r: all_are(r, Follow.PROVEN), "proven")
    assert shown.measured_w == [FULL[id_] for id_ in IDS]
    assert (set(shown.measured_by), shown.activity) == ({MeasuredBy.PSU}, "rrrr")
    assert set(shown.proof[1:]) <= {Proof.READ_BACK, Proof.BOTH}


def test_reports_by_itself(bench: Bench) -> None:
    bench.agent(report_s=0.05)
    until(lambda: len(bench.controller.reports) > 5)


@pytest.mark.alone
@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)  # which broker it is makes no difference to a clock
@pytest.mark.parametrize("offset_s", [3600.0, -3600.0, 0.0])
def test_i5_no_setpoint_outlives_its_lease_whatever_the_clock_offset(bench: Bench, offset_s: float) -> None:
    offset_s = max(offset_s, 10.0 - boottime_s())
    bench.agent(offset_s=offset_s)
    sent = bench.granted(ttl_ms=1500)
    until(lambda: bench.hall.watts == FAILSAFE, "failsafe")
    ends = [at_s for at_s, _ in bench.hall.told[-4:]]
    end_s = (sent.echo.boottime_ms + sent.ttl_ms) / 1000 - offset_s
    assert end_s - 0.51 < ends[0] < ends[-1] < end_s + LATE_S, "one after the other"
    report = bench.controller.report(lambda r: r.lapsed and r.lease_left_ms == 0)
    assert applied(report) == FAILSAFE


def test_a_clock_that_jumps_ahead_and_back_locks_nobody_out_and_makes_no_lease_longer(bench: Bench, caplog) -> None:
    clock = JumpingClock(0.0)
    bench.agent(clock=clock)
    first = bench.granted()
    clock.jump(3600.0)
    hour_ms = first.echo.boottime_ms + 3_599_000
    bench.controller.report(
        lambda r: r.lapsed and r.echo.boottime_ms > hour_ms and all_are(r, *SEEN_AGAIN), "an hour on"
    )
    ahead = bench.granted()
    clock.jump(-3600.0)
    back = bench.controller.report(lambda r: r.echo.boot != first.echo.boot and r.lapsed, "another start")
    assert back.lease_left_ms == 0, "the lease that was granted an hour ahead has ended"
    assert back.accepted_seq == ahead.seq
    until(lambda: bench.hall.watts == FAILSAFE, "failsafe")
    bench.controller.report(lambda r: all_are(r, *SEEN_AGAIN), "read again")
    assert bench.controller.inventories[-1].echo.boot == back.echo.boot
    late = bench.controller.send(AGENT, setpoints=FULL, echo=ahead.echo)
    bench.controller.report(lambda r: r.accepted_seq == late.seq and r.lapsed, "an echo of before raises nothing")
    bench.granted()
    assert [record.event for record in caplog.records if record.event == "clock_went_back"] == ["clock_went_back"]


def test_a_controller_that_knows_a_later_time_of_an_agent_finds_it_as_another_start(bench: Bench) -> None:
    """Its machine has been put back to an image of an hour ago, clocks and all."""
    bench.agent()
    sent = bench.granted()
    later = wire.Echo(boot=sent.echo.boot, boottime_ms=sent.echo.boottime_ms + 3_600_000)
    refused = bench.controller.send(AGENT, setpoints=FULL, echo=later)
    report = bench.controller.report(lambda r: r.echo.boot != sent.echo.boot, "another start")
    assert (report.accepted_seq, report.lapsed) == (refused.seq - 1, True)
    until(lambda: bench.hall.watts == FAILSAFE, "failsafe")
    bench.controller.report(lambda r: all_are(r, *SEEN_AGAIN), "read again")
    again = bench.controller.send(AGENT, setpoints=FULL, echo=later)
    bench.controller.report(
        lambda r: r.accepted_seq == again.seq and r.lapsed, "the echo of a former start grants nothing"
    )
    bench.granted()
    assert bench.controller.reports[-1].echo.boot == report.echo.boot


def test_renewals_keep_a_lease(bench: Bench) -> None:
    bench.agent(report_s=0.1)
    first = bench.granted(ttl_ms=1000)
    count = len(bench.hall.told)
    for _ in range(12):
        renewal = bench.controller.send(AGENT, same_as=first.seq, ttl_ms=1000)
        seen = len(bench.controller.reports)
        bench.controller.report(lambda r, seq=renewal.seq: r.applied_seq == seq)
        until(lambda seen=seen: len(bench.controller.reports) > seen + 1)
    assert bench.hall.watts == FULL
    assert len(bench.hall.told) == count


def test_a_lapsed_device_is_raised_by_a_controller_that_knows(bench: Bench) -> None:
    bench.agent()
    stale = bench.granted(ttl_ms=500).echo
    until(lambda: bench.hall.watts == FAILSAFE)
    unaware = bench.controller.send(AGENT, setpoints=FULL, echo=stale)
    bench.controller.report(lambda r: r.accepted_seq == unaware.seq and r.lapsed)
    assert bench.hall.watts == FAILSAFE
    bench.granted()


def test_broker_loss_ends_at_failsafe_and_recovers_by_itself(bench: Bench) -> None:
    bench.agent()
    bench.granted(ttl_ms=1500)
    bench.broker.stop()
    until(lambda: bench.hall.watts == FAILSAFE)
    bench.controller.reports.clear()
    bench.broker.start()
    bench.granted()


def test_a_site_curtailed_to_zero_stays_at_zero(bench: Bench) -> None:
    bench.agent()
    bench.granted()
    sent = bench.controller.send(AGENT, setpoints=dict.fromkeys(FULL, 0), ttl_ms=500)
    bench.controller.report(lambda r: r.applied_seq == sent.seq)
    bench.controller.report(lambda r: r.lapsed)
    assert bench.hall.watts == OFF


def test_restart_takes_min_of_applied_and_failsafe_and_an_echo_of_the_old_start_raises_nothing(bench: Bench) -> None:
    stored = {"m-0": 3500, "m-1": 3000, "m-2": 25, "g-1": 10200}
    Store(bench.path).save(Held(epoch=4, seq=9, head="j/4/9", applied=stored))
    bench.hall.draw({"m-0": 3500, "m-1": 3000, "g-1": 10200})
    bench.agent()
    until(lambda: bench.hall.watts == FAILSAFE, "failsafe")
    report = bench.controller.report(lambda r: all_are(r, Follow.PROVEN))
    assert (report.head_seen, report.head_stored) == ("j/4/9", "j/4/9")
    assert (report.epoch, report.accepted_seq, report.lapsed) == (4, 9, True)
    old = wire.Echo(boot="the-last-start", boottime_ms=report.echo.boottime_ms)
    bench.controller.epoch = 5
    bench.controller.send(AGENT, setpoints=FULL, echo=old)
    bench.controller.report(lambda r: r.accepted_seq == 1 and r.epoch == 5)
    assert bench.hall.watts == FAILSAFE
    bench.controller.send(AGENT, setpoints=dict.fromkeys(FULL, 0), echo=None)
    until(lambda: bench.hall.watts == OFF)


def test_nothing_stored_is_everything_off(bench: Bench) -> None:
    bench.hall.draw(FULL)
    bench.agent()
    until(lambda: bench.hall.watts == OFF, "off")


def test_poison_changes_nothing_and_is_named_in_the_report(bench: Bench) -> None:
    bench.agent()
    bench.granted()
    good = wire.sign(bench.controller.statement(AGENT, setpoints=OFF), bench.controller_key)
    stranger = wire.sign(bench.controller.statement(AGENT, setpoints=OFF), PrivateKey.generate())
    for payload, reason in (
        (b"", "payload of 0 bytes"),
        (b"x" * 64, "payload of 64 bytes"),
        (b"\x00" * 500, "no known key"),
        (good[:64] + good[64:].replace(b"[150,25", b"[150,26"), "no known key"),
        (stranger, "no known key"),
    ):
        bench.raw(payload)
        bench.controller.report(lambda r, reason=reason: reason in (r.refused or ""), reason)
    bench.raw(good)
    bench.controller.report(lambda r: r.applied_seq == 2 and r.refused is None)
    bench.raw(good)
    assert bench.hall.watts == OFF
    bench.controller.report(lambda r: "not newer" in (r.refused or ""))
    bench.granted()
    bench.raw(good)
    bench.controller.report(lambda r: "not newer" in (r.refused or ""))
    assert bench.hall.watts == FULL


@pytest.mark.alone
def test_a_flood_of_poison_delays_no_lease_end(bench: Bench) -> None:
    bench.agent()
    sent = bench.granted(ttl_ms=1500)
    breath = threading.Event()  # the flood comes from this very process: without it the agent would not get its turn
    while bench.hall.watts != FAILSAFE:
        breath.wait(0.001)
        bench.controller.link.publish(wire.topic(SITE, AGENT, Leaf.SET), b"poison" * 20, qos=0)
        assert boottime_s() - bench.hall.told[-1][0] < DEADLINE_S
    assert bench.hall.told[-1][0] < (sent.echo.boottime_ms + sent.ttl_ms) / 1000 + LATE_S


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
    assert bench.hall.watts == FULL


def test_a_set_for_another_inventory_is_answered_with_its_own_once_a_second_at_most(bench: Bench) -> None:
    """The controller has been given an old one; without the agent's own it would be lost to it until it connects again."""
    bench.agent()
    bench.granted()
    first = until(lambda: bench.controller.inventories)[-1]

    def is_told() -> bool:
        bench.controller.send(AGENT, setpoints=OFF, inventory="0" * 32)
        return len(bench.controller.inventories) > 2

    until(is_told, "its inventory again")
    moments = [inventory.echo.boottime_ms for inventory in bench.controller.inventories]
    assert all(later - earlier >= 990 for earlier, later in pairwise(moments))
    assert {inventory.inventory for inventory in bench.controller.inventories} == {first.inventory}
    assert bench.hall.watts == FULL


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.event for record in caplog.records if record.name == "drivers.fleet.agent.driving"]


def test_silent_devices_are_lost_logged_once_and_told_when_they_are_back(bench: Bench, caplog) -> None:
    caplog.set_level("INFO")
    bench.agent(report_s=0.05)
    bench.granted()
    bench.controller.report(lambda r: all_are(r, Follow.PROVEN))
    for device in bench.hall.devices.values():
        device.silent = True
    report = bench.controller.report(lambda r: all_are(r, Follow.LOST))
    assert report.measured_w == [None] * 4
    assert (set(report.measured_by), set(report.activity), set(report.proof)) == ({"n"}, {"n"}, {"n"})
    sent = bench.controller.send(AGENT, setpoints=OFF)
    report = bench.controller.report(lambda r: r.accepted_seq == sent.seq)
    assert all_are(report, Follow.LOST)
    assert applied(report) == FULL, "the higher one while nobody knows"
    for device in bench.hall.devices.values():
        device.silent = False
    report = bench.controller.report(lambda r: r.applied_seq == sent.seq and all_are(r, Follow.PROVEN))
    assert bench.hall.watts == OFF == applied(report)
    assert set(events(caplog)) == {"devices_back", "devices_lost"}
    for event in ("devices_lost", "devices_back"):
        said = " ".join(record.message for record in caplog.records if getattr(record, "event", "") == event)
        assert all(said.count(id_) == 1 for id_ in IDS), "each one once"


def test_a_lease_that_ends_under_silence_is_told_at_once_and_again_when_the_device_answers(bench: Bench) -> None:
    bench.agent(report_s=0.05)
    bench.granted(ttl_ms=1000)
    silent = bench.hall.devices["m-1"]
    silent.silent = True
    until(lambda: silent.told[-1][1] == OFF["m-1"], "told in silence")
    bench.controller.report(lambda r: of(r, "m-1") is Follow.LOST and r.lapsed and r.lease_left_ms == 0)
    assert silent.setpoint_w == FULL["m-1"]
    silent.silent = False
    until(lambda: silent.setpoint_w == OFF["m-1"], "told again")


def test_one_silent_device_holds_back_nothing_of_the_others(bench: Bench) -> None:
    bench.agent(report_s=0.05)
    bench.controller.report(lambda r: True)
    bench.hall.devices["m-1"].silent = True
    bench.hall.devices["m-1"].timeout_s = DEADLINE_S
    sent = bench.controller.send(AGENT, setpoints=FULL)
    report = bench.controller.report(
        lambda r: sum(s == Follow.PROVEN for s in r.state) == 3 and r.accepted_seq == sent.seq
    )
    assert applied(report) == FULL, "what is under way may be in force"
    assert all(len(device.told) <= 2 for device in bench.hall.devices.values())


def test_an_unknown_outcome_is_read_before_anything_is_told_again(bench: Bench) -> None:
    bench.agent(report_s=0.05)
    bench.granted()
    device = bench.hall.devices["m-0"]
    device.outcome = CommandOutcome.UNKNOWN
    told, reads = len(device.told), device.reads
    bench.controller.send(AGENT, setpoints=FULL | {"m-0": 1500})
    until(lambda: len(device.told) == told + 1)
    until(lambda: device.reads > reads)
    device.outcome = CommandOutcome.ACCEPTED
    until(lambda: device.setpoint_w == 1500, "told again")
    bench.controller.report(lambda r: of(r, "m-0") is Follow.PROVEN and applied(r)["m-0"] == 1500)


def test_a_device_that_does_but_never_says_so_is_not_told_again(bench: Bench) -> None:
    bench.agent(report_s=0.05)
    bench.granted()
    device = bench.hall.devices["m-0"]
    device.outcome, told = CommandOutcome.REFUSED, len(device.told)
    device.setpoint_w = 1500
    bench.controller.send(AGENT, setpoints=FULL | {"m-0": 1500})
    bench.controller.report(lambda r: of(r, "m-0") is Follow.PROVEN and applied(r)["m-0"] == 1500)
    assert len(device.told) <= told + 1


def test_a_device_that_restarted_by_itself_is_told_again(bench: Bench) -> None:
    bench.agent(report_s=0.05)
    sent = bench.controller.send(AGENT, setpoints=FULL) if bench.controller.reports else bench.granted()
    bench.controller.report(lambda r: r.applied_seq == sent.seq)
    device = bench.hall.devices["m-1"]
    device.names = False
    bench.controller.report(lambda r: r.proof[IDS.index("m-1")] == Proof.WATTS)
    told = len(device.told)
    device.uptime_s = 3.0
    until(lambda: len(device.told) == told + 1, "told again")
    device.serial = "B"
    until(lambda: len(device.told) == told + 2, "another one at its address")


def test_a_measured_nan_is_unknown_not_a_number(bench: Bench) -> None:
    bench.hall.devices["m-0"].watts = float("nan")
    bench.agent(report_s=0.05)
    report = bench.controller.report(lambda r: r.measured_w[IDS.index("m-1")] is not None)
    assert report.measured_w[IDS.index("m-0")] is None
    assert report.measured_by[IDS.index("m-0")] == MeasuredBy.NOTHING


def test_a_driver_that_fails_costs_its_own_device_alone(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    bench.hall.devices["m-0"].read = broken
    bench.agent(report_s=0.05)
    bench.controller.report(lambda r: of(r, "m-0") is Follow.LOST)
    bench.controller.report(lambda r: of(r, "m-1") is Follow.PROVEN)
    assert events(caplog).count("driver_failed") == 1


def test_the_newest_head_is_stored_and_given_back(bench: Bench) -> None:
    bench.agent(report_s=0.05)
    bench.granted(head="journal/1/7")
    bench.controller.report(lambda r: (r.head_seen, r.head_stored) == ("journal/1/7", "journal/1/7"))
    assert Store(bench.path).load().head == "journal/1/7"


def test_an_unusable_store_lowers_but_never_raises(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.agent(report_s=0.05)
    bench.granted()
    until(lambda: Store(bench.path).load().applied == FULL, "stored")
    bench.path.unlink()
    bench.path.mkdir()
    sent = bench.controller.send(AGENT, setpoints=OFF)
    until(lambda: bench.hall.watts == OFF)
    sent = bench.controller.send(AGENT, setpoints=FULL)
    report = bench.controller.report(lambda r: r.accepted_seq == sent.seq and r.refused is not None)
    assert "store is unusable" in report.refused
    assert report.applied_seq < sent.seq
    assert bench.hall.watts == OFF
    bench.path.rmdir()
    bench.controller.report(lambda r: r.applied_seq == sent.seq and r.refused is None)
    assert bench.hall.watts == FULL
    until(lambda: Store(bench.path).load() == Held(epoch=1, seq=sent.seq, applied=FULL), "stored")


def test_stop_leaves_the_devices_at_failsafe_and_says_offline(bench: Bench) -> None:
    bench.agent()
    bench.granted()
    bench.stop_agents()
    assert bench.hall.watts == FAILSAFE
    until(lambda: bench.controller.statuses[-1].state is wire.Presence.OFFLINE)
    assert Store(bench.path).load().applied == FAILSAFE
