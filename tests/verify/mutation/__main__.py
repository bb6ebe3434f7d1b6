"""``python -m tests.verify.mutation``: how many small faults in `controller/core` the tests find.

A sample is drawn by a seed; the kernels' mutants run without the JIT. Exit status 1 where fewer than 90 % are found, where a
fault of `named` is not found, or where a survivor is not listed in ``survivors.yaml``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from tests.verify.mutation.mutants import Mutant, Place, mutant, places
from tests.verify.mutation.named import named_mutants

ROOT = Path(__file__).parents[3]
SURVIVORS = Path(__file__).with_name("survivors.yaml")
LEAST_FOUND = 0.90
MOST_EQUIVALENT = 0.05


def sample(count: int, seed: int, only: str = "") -> list[Place]:
    """Return faults of `controller/core`, each as likely as any other; `only`: of paths that contain this."""
    every = [place for path in _sources() if only in path for place in places(path, _source(path))]
    return random.Random(seed).sample(every, min(count, len(every)))


def _sources() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "controller/core").rglob("*.py"))


def _source(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def work(chosen: Sequence[int], arguments: argparse.Namespace) -> int:
    """Run these mutants in this process, printing one line of JSON for each."""
    import tests.controller.core.world  # noqa: F401  so that each fork finds the kernels loaded
    from tests.verify.mutation.runner import outcome

    every = all_of(arguments)
    for each in (every[number] for number in chosen):
        print(json.dumps({"name": each.name, "line": each.line, "outcome": outcome(ROOT, each)}), flush=True)  # noqa: T201
    return 0


def all_of(arguments: argparse.Namespace) -> list[Mutant]:
    """Return the named mutants and the sample."""
    named = [] if arguments.only or arguments.again or arguments.kernels == "only" else named_mutants(ROOT)
    drawn = sample(arguments.count, arguments.seed, arguments.only)
    if arguments.kernels != "with":
        drawn = [place for place in drawn if ("/kernels/" in place.path) == (arguments.kernels == "only")]
    if arguments.again:
        again = {entry["name"] for entry in json.loads(arguments.again.read_text())["survived"]}
        drawn = [place for place in drawn if place.name in again]
    return [*named, *(mutant(place, _source(place.path)) for place in drawn)]


def campaign(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run all mutants in as many processes as there are processors, and return what became of them."""
    every = all_of(arguments)
    kernels = [k for k, each in enumerate(every) if "/kernels/" in each.path]
    others = [k for k in range(len(every)) if k not in set(kernels)]
    jobs = arguments.jobs
    parts = [(others[k::jobs], False) for k in range(jobs)] + [(kernels[k::jobs], True) for k in range(jobs)]
    with ThreadPoolExecutor(jobs) as pool:
        lines = [line for found in pool.map(lambda part: _worker(*part, arguments), parts) for line in found]
    counts = Counter(line["outcome"] for line in lines)
    survived = [line for line in lines if line["outcome"] == "survived"]
    return {"seed": arguments.seed, "mutants": len(lines), **counts, "found_share": 1 - len(survived) / max(1, len(lines)),
            "survived": survived}  # fmt: skip


def _worker(chosen: Sequence[int], without_jit: bool, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    if not chosen:
        return []
    words = ["--count", str(arguments.count), "--seed", str(arguments.seed), "--only", arguments.only]
    words += ["--kernels", arguments.kernels]
    words += ["--again", str(arguments.again)] if arguments.again else []
    command = [sys.executable, "-m", "tests.verify.mutation", *words, "--work", ",".join(map(str, chosen))]
    environment = os.environ | ({"NUMBA_DISABLE_JIT": "1"} if without_jit else {}) | {"HYPOTHESIS_PROFILE": "mutation"}
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        for text in process.stdout or ():
            line = json.loads(text)
            lines.append(line)
            print(f"{line['outcome']:8} {line['name']} (line {line['line']})", flush=True)  # noqa: T201
    if process.returncode or len(lines) != len(chosen):
        raise RuntimeError(f"a worker ended with status {process.returncode} after {len(lines)} of {len(chosen)}")
    return lines


def verdict(found: dict[str, Any]) -> list[str]:
    """Return what is not as it must be."""
    listed = {entry["name"]: entry for entry in yaml.safe_load(SURVIVORS.read_text(encoding="utf-8"))}
    names = [line["name"] for line in found["survived"]]
    wrong = [f"not listed in {SURVIVORS.name}: {name}" for name in names if name not in listed]
    wrong += [f"a named fault is not found: {each.name}" for each in named_mutants(ROOT) if each.name in names]
    equivalent = sum(listed[name]["equivalent"] for name in names if name in listed)
    if found["found_share"] < LEAST_FOUND:
        wrong.append(f"{found['found_share']:.1%} are found, at least {LEAST_FOUND:.0%} must be")
    if equivalent > MOST_EQUIVALENT * found["mutants"]:
        wrong.append(f"{equivalent} are called equivalent, at most {MOST_EQUIVALENT:.0%} may be")
    return wrong


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign, or a worker's part of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.verify.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=400, help="how many are drawn (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--only", default="", help="of paths that contain this")
    parser.add_argument(
        "--kernels", choices=("with", "without", "only"), default="with", help="of the sample, those of the kernels"
    )
    parser.add_argument("--again", type=Path, help="only those that survived in this result")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, help="write the result there, as JSON")
    parser.add_argument("--work", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if arguments.work:
        return work([int(number) for number in arguments.work.split(",")], arguments)
    found = campaign(arguments)
    found["wrong"] = verdict(found)
    text = json.dumps(found, indent=2)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    print(text)  # noqa: T201
    return int(bool(found["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
