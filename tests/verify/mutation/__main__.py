"""``python -m tests.verify.mutation``: how many small faults in `controller/core` the tests find.

A sample is drawn by a seed; the kernels' mutants run without the JIT. What became of each mutant is appended to a file at
once: where that file has an outcome for the same source, the mutant is not run again. Exit status 1 where fewer than 90 % are
found, where a fault of `named` is not found, or where a survivor is not listed in ``survivors.yaml``.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from tests.verify.mutation.mutants import Mutant, Place, mutant, places
from tests.verify.mutation.named import named_mutants
from tests.verify.mutation.selection import tests_of

ROOT = Path(__file__).parents[3]
SURVIVORS = Path(__file__).with_name("survivors.yaml")
LEAST_FOUND = 0.90
MOST_EQUIVALENT = 0.05
#: The share of a property's examples that a mutant is tried with.
SHARE = 0.4


def sample(count: int, seed: int) -> list[Place]:
    """Return faults of `controller/core`, each as likely as any other.

    Each has its rank by its own name, so that an edit draws no others than those of the function that is edited.
    """
    every = [place for path in _sources() for place in places(path, _source(path))]
    return sorted(every, key=lambda place: hashlib.sha256(f"{seed} {place.name}".encode()).digest())[:count]


def _sources() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "controller/core").rglob("*.py"))


def _source(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def wanted(arguments: argparse.Namespace) -> list[Mutant]:
    """Return the named mutants and the sample, or the part of them that is asked for."""
    drawn = sample(arguments.count, arguments.seed)
    every = [*named_mutants(ROOT), *(mutant(place, _source(place.path)) for place in drawn)]
    return [each for each in every if arguments.only in each.name]


def digest(each: Mutant) -> str:
    """Return what tells the source of a mutant from any other."""
    return hashlib.sha256(each.source.encode()).hexdigest()[:16]


class Outcomes:
    """What became of mutants, in a file of one line of JSON for each; the last one of a mutant counts."""

    def __init__(self, path: Path) -> None:
        self._path, self._one_at_a_time = path, threading.Lock()
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self._found = {(line["name"], line["digest"]): line for line in map(json.loads, lines)}

    def of(self, each: Mutant) -> dict[str, Any] | None:
        """Return what became of a mutant with this very source."""
        return self._found.get((each.name, digest(each)))

    def add(self, each: Mutant, outcome: str) -> None:
        """Keep what became of a mutant, and say it."""
        line = {"name": each.name, "line": each.line, "digest": digest(each), "outcome": outcome}
        with self._one_at_a_time, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            self._found[each.name, line["digest"]] = line
            print(f"{outcome:8} {each.name} (line {each.line})", flush=True)  # noqa: T201


def run(mutants: Sequence[Mutant], jobs: int, outcomes: Outcomes) -> None:
    """Run mutants in so many processes, those of the kernels in ones without the JIT."""
    for without_jit in (False, True):
        part = [each for each in mutants if ("/kernels/" in each.path) == without_jit]
        waiting, taking = iter(part), threading.Lock()
        with ThreadPoolExecutor(jobs) as pool:
            workers = min(jobs, len(part))
            for done in [pool.submit(_work, waiting, taking, without_jit, outcomes) for _ in range(workers)]:
                done.result()


def control(mutants: Sequence[Mutant]) -> None:
    """Run all tests that judge mutants on the code as it is; RuntimeError where one fails, for then it tells nothing."""
    for without_jit in (False, True):
        paths = [each.path for each in mutants if ("/kernels/" in each.path) == without_jit]
        tests = dict.fromkeys(test for path in paths for test in tests_of(path))
        if not tests:
            continue
        unchanged = Mutant(path=paths[0], line=1, name="nothing is changed", source=_source(paths[0]))
        with _worker(without_jit) as process:
            if _asked(process, unchanged, list(tests)) != "survived":
                raise RuntimeError(f"a test fails where nothing is changed, {without_jit=}")


def _worker(without_jit: bool) -> subprocess.Popen[str]:
    environment = os.environ | ({"NUMBA_DISABLE_JIT": "1"} if without_jit else {})
    environment |= {"HYPOTHESIS_PROFILE": "mutation", "EXAMPLES_SHARE": str(SHARE)}
    # What is not mutated is compiled once, not for every mutant.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command, pipe = [sys.executable, "-m", "tests.verify.mutation.runner"], subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment, cwd=ROOT)


def _work(waiting: Iterator[Mutant], taking: threading.Lock, without_jit: bool, outcomes: Outcomes) -> None:
    """Give one process the mutants that wait, one after the other."""
    with _worker(without_jit) as process:
        while True:
            with taking:
                each = next(waiting, None)
            if each is None:
                return
            outcomes.add(each, _asked(process, each, tests_of(each.path)))


def _asked(process: subprocess.Popen[str], each: Mutant, tests: Sequence[str]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"mutant": dataclasses.asdict(each), "tests": tests}) + "\n")
    process.stdin.flush()
    if not (answer := process.stdout.readline()):
        raise RuntimeError(f"a worker ended at {each.name}")
    return answer.strip()


def result(mutants: Sequence[Mutant], outcomes: Outcomes, seed: int) -> dict[str, Any]:
    """Return what became of the sample, in all and for kernels and others, and what is not as it must be."""
    lines = [line for each in mutants if (line := outcomes.of(each))]
    survived = [line for line in lines if line["outcome"] == "survived"]
    named = {each.name for each in named_mutants(ROOT)}
    drawn = [line for line in lines if line["name"] not in named]
    kernels = [line for line in drawn if "/kernels/" in line["name"]]
    others = [line for line in drawn if "/kernels/" not in line["name"]]
    return {
        "seed": seed, "named": len(lines) - len(drawn), "drawn": _figures(drawn), "kernels": _figures(kernels),
        "others": _figures(others), "wrong": verdict(lines, named), "survived": survived,
    }  # fmt: skip


def _figures(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    counts = Counter(line["outcome"] for line in lines)
    return {"mutants": len(lines), **counts, "found_share": 1 - counts["survived"] / max(1, len(lines))}


def verdict(lines: Sequence[dict[str, Any]], named: set[str]) -> list[str]:
    """Return what is not as it must be."""
    listed = {entry["name"]: entry for entry in yaml.safe_load(SURVIVORS.read_text(encoding="utf-8"))}
    names = [line["name"] for line in lines if line["outcome"] == "survived"]
    drawn = max(1, len([line for line in lines if line["name"] not in named]))
    wrong = [f"a named fault is not found: {name}" for name in names if name in named]
    names = [name for name in names if name not in named]
    wrong += [f"not listed in {SURVIVORS.name}: {name}" for name in names if name not in listed]
    found = {line["name"] for line in lines} - set(names)
    wrong += [f"listed in {SURVIVORS.name}, and found: {name}" for name in listed if name in found]
    equivalent = sum(listed[name]["equivalent"] for name in names if name in listed)
    if len(names) > (1 - LEAST_FOUND) * drawn:
        wrong.append(f"{1 - len(names) / drawn:.1%} are found, at least {LEAST_FOUND:.0%} must be")
    if equivalent > MOST_EQUIVALENT * drawn:
        wrong.append(f"{equivalent} are called equivalent, at most {MOST_EQUIVALENT:.0%} may be")
    return wrong


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign, or the part of it that is left."""
    parser = argparse.ArgumentParser(prog="python -m tests.verify.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=400, help="how many are drawn (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--only", default="", help="of these, those whose names contain this")
    parser.add_argument("--again", action="store_true", help="run once more what survived")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=ROOT / "build/mutation.json", help="the result, as JSON")
    parser.add_argument("--outcomes", type=Path, help="what became of each, line by line (default: OUT with .jsonl)")
    arguments = parser.parse_args(words)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    mutants, outcomes = wanted(arguments), Outcomes(arguments.outcomes or arguments.out.with_suffix(".jsonl"))
    known = [(each, outcomes.of(each)) for each in mutants]
    left = [each for each, line in known if line is None or (arguments.again and line["outcome"] == "survived")]
    control(left)
    run(left, arguments.jobs, outcomes)
    found = result(mutants, outcomes, arguments.seed)
    text = json.dumps(found, indent=2)
    arguments.out.write_text(text + "\n", encoding="utf-8")
    print(text)  # noqa: T201
    return int(bool(found["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
