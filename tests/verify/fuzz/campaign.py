"""The campaign: batches of every kind on two processes, each batch with a seed of its own and under a watchdog."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Final

from tests.verify.fuzz.dlms import dlms
from tests.verify.fuzz.files import files
from tests.verify.fuzz.frames import frames
from tests.verify.fuzz.opcua_units import units
from tests.verify.fuzz.opcua_values import opcua_values
from tests.verify.fuzz.payloads import payloads
from tests.verify.fuzz.plans import plans
from tests.verify.fuzz.values import answers, values

#: A batch that computes for longer hangs; twenty times the usual.
HANGS_AFTER_CPU_S: Final = 100.0
PROCESSES: Final = 2


@dataclass(frozen=True)
class Kind:
    """One kind of input: `run` takes a seed and a number of inputs and returns how many were accepted."""

    run: Callable[[int, int], int]
    inputs: int
    batch: int


KINDS: Final[Mapping[str, Kind]] = {
    "values": Kind(values, inputs=12_000_000, batch=100_000),
    "answers": Kind(answers, inputs=200_000, batch=5_000),
    "frames": Kind(frames, inputs=2_000_000, batch=50_000),
    "dlms": Kind(dlms, inputs=2_000_000, batch=20_000),
    "payloads": Kind(payloads, inputs=2_000_000, batch=10_000),
    "plans": Kind(plans, inputs=500_000, batch=5_000),
    "opcua_units": Kind(units, inputs=2_000_000, batch=100_000),
    "opcua_values": Kind(opcua_values, inputs=500_000, batch=10_000),
    "files": Kind(files, inputs=100_000, batch=2_000),
}


@dataclass(frozen=True)
class Batch:
    """What one batch did; `finding` is empty where it found nothing."""

    kind: str
    seed: int
    inputs: int
    accepted: int
    cpu_s: float
    finding: str = ""


def run_batch(kind: str, seed: int, inputs: int) -> Batch:
    """Run one batch in this process."""
    signal.signal(signal.SIGVTALRM, _hangs)
    signal.setitimer(signal.ITIMER_VIRTUAL, HANGS_AFTER_CPU_S)
    begun_s, accepted, finding = time.process_time(), 0, ""
    try:
        accepted = KINDS[kind].run(seed, inputs)
    except Exception as error:  # noqa: BLE001 (whatever is raised is a finding)
        finding = f"python -m tests.verify.fuzz {kind} --seed {seed} --inputs {inputs}: {type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
    return Batch(kind, seed, inputs, accepted, time.process_time() - begun_s, finding)


def _hangs(_number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"more than {HANGS_AFTER_CPU_S:g} CPU seconds, now in {frame}")


def campaign(out: Path, *, seed: int = 1, kinds: Mapping[str, Kind] = KINDS) -> dict[str, str]:
    """Run all kinds; print counts and rates, write ``OUT/fuzz.json``, return which passed."""
    todo = [
        (name, seed * 1_000_000 + index, kind.batch)
        for name, kind in kinds.items()
        for index in range(kind.inputs // kind.batch)
    ]
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        done = [each.result() for each in as_completed([pool.submit(run_batch, *one) for one in todo])]
    report = {name: _summary([batch for batch in done if batch.kind == name]) for name in kinds}
    total = sum(batch.inputs for batch in done if not batch.finding)
    (out / "fuzz.json").write_text(json.dumps({"inputs": total, "kinds": report}, indent=2) + "\n", encoding="utf-8")
    for name, row in report.items():
        print(f"{name}: {row['inputs']:,} inputs, {row['accepted']:,} accepted, {row['per_cpu_s']:,} a CPU second")  # noqa: T201
        print(*row["findings"], sep="\n", end="\n" if row["findings"] else "")  # noqa: T201
    print(f"{total:,} inputs in all")  # noqa: T201
    return {name: "failed" if row["findings"] else "passed" for name, row in report.items()}


def _summary(batches: list[Batch]) -> dict:
    inputs, cpu_s = sum(batch.inputs for batch in batches), sum(batch.cpu_s for batch in batches)
    return {
        "inputs": inputs,
        "accepted": sum(batch.accepted for batch in batches),
        "cpu_s": round(cpu_s, 1),
        "per_cpu_s": round(inputs / cpu_s) if cpu_s else 0,
        "findings": [batch.finding for batch in batches if batch.finding],
    }
