"""What a process costs, by the kernel's count, and what the daemon says of its ticks."""

from __future__ import annotations

import os
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_BUCKET: Final = 'surplusd_tick_duration_seconds_bucket{le="'


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def resident_mb(pid: int, *, most: bool = False) -> float:
    """Return what a process has in memory, or the most that it ever had."""
    name = "VmHWM:" if most else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1000.0
    raise ValueError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """One scrape: how long it took, its bytes, and the ticks by their upper bound in seconds, cumulative."""

    took_s: float
    size: int
    ticks: dict[float, int]


def scrape(url: str) -> Scrape:
    """Ask the daemon for all its figures."""
    begun_s = time.monotonic()
    with urllib.request.urlopen(f"{url}/metrics", timeout=60.0) as answer:  # noqa: S310  our own URL
        body = answer.read()
    took_s = time.monotonic() - begun_s
    lines = (line for line in body.decode().splitlines() if line.startswith(_BUCKET))
    pairs = (line.removeprefix(_BUCKET).split('"} ') for line in lines)
    return Scrape(took_s=took_s, size=len(body), ticks={float(bound): int(float(count)) for bound, count in pairs})


def tick_within_s(before: Scrape, after: Scrape, share: float) -> float:
    """Return the bound within which this share of the ticks between two scrapes was."""
    counts = {bound: after.ticks[bound] - before.ticks[bound] for bound in after.ticks}
    needed = share * max(counts.values())
    return min(bound for bound, count in sorted(counts.items()) if count >= needed)
