"""How the driver judges made-up answers, with an injected clock."""

from __future__ import annotations

import datetime as dt
import math
import re

import pytest
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DriverLoss
from drivers.meters.opcua.points import Point
from drivers.meters.opcua.watch import (
    LONGEST_STANDSTILL_S,
    RIDES_S,
    STANDSTILL_S,
    WAITING_S,
    Clockwork,
    Item,
    PointWatch,
)
from drivers.meters.opcua.wire import Value
from drivers.readings import Loss, Quality, Sample
from tests.drivers.meters.watching import Seen

SERVER_NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


def data_value(value: object = 500.0, status: int = 0, stamp: dt.datetime | None = SERVER_NOON) -> Value:
    return Value(value, status, None if stamp is None else stamp.timestamp())


class Bench:
    """A point with a clock that stands at 1000 s; the server's noon is second 1000 plus `ahead_s`."""

    def __init__(self, *, ahead_s: float = 0.0, factor: float = 1e3, **changes) -> None:
        self.now_s = 1000.0
        self.ahead_s = ahead_s
        self.seen = Seen()
        point = Point(id="scada", node="i=1", quantity="surplus_w", unit="kW", **changes)
        self.watch = PointWatch(point, self.seen)
        self.clockwork = Clockwork(lambda: self.now_s)
        self.item = Item(point=self.watch, quantity="surplus_w", node=ua.NodeId(1), factor=factor)
        self.energy = Item(point=self.watch, quantity="energy_import_wh", node=ua.NodeId(2), factor=1.0)

    def utc(self, at_s: float) -> dt.datetime:
        return SERVER_NOON + dt.timedelta(seconds=at_s - 1000.0 + self.ahead_s)

    def confirm(self, value: Value, server_time: dt.datetime | None = None, energy: Value | None = None) -> Sample:
        self.clockwork.hear(server_time or self.utc(self.now_s), self.now_s)
        if energy is not None:
            self.energy.confirm(energy, self.clockwork, self.now_s, self.now_s)
        self.item.confirm(value, self.clockwork, self.now_s, self.now_s)
        self.watch.publish(self.clockwork, self.now_s)
        return self.seen[-1]

    def change(self, value: Value, *, of_energy: bool = False) -> None:
        (self.energy if of_energy else self.item).change(value, self.clockwork, self.now_s)
        self.watch.publish(self.clockwork, self.now_s)


def test_kilowatts_become_watts_with_the_sign_of_the_point():
    assert Bench().confirm(data_value(500.0)).values == {"surplus_w": 500_000.0}
    assert Bench(factor=-1e6).confirm(data_value(2)).values == {"surplus_w": -2e6}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "nan is not finite"),
        (-math.inf, "-inf is not finite"),
        (1.7e308, "1.7e+308 is not finite"),  # in kW
        (True, "True is not a number"),
        ("500", "'500' is not a number"),
        ([500.0] * 9, "[500.0, 500.0, 500.0, 500.0, 500.0, 500.0, ...] is not a number"),
        (ua.StatusCode(), "StatusCode(value=0) is not a number"),
        (None, "None is not a number"),
    ],
)
def test_what_is_not_a_finite_number_is_bad_and_has_no_value(value, reason):
    sample = Bench().confirm(data_value(value))
    assert (dict(sample.values), sample.quality) == ({}, Quality.BAD)
    assert sample.invalid == {"surplus_w": reason}


def test_a_bad_status_has_no_value_though_the_last_one_is_still_there():
    sample = Bench().confirm(data_value(500.0, StatusCodes.BadSensorFailure | 0x480))
    assert (dict(sample.values), sample.quality) == ({}, Quality.BAD)
    assert sample.invalid == {"surplus_w": "the server says BadSensorFailure"}


@pytest.mark.parametrize("ahead_s", [0.0, 3600.0, -3600.0])
def test_an_uncertain_value_is_as_old_as_its_source_says_whatever_the_server_s_clock_shows(ahead_s):
    bench = Bench(ahead_s=ahead_s)
    sample = bench.confirm(data_value(500.0, 0x40900000, bench.utc(970.0)))
    assert sample.quality is Quality.UNCERTAIN
    assert sample.taken_at_s == pytest.approx(970.0)
    assert sample.values == {"surplus_w": 500_000.0}


