"""This side of the meters' bench, in a process of its own: the daemon's own drivers; prints its figures as a line of JSON."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from controller.daemon.meters.modbus import bus_drivers
from controller.daemon.meters.payloads import http_drivers, mqtt_drivers
from controller.daemon.meters.supervision import Driver, run_drivers
from controller.site.payload_sources import HttpSource, MqttSource
from controller.site.sources import ModbusSource
from drivers.clock import boottime_s
from drivers.meters.blocks import plan
from drivers.meters.modbus import ModbusMeter, connected, framing_of
from drivers.meters.modbus.reader import Reader
from drivers.meters.profiles import FAST, load_profile
from drivers.readings import Loss, Publish, Sample
from tests.bench.meters_far import PROFILE, SHOWN
from tests.bench.meters_sending import PROFILES

#: Before figures count: all meters are read, the dead ones are known and probed at their longest distance.
SETTLE_S = 8.0
SAMPLE_S = 0.05


async def watch(ports: Sequence[int], units: int, dead: int, seconds: float) -> dict[str, Any]:
    """Read all meters at 1 Hz; age in ms of the power of those that live, looked at as a tick would."""
    sources, live = {}, []
    for index, port in enumerate(ports):
        for unit in range(1, units + 1):
            name = f"m{index}-{unit}"
            given = {"host": "127.0.0.1", "port": port, "unit": unit, "profile": PROFILE}
            sources[name] = ModbusSource.model_validate(given)
            if (unit if units > 1 else index + 1) > dead:
                live.append(name)
    return await _watched(lambda publish: bus_drivers(sources, {}, publish), live, seconds)


async def watch_sent(way: str, ports: Sequence[int], seconds: float) -> dict[str, Any]:
    """The same of meters that send JSON, over HTTP or MQTT."""
    names = [f"m{index}" for index in range(len(ports))]
    if way == "http":
        given = {
            name: {"url": f"http://127.0.0.1:{port}", "profile": PROFILES[way]}
            for name, port in zip(names, ports, strict=True)
        }
        asked = {name: HttpSource.model_validate(each) for name, each in given.items()}
        return await _watched(lambda publish: http_drivers(asked, {}, publish), names, seconds)
    broker = {"host": "127.0.0.1", "port": ports[0], "tls": "none", "profile": PROFILES[way], "every": "1 s"}
    sent = {name: MqttSource.model_validate({**broker, "topic": name}) for name in names}
    return await _watched(lambda publish: mqtt_drivers(sent, {}, publish), names, seconds, within=1e-2)


async def _watched(
    drivers: Callable[[Publish], Sequence[Driver]], live: Sequence[str], seconds: float, *, within: float = 1e-6
) -> dict[str, Any]:
    """`within`: the share of the power by which a reading may be off."""
    newest: dict[str, float] = {}
    counted = {"samples": 0, "wrong": 0}

    def publish(seen: Sample | Loss) -> None:
        if isinstance(seen, Sample):
            newest[seen.meter] = seen.taken_at_s
            counted["samples"] += 1
            counted["wrong"] += not math.isclose(seen.values["active_power_w"], SHOWN["active_power_w"], rel_tol=within)

    running = asyncio.create_task(run_drivers(drivers(publish), publish))
    await asyncio.sleep(SETTLE_S)
    counted["samples"] = 0
    ages_s: list[float] = []
    begun_s, cpu_s = time.monotonic(), time.process_time()
    while time.monotonic() < begun_s + seconds:
        now_s = boottime_s()
        ages_s += (now_s - newest.get(name, -math.inf) for name in live)
        await asyncio.sleep(SAMPLE_S)
    wall_s, spent_s = time.monotonic() - begun_s, time.process_time() - cpu_s
    running.cancel()
    await asyncio.wait([running])
    ages_s.sort()
    return {
        **{f"p{share}_ms": 1e3 * ages_s[len(ages_s) * share // 100] for share in (50, 99)},
        "worst_ms": 1e3 * ages_s[-1],
        "samples_s": counted["samples"] / wall_s,
        "wrong": counted["wrong"],
        "cpu_share": spent_s / wall_s,
        "rss_mb": _most_mb(),
    }


def _most_mb() -> float:
    """Return the most memory that this program had; not of getrusage, which counts the process it was forked from."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(float(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


async def compare(port: int, reads: int, rounds: int) -> dict[str, Any]:
    """CPU of one read in us: the requests of a poll by pymodbus alone, and the whole poll up to its Sample by ours."""
    from pymodbus.client import AsyncModbusTcpClient

    meter = ModbusMeter(id="m", host="127.0.0.1", port=port, profile=load_profile(PROFILE), poll_s=1.0, timeout_s=5.0)
    reader = Reader(meter)
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=5.0, retries=0)
    await client.connect()
    ours_us, bare_us = [], []
    async with connected(meter.place, framing_of(meter.place), 5.0) as line:
        await reader.read(line, boottime_s, full=False, within_s=5.0)
        blocks = plan(meter.profile, [name for name in FAST if name in meter.profile.registers])
        for _ in range(rounds):
            begun_s = time.process_time()
            for _ in range(reads):
                for block in blocks:
                    await client.read_holding_registers(block.address, count=block.count, device_id=1)
            bare_us.append(1e6 * (time.process_time() - begun_s) / reads / len(blocks))
            begun_s = time.process_time()
            for _ in range(reads):
                await reader.read(line, boottime_s, full=False, within_s=5.0)
            ours_us.append(1e6 * (time.process_time() - begun_s) / reads / len(blocks))
    client.close()
    ours, bare = statistics.median(ours_us), statistics.median(bare_us)
    return {"ours_us": ours, "pymodbus_us": bare, "ratio": ours / bare}


if __name__ == "__main__":
    logging.disable()
    arguments = json.loads(sys.argv[2])
    work = {"watch": watch, "watch_sent": watch_sent, "compare": compare}[sys.argv[1]]
    json.dump(asyncio.run(work(**arguments)), sys.stdout)
