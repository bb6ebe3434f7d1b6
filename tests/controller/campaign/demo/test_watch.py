from __future__ import annotations

import math

import pytest

from controller.campaign.demo.watch import Watch, tick_p99_s
from simulators.worldlink import WorldClient

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

    from controller.runtime.metrics import TickDurations

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
    watch = Watch(WorldClient("127.0.0.1", 9), "http://127.0.0.1:9", "secret")
    assert watch.tick_p99_s() is None
