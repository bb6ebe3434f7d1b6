"""What reading many meters costs, what dead ones do to the others, and what a read adds to bare pymodbus."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.report import Row, Scale, show
from tests.brokers import mosquitto_broker

#: Servers, units behind each, dead units (of all where each server has one, else behind each), time of a request on the bus.
_SITES: Mapping[str, tuple[int, int, int, float]] = {
    "100 meters": (100, 1, 0, 0.0),
    "100 meters, 20 dead": (100, 1, 20, 0.0),
    "10 gateways of 10": (10, 10, 0, 0.02),
    "10 gateways of 10, 2 dead each": (10, 10, 2, 0.02),
}
_COLUMNS = {
    "site": "",
    "dead": "",
    "samples_s": ".1f",
    "p50_ms": ".0f",
    "p99_ms": ".0f",
    "worst_ms": ".0f",
    "wrong": "d",
    "cpu_share": ".1%",
    "rss_mb": ".0f",
}


def run(scale: Scale) -> list[Row]:
    """Measure; every server is in a process of its own, and so is every reader."""
    rows = [_compared(scale)]
    show("CPU of one read, up to the Sample, beside pymodbus alone", dict.fromkeys(rows[0], ".2f"), rows)
    seconds = scale.pick(10, 30, 120)
    ages: list[Row] = []
    for site, (servers, units, dead, turn_s) in _SITES.items():
        for how in ("silence", "exception") if dead else ("silence",):
            with _far(servers, units, dead, turn_s, how) as ports:
                given = {"ports": ports, "units": units, "dead": dead, "seconds": seconds}
                ages.append({"site": site, "dead": how if dead else "-"} | _near("watch", given))
    for way in ("http", "mqtt"):
        with _sending(way, 100) as ports:
            sent = _near("watch_sent", {"way": way, "ports": ports, "seconds": seconds})
        ages.append({"site": f"100 meters by {way.upper()}", "dead": "-"} | sent)
    show("meters at 1 Hz: age of the living ones' power, CPU and memory of the reading process", _COLUMNS, ages)
    return rows + ages


def _compared(scale: Scale) -> Row:
    with _far(1, 1, 0, 0.0, "silence") as ports:
        return _near("compare", {"port": ports[0], "reads": scale.pick(500, 2000, 5000), "rounds": 7})


def _near(what: str, given: Mapping[str, Any]) -> Row:
    command = [sys.executable, "-m", "tests.bench.meters_near", what, json.dumps(given)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    figures: Row = json.loads(done.stdout)
    return figures


@contextmanager
def _sending(way: str, count: int) -> Iterator[list[int]]:
    """Serve meters that send JSON; yields their ports, or that of their broker."""
    if way == "http":
        with _served("tests.bench.meters_sending", "http", count) as ports:
            yield ports
        return
    with (
        TemporaryDirectory() as folder,
        mosquitto_broker(Path(folder)) as broker,
        _served("tests.bench.meters_sending", "mqtt", count, broker.port) as ports,
    ):
        yield ports


def _far(*given: object) -> AbstractContextManager[list[int]]:
    return _served("tests.bench.meters_far", *given)


@contextmanager
def _served(*given: object) -> Iterator[list[int]]:
    command = [sys.executable, "-m", *map(str, given)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())
        finally:
            server.stdin.close()
            server.wait(10)
