"""GPUs in the file of an agent, and ``surplusd agent check`` over the simulated library of NVML, as a process of its own finds it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.agent.load import load_agent
from drivers.clock import boottime_s
from drivers.devices.families import load_families
from drivers.errors import ConfigError
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.keys import CONTROLLER, make_keys
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.nvml import NvmlServer
from simulators.devices.nvml_library import COMPILER, PLACE, build
from tests.waiting import DEADLINE_S

MODEL = load_catalogue()["hgx-h100"]


def raw_file(uuids: list[str], **device: Any) -> dict[str, Any]:
    node = {"id": "node-001", "family": "nvml", "gpus": uuids, "model": MODEL.id, "failsafe": "3600 W"}
    return {
        "version": 1,
        "site": "yard",
        "agent": "hall",
        "mqtt": {"host": "127.0.0.1", "tls": "none", "keys": "keys"},
        "devices": [{name: value for name, value in (node | device).items() if value is not None}],
    }


def written(folder: Path, raw: dict[str, Any]) -> Path:
    path = folder / "agent.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return path


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ({"host": "10.0.0.1"}, "no host: NVIDIA GPUs (NVML) are of this machine"),
        ({"serial": "X1"}, "no serial: NVIDIA GPUs (NVML) are of this machine"),
        ({"gpus": None}, "the UUIDs that `nvidia-smi -L` lists"),
        ({"failsafe": "off"}, "a limit brings no GPU to rest"),
        ({"jobs": {"drain": [], "resume": ["/bin/true"]}}, "a program and its arguments"),
        ({"family": "luxos", "model": "antminer-s19k-pro", "failsafe": None}, "no gpus: LuxOS has an address"),
        ({"family": "luxos", "model": "antminer-s19k-pro", "failsafe": None}, "the address at which LuxOS answers"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, device: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        load_agent(written(tmp_path, raw_file(["GPU-1"], **device)))
    assert words in str(wrong.value)


def bmc(**device: Any) -> dict[str, Any]:
    return {"family": "redfish", "gpus": None, "host": "10.0.0.1", "serial": "S1", "login": "login", **device}


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        (None, "`plain: true`"),
        ({}, "exactly one of the two"),
        ({"ca": "ca.pem", "sha256": "0" * 64}, "exactly one of the two"),
        ({"plain": True, "ca": "ca.pem"}, "no `plain` beside what it is known by"),
        ({"sha256": "0" * 63}, "64 hexadecimal digits"),
    ],
)
def test_a_bmc_that_nobody_knows_is_a_mistake(tmp_path: Path, tls: dict[str, Any] | None, words: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        load_agent(written(tmp_path, raw_file([], **bmc(tls=tls))))
    assert words in str(wrong.value)


@pytest.mark.parametrize("tls", [{"plain": True}, {"ca": "ca.pem"}, {"sha256": "0" * 64}])
def test_a_bmc_is_known_by_its_certificate_or_by_nothing_where_the_file_says_so(
    tmp_path: Path, tls: dict[str, Any]
) -> None:
    assert load_agent(written(tmp_path, raw_file([], **bmc(tls=tls)))).devices[0].tls is not None


def test_a_node_is_read_with_its_gpus_and_what_takes_its_jobs_away(tmp_path: Path) -> None:
    jobs = {"drain": ["/bin/drain", "node"], "resume": ["/bin/resume"], "timeout": "2 min"}
    device = load_agent(written(tmp_path, raw_file(["GPU-1", "GPU-2"], jobs=jobs, failsafe="off"))).devices[0]
    assert device.gpus == ("GPU-1", "GPU-2")
    assert device.jobs is not None
    assert (device.jobs.drain, device.jobs.stop, device.jobs.timeout_s) == (("/bin/drain", "node"), None, 120.0)


@contextmanager
def served(server_of: Any) -> Iterator[Any]:
    """Serve what `server_of` makes in a thread of its own."""
    loop, up, down, servers = asyncio.new_event_loop(), threading.Event(), asyncio.Event(), []

    async def serve() -> None:
        async with server_of() as server:
            servers.append(server)
            up.set()
            await down.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert up.wait(DEADLINE_S)
    try:
        yield servers[0]
    finally:
        loop.call_soon_threadsafe(down.set)
        thread.join(DEADLINE_S)
        loop.close()


@pytest.mark.skipif(COMPILER is None, reason="cc is not installed")
def test_check_reads_the_gpus_of_its_machine_and_writes_nothing(tmp_path: Path) -> None:
    family = load_families()["nvml"]
    unit = BenchUnit(model=MODEL, pace=Pace.of(family), clock=boottime_s, told_w=5_000)
    build(tmp_path)
    make_keys(tmp_path / "keys", (CONTROLLER, "hall"))
    with served(lambda: NvmlServer(unit, gpus=8)) as server:
        path = written(tmp_path, raw_file(list(server.uuids)))
        done = subprocess.run(
            [sys.executable, "-m", "controller.cli", "agent", "check", str(path)],
            env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path), PLACE: f"127.0.0.1:{server.port}"},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NVIDIA-H100-80GB-HBM3, NVIDIA GPUs (NVML) 570.86.15" in done.stdout
    assert "5000 W (estimate)" in done.stdout
    assert "read back" in done.stdout
    assert "no command takes its jobs away" in done.stdout
    assert [asked.verb for asked in unit.log if asked.writes] == []
