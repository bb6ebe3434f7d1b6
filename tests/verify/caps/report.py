"""The figures of all cases beside their baselines: a table, and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from tests.verify.caps.cases import CapCase, cases, clairvoyant, example, run_case, run_steady, small_site

#: What is compared: by worth, all of the range, and so many watts above the draw.
HEADROOMS: Final[dict[str, float | None]] = {
    "value": None,
    "full": float("inf"),
    "200 W": 200.0,
    "500 W": 500.0,
    "1 kW": 1_000.0,
    "2 kW": 2_000.0,
}
EXAMPLES: Final = ("demo.yaml", "example-10mw.yaml")
DUTIES: Final = (0.0, 0.4, 0.75, 1.0)
#: What must hold: the use without and with jobs, of their energy that may be held back, of the best other way, of the clairvoyant.
_MINERS_USE: Final = 0.995
_USE: Final = 0.985
_HELD: Final = 0.001
_OF_OTHERS: Final = 0.997
_OF_CLAIRVOYANT: Final = 0.95


def capped(out: Path) -> dict[str, str]:
    """Run everything, write ``OUT/caps.json``, print the tables; return what passed."""
    steady = [_example(name, share, duty) for name in EXAMPLES for share in (0.6, 0.8) for duty in DUTIES]
    bursty = [_bursty(case) for case in cases()]
    (out / "caps.json").write_text(json.dumps({"steady": steady, "bursty": bursty}, indent=2) + "\n")
    rows = {**{str(row["name"]): row for row in steady}, **{str(row["name"]): row for row in bursty}}
    return {name: "passed" if row["passed"] else "failed" for name, row in rows.items()}


def _example(name: str, share: float, duty: float) -> dict[str, object]:
    site = example(name)
    found = run_steady(site, share, duty)
    full = run_steady(replace(site, caps=()), share, duty)
    least = _USE if duty else _MINERS_USE
    passed = found.use >= max(least, full.use - 0.001) and (not duty or found.held <= _HELD) and found.above_s == 0.0
    row = {"name": f"{name} {share:.0%} of the contract, jobs at {duty:.0%}", "passed": passed}
    print(  # noqa: T201
        f"{row['name']}: use {found.use:.4f}, full caps {full.use:.4f}, held {found.held:.3%}, above {found.above_s} s"
    )
    return row | {"value": asdict(found), "full": asdict(full)}


def _bursty(case: CapCase) -> dict[str, object]:
    found = {name: run_case(case, small_site(case, headroom_w)) for name, headroom_w in HEADROOMS.items()}
    best = clairvoyant(case, small_site(case, None))
    others = max(each.value for name, each in found.items() if name != "value")
    mine = found["value"]
    passed = mine.value >= max(_OF_OTHERS * others, _OF_CLAIRVOYANT * best) and mine.above_s == 0.0
    shares = ", ".join(f"{name} {each.value / best:.4f}" for name, each in found.items())
    print(f"{case.name}: {shares} of the clairvoyant; held {mine.held:.2%}, above {mine.above_s} s")  # noqa: T201
    figures = {name: asdict(each) for name, each in found.items()}
    return {"name": case.name, "passed": passed, "clairvoyant": best, "figures": figures}