def test_a_good_answer_is_as_old_as_the_read_though_the_value_has_not_changed_for_an_hour():
    bench = Bench()
    sample = bench.confirm(data_value(stamp=bench.utc(-2600.0)))
    assert (sample.quality, sample.taken_at_s) == (Quality.GOOD, 1000.0)


def test_where_every_scan_is_stamped_an_old_stamp_is_uncertain_and_old():
    bench = Bench(source_max_age_s=5.0)
    assert bench.confirm(data_value(stamp=bench.utc(996.0))).quality is Quality.GOOD
    sample = bench.confirm(data_value(stamp=bench.utc(990.0)))
    assert sample.quality is Quality.UNCERTAIN
    assert sample.taken_at_s == pytest.approx(990.0)


@pytest.mark.parametrize("ahead_s", [0.0, 3600.0, -3600.0])
def test_a_change_is_taken_when_its_source_says(ahead_s):
    bench = Bench(ahead_s=ahead_s)
    bench.confirm(data_value())
    bench.now_s = 1002.0
    bench.change(data_value(400.0, stamp=bench.utc(1001.5)))
    assert bench.seen[-1].values == {"surplus_w": 400_000.0}
    assert bench.seen[-1].taken_at_s == pytest.approx(1001.5)


def test_a_change_without_a_stamp_or_from_the_future_is_taken_when_it_arrives():
    bench = Bench()
    bench.confirm(data_value())
    for stamp in (None, bench.utc(5000.0)):
        bench.now_s += 1.0
        bench.change(data_value(400.0, stamp=stamp))
        assert bench.seen[-1].taken_at_s == bench.now_s


def test_a_change_that_a_read_has_overtaken_does_not_bring_the_old_value_back():
    bench = Bench()
    bench.confirm(data_value(300.0))
    before = len(bench.seen)
    bench.change(data_value(400.0, stamp=bench.utc(999.9)))
    assert len(bench.seen) == before


def test_a_change_to_bad_is_told_at_once():
    bench = Bench()
    bench.confirm(data_value(300.0))
    bench.now_s = 1000.1
    bench.change(data_value(300.0, StatusCodes.BadNoCommunication, bench.utc(900.0)))
    assert (bench.seen[-1].quality, bench.seen[-1].taken_at_s) == (Quality.BAD, 1000.1)


def test_a_server_that_refreshes_its_clock_once_a_second_only_is_mapped_by_its_nearest_tick():
    bench = Bench()
    for tenth in range(9):
        bench.now_s = 1000.0 + tenth / 10
        bench.confirm(data_value(), bench.utc(1000.0))
    bench.change(data_value(400.0, stamp=bench.utc(1000.85)))
    assert bench.seen[-1].taken_at_s == bench.now_s
    bench.now_s = 1000.9
    bench.change(data_value(450.0, stamp=bench.utc(1000.85)))
    assert bench.seen[-1].taken_at_s == pytest.approx(1000.85)


def stands_still(bench: Bench, after_s: float) -> None:
    """The clock of the server stands from now on; that is a loss after this time and not before."""
    stood = bench.utc(bench.now_s)
    bench.now_s += after_s
    bench.confirm(data_value(), stood)
    bench.now_s += 0.1
    with pytest.raises(DriverLoss, match="stands still"):
        bench.confirm(data_value(), stood)


def moved(bench: Bench, *, every_s: float) -> Bench:
    for _ in range(4):
        bench.confirm(data_value())
        bench.now_s += every_s
    bench.confirm(data_value())
    return bench


def test_a_server_whose_clock_stands_still_is_lost():
    stands_still(moved(Bench(), every_s=1.0), STANDSTILL_S)


