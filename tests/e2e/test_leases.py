"""What becomes of the devices when nobody leads them any more: their leases end, and nothing else is needed."""

from __future__ import annotations

import signal

import pytest

from drivers.clock import boottime_s
from tests.e2e.yard import MET_S, SLACK_S, Sample, Yard, largest_fall_w, nearly

#: Over mosquitto and MQTT 5 where there is one; over the embedded broker and MQTT 3.1.1 in the long run too.
pytestmark = pytest.mark.parametrize(
    "yard", ["real", pytest.param("amqtt", marks=pytest.mark.slow)], indirect=True, scope="module"
)


def set_w(sample: Sample) -> int:
    return sum(sample.applied_w.values())


def largest_change_w(samples: list[Sample], within_s: float, sign: int = 1) -> int:
    """Return the largest rise (or fall, with the sign -1) of the sum of the setpoints within a time."""
    changes = [
        sign * (set_w(late) - set_w(early))
        for i, early in enumerate(samples)
        for late in samples[i:]
        if late.at_s - early.at_s <= within_s
    ]
    return max(changes)


def assert_each_falls_once(samples: list[Sample], before_w: dict[str, int], goal_w: dict[str, int]) -> None:
    for device, watts in before_w.items():
        course = [sample.applied_w[device] for sample in samples]
        assert set(course) <= {watts, goal_w[device]}, device
        assert course == sorted(course, reverse=True), device


def assert_ends_spread(yard: Yard, samples: list[Sample], before: Sample, lost_s: float) -> None:
    """The leases end one after the other, each by its own clock, and no later than the longest lease."""
    goal_w, lease_s = yard.lapsed(before.applied_w), yard.site.rules.lease_s
    assert samples[-1].applied_w == goal_w
    assert samples[-1].at_s - lost_s <= lease_s + SLACK_S
    first = next(sample for sample in samples if sample.applied_w != before.applied_w)
    assert first.at_s - lost_s > 0.2
    assert_each_falls_once(samples, before.applied_w, goal_w)
    fall_w = sum(before.applied_w.values()) - sum(goal_w.values())
    assert fall_w > 30e3
    assert largest_change_w(samples, 1.0, -1) <= 0.9 * fall_w


def test_a_killed_daemon_leaves_every_device_at_failsafe_when_its_lease_ends(yard: Yard) -> None:
    before = yard.calm(drawing=True)
    yard.kill("surplusd")
    lost_s, goal_w = boottime_s(), yard.lapsed(before.applied_w)
    samples = yard.watch(lambda sample: sample.applied_w == goal_w, "all leases have ended")
    assert_ends_spread(yard, samples, before, lost_s)
    samples += yard.watch(lambda sample: sample.site_w <= yard.site.rules.failsafe_w, "failsafe power is reached")
    samples += yard.watch_for(1.0)
    assert samples[-1].applied_w == goal_w
    assert goal_w["gpu"] == 4000
    fall_w = before.site_w - samples[-1].site_w
    assert fall_w > 25e3
    assert largest_fall_w(samples) <= 0.6 * fall_w


def test_a_site_curtailed_to_zero_stays_at_zero_when_the_daemon_is_killed(yard: Yard) -> None:
    yard.calm()
    assert yard.order("zero", 0.0).body["outcome"] == "partial"
    off_w = dict(zip(yard.site.devices.ids, yard.site.devices.off_w.astype(int).tolist(), strict=True))
    yard.watch(lambda sample: sample.applied_w == off_w, "every device is off")
    yard.kill("surplusd")
    samples = yard.watch_for(yard.site.rules.lease_s + SLACK_S)
    assert all(sample.applied_w == off_w for sample in samples)
    assert set(yard.states().values()) == {"off"}


