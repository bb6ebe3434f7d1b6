"""What the five states are brought about with."""

from __future__ import annotations

from pathlib import Path

from simulators.curve import Replay, replayed
from tests.verify.states import LEFT_W, STARTS, SURPLUS_W, codes_of, falling


def test_the_surplus_holds_for_half_a_minute_then_falls_and_stays_for_an_hour(tmp_path: Path) -> None:
    path = tmp_path / "surplus.csv"
    path.write_text(falling())
    curve = replayed(Replay(path=path, column="surplus_w", start=STARTS), duration_s=3600.0, peak_w=SURPLUS_W)
    assert {curve.at(second) for second in range(30)} == {SURPLUS_W}
    assert all(LEFT_W <= curve.at(second) <= LEFT_W + 2.0 for second in range(31, 3600, 10))


def test_a_code_is_found_wherever_it_stands_in_a_status() -> None:
    status = {"reasons": [{"code": "a"}], "meters": {"main": {"reasons": [{"code": "b", "parameters": {"code": "c"}}]}}}
    assert codes_of(status) == {"a", "b", "c"}
    assert codes_of({"reasons": []}) == set()