def test_a_server_that_refreshes_its_clock_every_ten_seconds_is_none_that_stands_still():
    bench = Bench()
    for second in range(60):
        bench.now_s = 1000.0 + second
        bench.confirm(data_value(), bench.utc(1000.0 + second - second % 10))
    bench.now_s = 1060.0
    bench.confirm(data_value(), bench.utc(1060.0))
    stands_still(bench, 22.5)  # it was seen to stand for 9 s


def test_a_clock_of_which_nothing_is_known_yet_may_stand_for_longer_and_not_for_ever():
    bench = Bench()
    bench.confirm(data_value())
    stands_still(bench, LONGEST_STANDSTILL_S)


def test_a_clock_that_stands_still_is_no_other_in_the_next_session():
    bench = moved(Bench(), every_s=1.0)
    stood = bench.utc(bench.now_s)
    bench.now_s += STANDSTILL_S + 0.1
    bench.clockwork.begin()
    with pytest.raises(DriverLoss, match="stands still"):
        bench.confirm(data_value(), stood)


def test_a_rest_of_our_own_says_nothing_of_how_seldom_a_clock_is_refreshed():
    bench = moved(Bench(), every_s=1.0)
    bench.now_s += 20.0  # the machine was suspended
    stands_still(moved(bench, every_s=1.0), STANDSTILL_S)


def test_the_time_between_two_sessions_says_nothing_of_how_seldom_a_clock_is_refreshed():
    bench = moved(Bench(), every_s=1.0)
    bench.now_s += 20.0
    bench.clockwork.begin()
    stands_still(moved(bench, every_s=1.0), STANDSTILL_S)


@pytest.mark.parametrize(
    ("behind", "told"),
    [
        (dt.timedelta(days=6.1 * 365), "its source stamped it on 2020-10-1., 6 years behind the server's clock"),
        (dt.timedelta(days=3), "3 days behind"),
        (dt.timedelta(days=-30), "30 days ahead of the server's clock"),
    ],
)
def test_a_stamp_that_is_years_off_is_told_once_and_says_nothing_of_the_age(behind, told, caplog):
    bench = Bench()
    for _ in range(3):
        bench.now_s += 1.0
        sample = bench.confirm(data_value(stamp=bench.utc(bench.now_s) - behind))
        assert (sample.quality, sample.taken_at_s) == (Quality.GOOD, bench.now_s)
        assert re.search(told, sample.notes["surplus_w"])
    bench.now_s += 1.0
    bench.change(data_value(400.0, stamp=bench.utc(bench.now_s) - behind))
    assert bench.seen[-1].values == {"surplus_w": 400_000.0}
    assert bench.seen[-1].taken_at_s == bench.now_s
    assert len(caplog.records) == 1
    assert not bench.confirm(data_value(stamp=bench.utc(bench.now_s))).notes


def test_where_every_scan_is_stamped_a_stamp_that_is_years_old_is_an_old_value():
    bench = Bench(source_max_age_s=5.0)
    old = SERVER_NOON - dt.timedelta(days=1000)
    sample = bench.confirm(data_value(stamp=old))
    assert sample.quality is Quality.UNCERTAIN
    assert sample.taken_at_s < -8e7


@given(
    st.one_of(st.floats(), st.integers(-(2**63), 2**63), st.booleans(), st.text(max_size=5), st.none()),
    st.integers(0, 2**32 - 1),
    st.one_of(st.none(), st.datetimes(timezones=st.just(dt.UTC))),
)
def test_no_answer_raises_or_gives_a_value_that_is_not_finite_or_from_the_future(value, status, stamp):
    bench = Bench()
    answer = data_value(value, status, stamp)
    bench.confirm(answer)
    bench.now_s += 1.0
    bench.change(answer)
    for sample in bench.seen:
        assert all(math.isfinite(each) for each in sample.values.values())
        assert sample.taken_at_s <= sample.arrived_at_s
        assert bool(sample.values) is (sample.quality is not Quality.BAD)
        assert bool(sample.values) is not bool(sample.invalid)