def test_agents_whose_clock_jumps_an_hour_ahead_and_back_are_led_again_at_once(yard: Yard) -> None:
    before, fleet = yard.calm(), yard.processes.children["fleet"]
    goal_w = yard.lapsed(before.applied_w)
    fleet.signal(signal.SIGUSR1)
    yard.watch(lambda sample: sample.applied_w == goal_w, "all leases have ended")
    yard.watch(lambda sample: set_w(sample) > set_w(before) / 2, "led by the clock that is ahead")
    ends_s = boottime_s() + yard.site.rules.lease_s + SLACK_S
    fleet.signal(signal.SIGUSR2)
    fallen = yard.watch(lambda sample: sample.applied_w == goal_w, "all leases have ended")
    assert fallen[-1].at_s < ends_s
    yard.full_power()  # which may be above what the devices had before: small raises are not made
    assert yard.mode() == "normal"


def test_a_lost_broker_is_like_a_lost_daemon_and_its_return_is_ramped(yard: Yard) -> None:
    before = yard.calm()
    yard.stop_broker()
    lost_s, goal_w = boottime_s(), yard.lapsed(before.applied_w)
    yard.wait_mode("hold", "no link to the broker")
    samples = yard.watch(lambda sample: sample.applied_w == goal_w, "all leases have ended")
    assert_ends_spread(yard, samples, before, lost_s)
    yard.wait_mode("failsafe", "no link to the broker for longer than a lease")
    yard.start_broker()
    rise = yard.watch(lambda sample: nearly(sample.applied_w, before.applied_w), "back at full power")
    assert yard.mode() == "normal"
    assert largest_change_w(rise, 3.0) <= yard.site.rules.ramp_up_w_s * 3.5 + yard.site.devices.max_w.max()


@pytest.fixture(scope="module")
def patient(yard: Yard) -> Yard:
    """The yard, to its end, with leases that a restart on a busy machine does not outlast; no other module has it after this one."""
    yard.reconfigure(lambda raw: raw["fleet"].update(lease="60 s"))
    yard.calm()
    yard.renew()
    return yard


@pytest.mark.usefixtures("patient")
def test_a_daemon_killed_in_a_curtailment_comes_back_still_curtailing(yard: Yard) -> None:
    full, order = yard.calm(drawing=True), "half"
    yard.order(order, round(full.site_w / 2))
    yard.watch(lambda sample: sample.site_w <= 0.53 * full.site_w, "the order is met", MET_S)
    yard.wait_mode("normal")
    before, epoch = yard.look(), yard.stored("hall-1")["epoch"]
    yard.kill("surplusd")
    yard.processes.children["surplusd"].start()
    samples = yard.watch(lambda _: yard.processes._daemon_is_ready(), "the daemon is ready again")
    listed = {entry["id"]: entry for entry in yard.orders()}[order]
    assert (listed["state"], listed["limit_w"], listed["durable"]) == ("met", round(full.site_w / 2), True)
    yard.wait_mode("normal")
    assert yard.binding() == f"order:grid-authority/{order}"
    assert yard.status()["orders_in_force"] == [f"grid-authority/{order}"]
    samples += yard.watch_for(4.0)
    assert max(sample.site_w for sample in samples) <= 0.53 * full.site_w
    assert yard.stored("hall-1")["epoch"] > epoch
    assert largest_change_w(samples, 60.0) <= set_w(before) * 0.1
    yard.release(order)
    yard.watch(lambda sample: set_w(sample) > 1.3 * set_w(before), "the site rises again")


@pytest.mark.usefixtures("patient")
def test_a_restarted_daemon_takes_the_running_leases_over_without_a_dip(yard: Yard) -> None:
    before, epoch = yard.calm(drawing=True), yard.stored("hall-1")["epoch"]
    yard.watch_for(1.0)
    yard.kill("surplusd")
    yard.processes.children["surplusd"].start()
    samples = yard.watch(lambda _: yard.processes._daemon_is_ready() and yard.mode() == "normal", "normal mode")
    samples += yard.watch_for(2.0)
    assert all(sample.applied_w == before.applied_w for sample in samples)
    (restarted,) = {yard.stored(agent)["epoch"] for agent in yard.site.agents}
    assert restarted > epoch
    lowest_w = min(sample.site_w for sample in samples)
    assert lowest_w >= 0.85 * before.site_w  # the jobs of the GPU node come and go
