"""A server that is killed or frozen comes back within seconds; `make verify ARGS=opcua` does it 60 times."""

from __future__ import annotations

from tests.verify.opcua import ALLOWED_S, campaign


def test_values_flow_again_soon_after_three_kills_and_a_freeze():
    took_s = campaign(kills=3, freezes=1, away_s=5.0)
    assert len(took_s["kill"]) == 3
    assert all(time_s <= ALLOWED_S for times_s in took_s.values() for time_s in times_s), took_s
