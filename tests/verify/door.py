"""Floods before the door of a site of processes: the authority's order is answered and met meanwhile, and so is `/healthz`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from drivers.clock import boottime_s
from tests.brokers import mosquitto_broker
from tests.e2e.yard import PLENTY, Yard, options
from tests.waiting import until

KINDS: Final = ("idle", "slow", "tokens")
LASTS_S: Final = 60.0
LIMIT_W: Final = 20_000.0
#: What must hold: the longest answer, the time to an order's limit, the memory, and the log of the daemon.
ANSWER_S: Final = 1.0
MET_S: Final = 15.0
MORE_BYTES: Final = 20_000_000
LOG_BYTES: Final = 100_000


def withstood(out: Path, lasts_s: float = LASTS_S) -> dict[str, str]:
    """Flood a site in every way, one after the other, with what was seen in ``OUT/door.json``."""
    seen, found = {}, {}
    with tempfile.TemporaryDirectory() as name, mosquitto_broker(Path(name)) as broker:
        yard = Yard(Path(name), broker, options(PLENTY))
        try:
            yard.processes.open()
            yard.full_power()
            for kind in KINDS:
                seen[kind] = _flooded(yard, kind, lasts_s)
                found[kind] = "failed" if (wrong := _wrong(seen[kind])) else "passed"
                seen[kind]["wrong"] = wrong
                yard.calm()
        finally:
            yard.close()
    (out / "door.json").write_text(json.dumps(seen, indent=2) + "\n")
    return found


def _flooded(yard: Yard, kind: str, lasts_s: float) -> dict[str, Any]:
    daemon, log = yard.processes.children["surplusd"], yard.folder / "surplusd.log"
    assert daemon.pid is not None
    before_bytes, logged = _rss(daemon.pid), log.stat().st_size
    answers_s, health_s, most_bytes, met_s = [], [], 0, None
    with _flood(kind, int(yard.setup.url.rpartition(":")[2])) as told:
        end_s, ordered_s, k = boottime_s() + lasts_s, None, 0
        while boottime_s() < end_s:
            k += 1
            health_s.append(_timed(lambda: urllib.request.urlopen(yard.setup.url + "/healthz", timeout=30).read()))
            if k % 10 == 1:
                ordered_s = ordered_s or boottime_s()
                answers_s.append(_timed(partial(yard.order, f"{kind}-{k}", LIMIT_W)))
            if met_s is None and ordered_s and yard.world.truth().site_w <= 1.01 * LIMIT_W:
                met_s = boottime_s() - ordered_s
            most_bytes = max(most_bytes, _rss(daemon.pid))
            time.sleep(0.2)
        last = told()
    return {
        "orders": len(answers_s), "answer_s": max(answers_s), "health_s": max(health_s), "met_s": met_s,
        "more_bytes": most_bytes - before_bytes, "log_bytes": log.stat().st_size - logged, "flood": last,
    }  # fmt: skip


def _wrong(seen: dict[str, Any]) -> list[str]:
    bars = {
        "answer_s": ANSWER_S, "health_s": ANSWER_S, "met_s": MET_S, "more_bytes": MORE_BYTES, "log_bytes": LOG_BYTES
    }  # fmt: skip
    return [f"{name} is {seen[name]}, at most {most:g}" for name, most in bars.items() if (seen[name] or 1e9) > most]


@contextmanager
def _flood(kind: str, port: int) -> Iterator[Any]:
    """Run a flood beside the block; yields a function that returns what it has said last."""
    with tempfile.NamedTemporaryFile("w+") as said:
        command = [sys.executable, "-m", "tests.verify.flood", kind, str(port)]
        with subprocess.Popen(command, stdout=said) as process:
            until(lambda: Path(said.name).stat().st_size, "the flood has begun")
            try:
                yield lambda: json.loads(Path(said.name).read_text().splitlines()[-1])
            finally:
                process.kill()


def _timed(work: Any) -> float:
    begun_s = boottime_s()
    work()
    return boottime_s() - begun_s


def _rss(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4096
