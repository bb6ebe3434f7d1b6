"""The lanes name the files that there are."""

from __future__ import annotations

from pathlib import Path

from tests.lanes import _SCOPE_OF, LANES, scope_of, turn_of

ROOT = Path(__file__).parents[1]


def test_every_file_of_a_lane_exists():
    assert [path for path in _SCOPE_OF if not (ROOT / path).exists()] == []


def test_every_site_of_processes_has_a_lane():
    sites = {f"tests/e2e/{path.name}" for path in (ROOT / "tests/e2e").glob("test_*.py")}
    assert sites <= _SCOPE_OF.keys()


def test_a_lane_is_handed_out_as_one_and_any_other_test_by_itself():
    assert scope_of("tests/e2e/test_site.py::test_a") == scope_of("tests/e2e/test_reload.py::test_b[1]") == "yard"
    assert scope_of("tests/e2e/test_of_a_new_file.py::test_a") in LANES
    assert scope_of("tests/test_lanes.py::test_a") == "tests/test_lanes.py::test_a"


def test_the_lanes_begin_before_what_stays_together_and_that_before_all_others():
    lanes = ["tests/e2e/test_new.py::test_b", "tests/drivers/meters/modbus/test_bus.py::test_c"]
    together, others = ["tests/e2e/test_wheel.py::test_d"], ["tests/a.py::test_a"]
    assert sorted([*others, *together, *lanes], key=turn_of) == [*lanes, *together, *others]
