from __future__ import annotations

from typing import Final

import pytest

from drivers.errors import ConfigError
from simulators.choice import choose

IDS: Final = [f"s21-a-{k:03d}" for k in range(1, 21)] + ["gpu-001", "gpu-002"]


@pytest.mark.parametrize(
    ("who", "chosen"),
    [
        ("all", tuple(IDS)),
        ("gpu-002, s21-a-003", ("s21-a-003", "gpu-002")),
        ("gpu-*,gpu-001", ("gpu-001", "gpu-002")),
        ("s21-a-00[12]", ("s21-a-001", "s21-a-002")),
    ],
)
def test_those_with_these_ids_once_each_in_their_order(who: str, chosen: tuple[str, ...]) -> None:
    assert choose(who, IDS, 1) == chosen


@pytest.mark.parametrize(("who", "count"), [("1", 1), ("22", 22), ("50%", 11), ("50 %", 11), ("13.6%", 3)])
def test_so_many_of_them_the_same_for_a_seed(who: str, count: int) -> None:
    chosen = choose(who, IDS, 1)
    assert len(chosen) == len(set(chosen)) == count
    assert list(chosen) == sorted(chosen, key=IDS.index)
    assert choose(who, IDS, 1) == chosen
    assert count in (1, 22) or choose(who, IDS, 2) != chosen


def test_a_count_and_the_share_that_comes_to_it_choose_the_same() -> None:
    assert choose("50%", IDS, 1) == choose("11", IDS, 1)


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ("0", "found '0', which is 0 of 22; allowed is 1 to 22"),
        ("23", "found '23', which is 23 of 22; allowed is 1 to 22"),
        ("1%", "found '1%', which is 0 of 22; allowed is 1 to 22"),
        ("110%", "found '110%', which is 24 of 22; allowed is 1 to 22"),
        (
            "gpu-001,nobody",
            r"found 'nobody', which is none of 22 \(s21-a-001, s21-a-002, s21-a-003, …\); allowed is all",
        ),
        ("", "found ''.*allowed is all, a count"),
        ("-1", "found '-1'"),
    ],
)
def test_nobody_says_what_was_found_and_what_is_allowed(who: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        choose(who, IDS, 1)
