"""What Grafana's own library makes of a panel and of the answers to its queries: texts and colours."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.waiting import DEADLINE_S

HERE = Path(__file__).parent / "grafana"
#: Labels and points (seconds, value) of a series.
Series = tuple[Mapping[str, str], list[tuple[float, float]]]
#: By refId the series that Prometheus gives.
Answers = Mapping[str, Iterable[Series]]


class Look(NamedTuple):
    """How a value is shown. `colour`: by its name where it has one of the plain ones."""

    value: Any
    text: str
    colour: str | None
    at_s: float


class Drawn(NamedTuple):
    """A series, or the column of a table. `painted`: a column whose colours are seen."""

    name: str
    colour: str | None
    painted: bool
    looks: list[Look]


def draw(panels: Iterable[tuple[dict[str, Any], Answers]], *, codes: bool = False) -> list[list[Drawn]]:
    """Return what Grafana would show of each panel; skips where its library is not installed. `codes`: colours as they are painted, not by name."""
    node = shutil.which("node") or pytest.skip("node is not installed")
    if not (HERE / "node_modules" / "@grafana" / "data").is_dir():
        pytest.skip("@grafana/data is not installed: npm ci --prefix tests/deploy/grafana")
    asked = [{"panel": panel, "answers": _plain(answers)} for panel, answers in panels]
    done = subprocess.run(
        [node, HERE / "drawn.cjs"],
        input=json.dumps({"panels": asked}),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    names = {} if codes else {code.lower(): name for name, code in answer["named"].items()}
    return [[_drawn(each, names) for each in panel] for panel in answer["panels"]]


def _plain(answers: Answers) -> dict[str, list[dict[str, Any]]]:
    return {
        ref: [{"labels": dict(labels), "points": points} for labels, points in series]
        for ref, series in answers.items()
    }


def _drawn(column: dict[str, Any], names: Mapping[str, str]) -> Drawn:
    def named(colour: str | None) -> str | None:
        return colour and names.get(colour.lower(), colour)

    looks = [Look(value, text, named(colour), at_s) for at_s, value, text, colour in column["points"]]
    return Drawn(column["name"], named(column["colour"]), column["painted"], looks)