def test_a_server_that_does_not_tell_its_time_is_lost():
    with pytest.raises(DriverLoss, match="does not tell its CurrentTime"):
        Bench().confirm(data_value(), "noon")  # type: ignore[arg-type]


def test_other_quantities_ride_along_with_the_power_and_never_alone():
    bench = Bench()
    sample = bench.confirm(data_value(1.0), energy=data_value(7_000.0))
    assert sample.values == {"surplus_w": 1_000.0, "energy_import_wh": 7_000.0}
    before = len(bench.seen)
    bench.now_s += 1.0
    bench.change(data_value(7_100.0, stamp=bench.utc(1001.0)), of_energy=True)
    assert len(bench.seen) == before
    bench.change(data_value(2.0, stamp=bench.utc(1001.0)))
    assert bench.seen[-1].values == {"surplus_w": 2_000.0, "energy_import_wh": 7_100.0}
    bench.now_s += 1.0
    bench.change(data_value(3.0, stamp=bench.utc(1002.0)))
    assert bench.seen[-1].values == {"surplus_w": 3_000.0}


def test_an_energy_that_has_become_old_rides_no_more():
    bench = Bench()
    bench.confirm(data_value(1.0))
    bench.change(data_value(7_000.0, stamp=bench.utc(1000.0)), of_energy=True)
    bench.now_s += RIDES_S + 0.1
    assert bench.confirm(data_value(1.0)).values == {"surplus_w": 1_000.0}


@pytest.mark.parametrize("status", [StatusCodes.BadSensorFailure, StatusCodes.UncertainLastUsableValue])
def test_a_counter_without_a_good_value_is_invalid_and_loses_no_meter(status, caplog):
    bench = Bench()
    sample = bench.confirm(data_value(1.0), energy=data_value(7_000.0, status))
    assert (sample.quality, sample.values) == (Quality.GOOD, {"surplus_w": 1_000.0})
    assert list(sample.invalid) == ["energy_import_wh"]
    assert not bench.watch.lost
    sample = bench.confirm(data_value(1.0), energy=data_value(7_100.0))
    assert sample.values == {"surplus_w": 1_000.0, "energy_import_wh": 7_100.0}
    assert sample.invalid == {}


def test_waiting_for_initial_data_is_a_loss_only_when_it_lasts():
    bench = Bench()
    waiting = data_value(0.0, StatusCodes.BadWaitingForInitialData)
    assert bench.confirm(waiting).invalid == {"surplus_w": "the server says BadWaitingForInitialData"}
    assert not bench.watch.lost
    bench.now_s += WAITING_S
    bench.confirm(waiting)
    assert bench.watch.lost


def test_a_loss_forgets_what_rode_along():
    bench = Bench()
    bench.confirm(data_value(1.0))
    bench.change(data_value(7_000.0, stamp=bench.utc(1000.0)), of_energy=True)
    bench.watch.lose("gone", 1000.0)
    assert bench.seen[-1] == Loss(meter="scada", reason="gone", at_s=1000.0)
    assert bench.confirm(data_value(1.0)).values == {"surplus_w": 1_000.0}


def test_a_value_that_is_polled_is_due_at_the_pace_of_its_point_and_another_when_it_is_silent():
    bench = Bench(publish_interval_s=2.0)
    bench.confirm(data_value())
    due = [bench.item.due(1000.0 + tenth / 10, heartbeat_s=1.0, grain_s=0.5) for tenth in range(30)]
    assert due.index(True) == 13  # silent for 1.25 heartbeats
    bench.item.poll("it has no room")
    due = [bench.item.due(1000.0 + tenth / 10, heartbeat_s=1.0, grain_s=0.5) for tenth in range(30)]
    assert due.index(True) == 18  # the next time that somebody comes, it would be too late


def test_a_source_whose_stamps_are_all_different_nonsense_fills_neither_log_nor_memory(caplog):
    bench = Bench()
    for day in range(1000):
        bench.confirm(data_value(stamp=SERVER_NOON - dt.timedelta(days=400 + day)))
    assert 1 <= len(caplog.records) <= 20
