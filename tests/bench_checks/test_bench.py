import json
import subprocess
import sys

import pytest

from tests.bench.report import Scale, show


def _bench(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tests.bench", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.alone
def test_a_part_prints_its_table_and_writes_its_figures(tmp_path):
    done = _bench("--quick", "--only", "curtail", "--json", tmp_path / "figures.json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "figures.json").read_text())["curtail"]
    cuts, parts = rows[:4], rows[4:]
    assert [(row["devices"], row["cut"]) for row in cuts] == [(1000, 0.5), (1000, 0.01), (10000, 0.5), (10000, 0.01)]
    assert all(row["ms"] < row["full_ms"] for row in cuts)
    assert [row["devices"] for row in parts] == [1000, 10000]
    assert all(max(row["node_ms"], row["device_ms"]) < row["full_ms"] for row in parts)
    assert all(row["over_limit"] == 0 for row in rows)
    assert len([line for line in done.stdout.splitlines() if line]) == 4 + len(rows)


def test_an_unknown_part_is_refused():
    assert _bench("--only", "nothing").returncode == 2


def test_a_table_is_aligned_and_shows_what_is_missing(capsys):
    show("title", {"who": "", "ms": ",.1f"}, [{"who": "ours", "ms": 1234.56}, {"who": "x"}])
    assert capsys.readouterr().out == "\ntitle\n who       ms\nours  1,234.6\n   x        -\n"


@pytest.mark.parametrize(("scale", "picked"), [(Scale(quick=True), 1), (Scale(), 2), (Scale(full=True), 3)])
def test_the_scale_picks(scale, picked):
    assert scale.pick(1, 2, 3) == picked
