from __future__ import annotations

import time
from typing import Any

import pytest

from drivers.meters.payloads.fields import Spot
from drivers.meters.payloads.pointer import Pointer
from drivers.meters.payloads.stamps import FarClock, NoStamp, Stamp, StampMemory, date_s, utc_s

AT = Spot(Pointer.parse("/t"))
MEASURED = Stamp(spot=AT, form="unix_s")
CHANGED = Stamp(spot=AT, form="unix_s", of="change", max_age_s=60.0)
NOON_S = 1_764_504_000.0  # 2025-11-30 12:00:00 UTC


@pytest.mark.parametrize(
    ("raw", "form"),
    [
        ("2025-11-30T12:00:00+00:00", "iso8601"),
        ("2025-11-30T13:00:00.000+01:00", "iso8601"),
        ("2025-11-30T12:00:00Z", "iso8601"),
        ("2025-11-30T17:00:00.000000+0500", "iso8601"),
        ("2025-11-30T12:00:00", "iso8601_utc"),
        ("2025-11-30 12:00:00", "iso8601_utc"),
        (1_764_504_000, "unix_s"),
        (1_764_504_000.0, "unix_s"),
        ("1764504000", "unix_s"),
        (1_764_504_000_000, "unix_ms"),
    ],
)
def test_each_form_of_a_time_is_read(raw: object, form: Any) -> None:
    assert utc_s(raw, form) == NOON_S


@pytest.mark.parametrize(
    ("raw", "form", "told"),
    [
        ("2025-11-30T12:00:00", "iso8601", "without its offset from UTC"),
        ("2025-11-30T12:00:00Z", "iso8601_utc", "with an offset from UTC"),
        ("12:00", "iso8601", "no time in ISO 8601"),
        ("2025-13-30T12:00:00Z", "iso8601", "is no time"),
        (NOON_S, "iso8601", "no time in ISO 8601"),
        (None, "unix_s", "no number of seconds"),
        (True, "unix_s", "no number of seconds"),
        (NOON_S, "unix_ms", "another form, or a clock that was never set"),
        (1000 * NOON_S, "unix_s", "another form, or a clock that was never set"),
        (0, "unix_s", "a clock that was never set"),
        (float("nan"), "unix_s", "another form"),
        (10**400, "unix_s", "another form"),
    ],
)
def test_what_is_no_time_of_its_form_is_no_stamp(raw: object, form: Any, told: str) -> None:
    with pytest.raises(NoStamp, match=told):
        utc_s(raw, form)


def test_a_reading_is_as_old_as_its_stamp() -> None:
    assert StampMemory().taken(MEASURED, NOON_S, 95.0, 100.0).at_s == 95.0


def test_a_stamp_a_little_ahead_makes_no_reading_younger_than_its_arrival() -> None:
    assert StampMemory().taken(MEASURED, NOON_S, 101.9, 100.0).at_s == 100.0


def test_a_stamp_from_the_future_is_none() -> None:
    with pytest.raises(NoStamp, match="3600 s ahead: one of the two clocks is wrong"):
        StampMemory().taken(MEASURED, NOON_S, 3700.0, 100.0)


def test_the_same_stamp_again_is_as_old_as_its_first_arrival_whatever_the_clocks_say() -> None:
    """The clock of this machine was 100 s behind, and a frozen gateway would look fresh when it has caught up."""
    memory = StampMemory()
    assert memory.taken(MEASURED, NOON_S, 101.0, 100.0).at_s == 100.0
    assert memory.taken(MEASURED, NOON_S, 191.0, 190.0).at_s == 100.0
    assert memory.taken(MEASURED, NOON_S + 90, 191.0, 190.0).at_s == 190.0


def test_a_stamp_of_the_last_change_lets_a_value_stand_still_for_so_long_and_no_longer() -> None:
    memory = StampMemory()
    assert memory.taken(CHANGED, NOON_S, 100.0, 100.0).at_s == 100.0
    still = memory.taken(CHANGED, NOON_S, 100.0, 159.0)
    assert (still.at_s, still.old) == (159.0, "")
    old = memory.taken(CHANGED, NOON_S, 100.0, 161.0)
    assert (old.at_s, old.old) == (100.0, "it has not changed for 61 s, allowed are 60 s")


def test_the_clock_of_the_other_side_is_known_to_less_than_the_second_that_it_tells() -> None:
    clock = FarClock()
    for at_s, told_s in ((0.1, 1000.0), (0.9, 1000.0), (1.05, 1001.0)):  # its time is 1000 s and ours
        clock.hear(told_s, at_s)
    assert clock.boottime_s(1000.5) == pytest.approx(0.5 + 0.05, abs=1e-6)


def test_the_date_of_an_answer_is_read_and_nonsense_is_none() -> None:
    assert date_s("Sun, 30 Nov 2025 12:00:00 GMT") == NOON_S
    assert [date_s(text) for text in (None, "", "yesterday", "Sun, 99 Nov 2025 12:00:00 GMT")] == [None] * 4


def test_a_date_that_names_no_zone_is_in_utc_wherever_this_machine_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Karachi")
    time.tzset()
    try:
        for text in ("Sun, 30 Nov 2025 12:00:00", "Sun, 30 Nov 2025 12:00:00 -0000", "Sun Nov 30 12:00:00 2025"):
            assert date_s(text) == NOON_S
    finally:
        monkeypatch.undo()
        time.tzset()
