from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.devices.gpu_shares import GpuRange, GpuShares
from drivers.fleet.catalogue import load_catalogue

NODE, CARD = load_catalogue()["hgx-h100"], load_catalogue()["h100-sxm"]
EIGHT = GpuShares(model=NODE, ranges=(GpuRange(lowest_w=200, highest_w=700),) * 8)
ranges = st.lists(
    st.tuples(st.integers(50, 300), st.integers(0, 500)).map(
        lambda pair: GpuRange(lowest_w=pair[0], highest_w=pair[0] + pair[1])
    ),
    min_size=1,
    max_size=8,
)


def test_the_rest_is_what_the_lowest_mode_has_beside_the_lowest_limits() -> None:
    assert EIGHT.rest_w == 2000
    assert EIGHT.of(3600) == [200] * 8
    assert EIGHT.of(3599) is None


def test_what_does_not_divide_is_shared_watt_by_watt() -> None:
    assert EIGHT.of(3605) == [201] * 5 + [200] * 3
    assert GpuShares(model=CARD, ranges=(GpuRange(lowest_w=200, highest_w=700),)).of(333) == [333]


def test_at_their_highest_limits_it_runs_on_what_it_was_told() -> None:
    highest = [700.0] * 8
    assert EIGHT.setpoint_w(highest, 9000) == 9000
    assert EIGHT.setpoint_w(highest, None) == 7600
    assert EIGHT.setpoint_w(highest, 7000) == 7600
    assert EIGHT.setpoint_w([*highest[1:], 699.4], 9000) == 9000


def test_a_limit_that_is_not_known_is_the_highest() -> None:
    assert EIGHT.setpoint_w([200.0] * 7 + [None], 3600) == 4100


@given(ranges, st.integers(0, 12_000))
def test_no_share_is_out_of_its_range_and_all_together_are_never_too_much(ranges: list[GpuRange], watts: int) -> None:
    shares = GpuShares(model=NODE, ranges=tuple(ranges))
    limits = shares.of(watts)
    if limits is None:
        assert sum(shares.lowest_w) + shares.rest_w > watts
        return
    assert sum(limits) + shares.rest_w <= watts
    assert all(one.lowest_w <= limit <= one.highest_w for one, limit in zip(ranges, limits, strict=True))
    left_w = watts - shares.rest_w - sum(limits)
    assert left_w == 0 or limits == [one.highest_w for one in ranges]
    assert shares.setpoint_w([float(limit) for limit in limits], watts) == watts


@given(ranges, st.integers(0, 12_000), st.integers(0, 12_000), st.data())
def test_it_never_runs_on_less_than_its_limits_allow(
    ranges: list[GpuRange], told_w: int, other_w: int, data: st.DataObject
) -> None:
    shares = GpuShares(model=NODE, ranges=tuple(ranges))
    enforced = [data.draw(st.floats(one.lowest_w, one.highest_w)) for one in ranges]
    assert shares.setpoint_w(enforced, told_w) + len(ranges) >= sum(enforced) + shares.rest_w
