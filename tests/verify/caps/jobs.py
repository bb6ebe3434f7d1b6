"""What the jobs on GPU nodes want to draw, second by second: steady, training with dips, inference by recorded arrivals.

The power model of inference, stated since nobody has published one with these arrivals: a node draws `IDLE_W` without a
request. A request is read at `READ_TOKENS_S`, then written at `WRITE_TOKENS_S`; while it is written it fills one of `PLACES`
places, while it is read four. Power goes up in a line with the places that are filled, to all of the node's watts.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
#: Watts that the jobs on each GPU node want at a time, from 0 s.
Demand = Callable[[float], F64]

ARRIVALS: Final = Path(__file__).parents[4] / "shared/data/gpu_power_and_llm_load/AzureLLMInferenceTrace_conv.csv"
IDLE_W: Final = 2_000.0
MOST_W: Final = 10_200.0
READ_TOKENS_S: Final = 8_000.0
WRITE_TOKENS_S: Final = 33.0
PLACES: Final = 8.0
READ_PLACES: Final = 4.0
#: A dip of a training job, as when it saves: every so often, so long, down to this share of the node's watts.
DIP_EVERY_S: Final = 120.0
DIP_S: Final = 4.0
DIP_SHARE: Final = 0.3
#: What an iteration of a job moves.
_RIPPLE: Final = 0.01
_STEP_S: Final = 0.25
#: Nodes of one training job: they dip together.
_NODES_A_JOB: Final = 4


def steady(count: int, duty: float, seconds: float, seed: int) -> Demand:
    """Return jobs that draw `duty` of the node's watts all the time."""
    random = np.random.default_rng(seed)
    return _course(_rippled(np.full((_steps(seconds), count), duty * MOST_W), random))


def training(count: int, duty: float, seconds: float, seed: int) -> Demand:
    """Return jobs on plateaus at `duty` of the node's watts, with a dip every two minutes."""
    random = np.random.default_rng(seed)
    begins_s = np.repeat(random.uniform(0.0, DIP_EVERY_S, count), _NODES_A_JOB)[:count]
    t_s = np.arange(_steps(seconds))[:, np.newaxis] * _STEP_S
    dips = (t_s - begins_s) % DIP_EVERY_S < DIP_S
    return _course(np.where(dips, DIP_SHARE * MOST_W, _rippled(np.full(dips.shape, duty * MOST_W), random)))


def inference(count: int, duty: float, seconds: float, seed: int) -> Demand:
    """Return nodes that serve the recorded arrivals, so many of them that they want `duty` of their watts on average."""
    random = np.random.default_rng(seed)
    low, high = 0.01, 100.0
    while high / low > 1.01:
        rate = (low * high) ** 0.5
        wanted_w = _served(count, rate, seconds, np.random.default_rng(seed))
        low, high = (rate, high) if wanted_w.mean() < duty * 0.98 * MOST_W else (low, rate)
    return _course(_rippled(wanted_w, random))


def _served(count: int, rate: float, seconds: float, random: np.random.Generator) -> F64:
    """Return the watts wanted (T, count) with the recorded arrivals of each node at `rate` times a twentieth of theirs."""
    at_s, read, written = _arrivals()
    steps, places = _steps(seconds), np.zeros((_steps(seconds) + 1, count))
    for node in range(count):
        mine = random.integers(0, at_s.size, int(at_s.size * rate / 20.0))
        shift_s = random.uniform(0.0, at_s[-1])
        begins = ((at_s[mine] + shift_s) % at_s[-1]) / _STEP_S
        reads, ends = begins + read[mine] / READ_TOKENS_S / _STEP_S, written[mine] / WRITE_TOKENS_S / _STEP_S
        for first, last, weight in ((begins, reads, READ_PLACES), (reads, reads + ends, 1.0)):
            np.add.at(places[:, node], np.minimum(first.astype(np.int64), steps), weight)
            np.add.at(places[:, node], np.minimum(np.ceil(last).astype(np.int64), steps), -weight)
    filled = np.minimum(np.cumsum(places[:-1], axis=0) / PLACES, 1.0)
    return np.asarray(IDLE_W + (MOST_W - IDLE_W) * filled, dtype=np.float64)


@lru_cache(maxsize=1)
def _arrivals() -> tuple[F64, F64, F64]:
    """Return the seconds, the tokens read and the tokens written of each recorded request."""
    with ARRIVALS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    first = datetime.fromisoformat(rows[0]["TIMESTAMP"][:26])
    at_s = [(datetime.fromisoformat(row["TIMESTAMP"][:26]) - first).total_seconds() for row in rows]
    read, written = ([float(row[name]) for row in rows] for name in ("ContextTokens", "GeneratedTokens"))
    return np.array(at_s), np.array(read), np.array(written)


def _rippled(wanted_w: F64, random: np.random.Generator) -> F64:
    return np.asarray(np.minimum(wanted_w * (1.0 + _RIPPLE * random.standard_normal(wanted_w.shape)), MOST_W))


def _steps(seconds: float) -> int:
    return int(seconds / _STEP_S)


def _course(wanted_w: F64) -> Demand:
    return lambda t_s: np.asarray(wanted_w[min(int(t_s / _STEP_S), len(wanted_w) - 1)], dtype=np.float64)
