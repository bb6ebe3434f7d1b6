"""One agent of real devices, `surplusd agent run`, before three hundred simulated miners, half of them over HTTP: what it costs, and who waits.

Each is to be read once a second, for at most 40 % of a core and 80 MB. Then a tenth of them are gone, which is to change nothing for the others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import yaml

from drivers.fleet.keys import CONTROLLER, make_keys
from simulators.devices.served import SERVED
from tests.brokers import BrokerProcess, amqtt_broker

COUNT: Final = 300
DEAD: Final = 30
#: Until all have been told what they may draw and are read as usual; and how long is measured.
SETTLES_S: Final = 30.0
MEASURED_S: Final = 30.0
MOST_CPU: Final = 0.40
MOST_MB: Final = 80.0
#: A device is read a second after its last answer, at the next turn of the agent, which a busy machine delays.
LEAST_READS_S: Final = 0.7
#: What those that are left may lose of their readings when others are gone: what a machine does beside this.
LOST: Final = 0.05


def report(out: Path) -> dict[str, str]:
    """Return how it went; the figures are in ``OUT/polling.json``."""
    with tempfile.TemporaryDirectory() as name, amqtt_broker() as broker, _process("polling_hall", str(COUNT)) as hall:
        agent_file = _written(Path(name), broker, _said(hall))
        with _agent(agent_file, out / "polling.log") as agent:
            time.sleep(SETTLES_S)
            figures = {"all": _measured(agent.pid, hall)}
            _ask(hall, f"kill {DEAD}")
            time.sleep(SETTLES_S)
            figures["a tenth is gone"] = _measured(agent.pid, hall, skip=DEAD)
    (out / "polling.json").write_text(json.dumps(figures, indent=2) + "\n")
    held = {what: "passed" if _holds(figure) else "failed" for what, figure in figures.items()}
    all_reads_s, left_reads_s = (figure["mean_reads_s"] for figure in figures.values())
    return held | {"the others": "passed" if left_reads_s >= (1 - LOST) * all_reads_s else "failed"}


def _holds(figure: dict[str, float]) -> bool:
    return figure["cpu"] <= MOST_CPU and figure["mb"] <= MOST_MB and figure["least_reads_s"] >= LEAST_READS_S


def _measured(pid: int, hall: subprocess.Popen[str], skip: int = 0) -> dict[str, float]:
    """Return the share of a core, the memory, and the readings a second of those who are still there."""
    _ask(hall, "count")
    before_s, began_s = _cpu_s(pid), time.monotonic()
    time.sleep(MEASURED_S)
    took_s = time.monotonic() - began_s
    reads = [count / took_s for count in _ask(hall, "count")[skip:]]
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return {
        "cpu": round((_cpu_s(pid) - before_s) / took_s, 3),
        "mb": round(kilobytes / 1024, 1),
        "least_reads_s": round(min(reads), 3),
        "mean_reads_s": round(sum(reads) / len(reads), 3),
    }


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _written(folder: Path, broker: BrokerProcess, miners: list[dict[str, Any]]) -> Path:
    make_keys(folder / "keys", (CONTROLLER, "hall"))
    for family, served in SERVED.items():
        if served.login is not None:
            user = f"username: {served.login.username}\n" if served.login.username else ""
            (folder / family).write_text(f"{user}password: {served.login.password}\n")
            (folder / family).chmod(0o600)
    devices = [
        {
            "id": f"m-{k:03d}",
            "family": one["family"],
            "host": "127.0.0.1",
            "port": one["port"],
            "mac": one["mac"],
            "model": one["model"],
        }
        | ({"login": one["family"]} if SERVED[one["family"]].login is not None else {})
        for k, one in enumerate(miners)
    ]
    mqtt = {"host": "127.0.0.1", "port": broker.port, "protocol": broker.protocol, "keys": "keys", "tls": "none"}
    raw = {
        "version": 1,
        "site": "yard",
        "agent": "hall",
        "settle": "6 s",
        "mqtt": mqtt,
        "state": "state",
        "devices": devices,
    }
    path = folder / "agent.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return path


@contextmanager
def _agent(path: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "controller.cli", "agent", "run", str(path)]
        agent = subprocess.Popen(command, stdout=stream, stderr=stream)
        try:
            yield agent
        finally:
            agent.kill()
            agent.wait()


@contextmanager
def _process(module: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", f"tests.verify.{module}", *words]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _ask(process: subprocess.Popen[str], line: str) -> Any:
    stream: IO[str] | None = process.stdin
    assert stream is not None
    stream.write(f"{line}\n")
    stream.flush()
    return _said(process)


def _said(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())
