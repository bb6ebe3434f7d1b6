"""The lanes name the files that there are."""

from __future__ import annotations

from pathlib import Path

from tests.lanes import _LANE_OF, _NO_SITE, _WHEEL, Lanes

ROOT = Path(__file__).parents[1]


def lane_of(nodeid: str) -> str:
    return Lanes._split_scope(None, nodeid)


def test_every_file_of_a_lane_exists():
    assert [path for path in (*_LANE_OF, *_NO_SITE, _WHEEL) if not (ROOT / path).exists()] == []


def test_a_lane_is_handed_out_as_one_and_any_other_test_by_itself():
    assert lane_of("tests/e2e/test_site.py::test_a") == lane_of("tests/e2e/test_start.py::test_b[1]") == "yard"
    assert lane_of("tests/e2e/test_of_a_new_file.py::test_a") in _LANE_OF.values()
    assert lane_of("tests/test_lanes.py::test_a") == "tests/test_lanes.py::test_a"
