from __future__ import annotations

import math

import numpy as np
import pytest

from controller.demo.watch import (
    DaemonStatus,
    Moment,
    NodeStatus,
    Watch,
    course_of,
    setpoints_w,
    tick_p99_s,
)
from simulators.worldlink import Truth, WorldClient

HEAD = b"# TYPE surplusd_tick_duration_seconds histogram\n"


def exposition(*counts: tuple[str, float]) -> bytes:
    lines = [f'surplusd_tick_duration_seconds_bucket{{le="{bound}"}} {count}' for bound, count in counts]
    return HEAD + "\n".join([*lines, "surplusd_tick_duration_seconds_count 100.0", ""]).encode()


@pytest.mark.parametrize(
    ("text", "p99_s"),
    [
        (exposition(("0.001", 98.0), ("0.01", 99.0), ("+Inf", 100.0)), 0.01),
        (exposition(("0.001", 99.0), ("0.01", 99.0), ("+Inf", 100.0)), 0.001),
        (exposition(("0.001", 0.0), ("+Inf", 100.0)), math.inf),
        (exposition(("0.001", 0.0), ("+Inf", 0.0)), None),
        (b"", None),
    ],
)
def test_the_bound_that_99_percent_of_the_ticks_kept(text: bytes, p99_s: float | None) -> None:
    assert tick_p99_s(text) == p99_s


def test_the_daemons_own_exposition_is_understood() -> None:
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.registry import Collector

    from controller.daemon.metrics import TickDurations

    durations = TickDurations()
    for _ in range(100):
        durations.observe(0.004)

    class One(Collector):
        def collect(self):
            yield durations.family()

    registry = CollectorRegistry()
    registry.register(One())
    assert tick_p99_s(generate_latest(registry)) == 0.005


def test_a_daemon_that_does_not_answer_has_no_figures() -> None:
    watch = Watch(WorldClient("127.0.0.1", 9), "http://127.0.0.1:9", "secret", lambda setpoints_w: 1.0)
    assert watch.tick_p99_s() is None
    assert watch._earning_per_h() is None


def test_the_setpoints_of_the_daemons_own_exposition_are_understood(setup) -> None:
    from controller.daemon.families.device_series import DeviceSeries
    from controller.daemon.latest import DeviceColumns
    from controller.site.compile import compile_site
    from controller.site.load import load

    site = compile_site(load(setup.daemon_file))
    setpoint_w, measured_w = site.devices.max_w, np.full(len(site.devices.ids), np.nan)
    columns = DeviceColumns(measured_w=measured_w, state=np.zeros(len(site.devices.ids), dtype=np.int64))
    text = "".join(DeviceSeries(site).chunks(setpoint_w, columns)).encode()
    assert setpoints_w(text) == dict(zip(site.devices.ids, setpoint_w.tolist(), strict=True))
    assert setpoints_w("".join(DeviceSeries(site).chunks(None, columns)).encode()) == {}


def looked(t_s: float, house_w: float | str | None, earning_per_h: float | None) -> Moment:
    truth = Truth(
        t_s=t_s,
        ready=True,
        site_w=100e3,
        node_w={},
        surplus_w=300e3,
        export_w=0.0,
        feeder_load_w=0.0,
        frequency_hz=50.0,
        devices_by_state={},
        envelope_w=360e3,
        binding="surplus",
    )
    node = NodeStatus(envelope_w=360e3, binding="surplus", house_w=house_w)
    status = DaemonStatus(
        mode="normal", reason="", site_w=None, nodes={"pcc": node}, orders_in_force=[], devices={}, value_per_h=15.0
    )
    return Moment(truth, status, earning_per_h)


def test_the_course_holds_what_was_seen_and_the_declared_house_load_where_none_is_estimated() -> None:
    silent = Moment(looked(1.5, None, None).truth, None)
    course = course_of([looked(0.5, 31e3, 12.0), looked(1.0, None, None), silent], "pcc", 36e3)
    assert course.t_s.tolist() == [0.5, 1.0, 1.5]
    assert course.house_w.tolist() == [31e3, 36e3, 36e3]
    assert (course.envelope_w[0], course.surplus_w[0], course.site_w[0]) == (360e3, 300e3, 100e3)
    np.testing.assert_equal(course.earned_per_h, [12.0, np.nan, np.nan])
    np.testing.assert_equal(course.decided_per_h, [15.0, 15.0, np.nan])
