"""What the tick sees of a source: its newest good value, and how old that is."""

import logging
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.site import SURPLUS
from controller.daemon.mailbox import Board
from drivers.readings import Loss, Quality, Sample
from tests.controller.core.world import site

SITE = site()  #: meters check and main


def sample(meter="main", *, taken_s=10.0, quality=Quality.GOOD, invalid=(), **values) -> Sample:
    return Sample(
        meter=meter,
        values=values,
        quality=quality,
        taken_at_s=taken_s,
        arrived_at_s=taken_s + 0.1,
        invalid=dict(invalid),
    )


@pytest.fixture
def board() -> Board:
    return Board(SITE)


def test_before_the_first_reading_there_is_none(board):
    columns = board.meters()
    assert np.all(columns.taken_s == -np.inf)
    assert columns.power_w.tolist() == [0.0, 0.0]
    assert board.surplus() is None
    assert all(view.quality is Quality.BAD and view.problem for view in board.views.values())


def test_a_good_sample_becomes_a_column_in_the_order_of_the_site(board):
    board.publish(sample("main", active_power_w=5e3, frequency_hz=50.01, voltage_l1_n_v=230.0))
    board.publish(sample("check", active_power_w=-7e3, taken_s=11.0))
    columns = board.meters()
    assert columns.power_w.tolist() == [-7e3, 5e3]
    assert columns.taken_s.tolist() == [11.0, 10.0]
    assert columns.sane.tolist() == [True, True]
    assert columns.doubts == ("", "")
    assert board.views["main"].problem == ""


def test_zero_is_a_value(board):
    board.publish(sample(active_power_w=0.0))
    assert board.meters().taken_s[1] == 10.0
    board.publish(sample(SURPLUS, surplus_w=0.0))
    assert (board.surplus().value_w, board.surplus().taken_s) == (0.0, 10.0)


@pytest.mark.parametrize(
    ("item", "quality", "problem"),
    [
        (sample(active_power_w=9e9, quality=Quality.UNCERTAIN, taken_s=20.0), Quality.UNCERTAIN, "uncertain"),
        (sample(active_power_w=9e9, quality=Quality.BAD, taken_s=20.0), Quality.BAD, "bad"),
        (sample(active_power_w=0.0, frequency_hz=0.0, taken_s=20.0), Quality.UNCERTAIN, "nothing but zeros"),
        (sample(taken_s=20.0, invalid={"active_power_w": "NaN marks it"}), Quality.UNCERTAIN, "active_power_w: NaN marks it"),
        (Loss(meter="main", reason="no answer", at_s=20.0), Quality.BAD, "no answer"),
    ],
)  # fmt: skip
def test_what_is_not_good_leaves_the_last_good_value_to_age(board, item, quality, problem):
    board.publish(sample(active_power_w=5e3))
    board.publish(item)
    columns, view = board.meters(), board.views["main"]
    assert (columns.power_w[1], columns.taken_s[1]) == (5e3, 10.0)
    assert view.quality is quality
    assert problem in view.problem
    board.publish(sample(active_power_w=6e3, taken_s=30.0))
    assert (board.meters().power_w[1], board.meters().taken_s[1]) == (6e3, 30.0)
    assert board.views["main"].problem == ""


@pytest.mark.parametrize(
    ("frequency_hz", "ok"),
    [
        (45.01, True),
        (50.0, True),
        (54.99, True),
        (45.0, False),
        (55.0, False),
        (0.0, False),
        (-50.0, False),
        (5001.0, False),
    ],
)
def test_a_frequency_that_no_50_hz_grid_has_is_noted(board, frequency_hz, ok):
    board.publish(sample(active_power_w=5e3, frequency_hz=frequency_hz))
    assert board.meters().sane.tolist() == [True, ok]
    assert ("50 Hz" in board.meters().doubts[1]) is not ok


def test_a_loss_does_not_make_a_wrong_frequency_right(board):
    board.publish(sample(active_power_w=5e3, frequency_hz=5001.0))
    board.publish(Loss(meter="main", reason="no answer", at_s=11.0))
    board.publish(sample(quality=Quality.UNCERTAIN, active_power_w=5e3))
    assert not board.meters().sane[1]


def test_a_meter_may_serve_as_surplus_source(board):
    board.publish(sample(SURPLUS, surplus_w=-3e3))
    assert board.surplus().value_w == -3e3
    board.publish(sample(SURPLUS, active_power_w=-4e3))
    assert board.surplus().value_w == -4e3


@pytest.mark.parametrize("value_w", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("source", ["main", SURPLUS])
def test_no_value_that_is_not_finite_gets_to_the_control(board, source, value_w):
    board.publish(sample(source, active_power_w=5e3))
    board.publish(sample(source, active_power_w=value_w, taken_s=20.0))
    assert board.views[source].value_w == 5e3
    assert board.views[source].taken_s == 10.0
    assert board.views[source].quality is not Quality.GOOD


def test_what_speaks_against_a_meter_is_logged_once(board, caplog):
    caplog.set_level(logging.INFO, "controller.daemon.mailbox")
    for k in range(5):
        board.publish(sample(active_power_w=5e3, frequency_hz=4.0 + k, taken_s=20.0 + k))
    board.publish(sample(active_power_w=5e3, frequency_hz=50.0, taken_s=30.0))
    assert [record.event for record in caplog.records] == ["meter_doubted", "meter_believed"]
    assert "no 50 Hz" in caplog.text


def test_a_counter_that_fell_is_logged(board, caplog):
    for k, wh in enumerate((5e6, 5.1e6, 10.0)):
        board.publish(sample(active_power_w=5e3, energy_import_wh=wh, taken_s=20.0 + k))
    assert [record.event for record in caplog.records] == ["counter_fell"]
    assert board.meters().doubts == ("", "")


def test_slow_quantities_stay_and_come_alone(board):
    board.publish(sample(active_power_w=5e3, energy_import_wh=7e6, taken_s=20.0))
    board.publish(sample(active_power_w=6e3, taken_s=21.0))
    board.publish(sample(voltage_l1_n_v=230.0, taken_s=22.0))
    view = board.views["main"]
    assert {name: (one.value, one.taken_s) for name, one in view.readings.items()} == {
        "active_power_w": (6e3, 21.0), "energy_import_wh": (7e6, 20.0), "voltage_l1_n_v": (230.0, 22.0),
    }  # fmt: skip
    assert (view.value_w, view.taken_s, view.quality, view.problem) == (6e3, 21.0, Quality.GOOD, "")


def test_a_value_that_the_meter_calls_impossible_is_said_with_the_question_for_its_profile(board):
    impossible = {"frequency_hz": "1e-38 is outside the plausible range 45 to 65"}
    board.publish(sample(active_power_w=5e3, quality=Quality.UNCERTAIN, invalid=impossible))
    assert board.meters().unusable[1].startswith("frequency_hz: 1e-38 is outside")
    assert board.meters().unusable[1].endswith("is its profile the right one?")
    board.publish(Loss(meter="main", reason="no answer", at_s=20.0))
    assert board.meters().unusable[1] == ""


items = st.one_of(
    st.builds(
        sample,
        st.sampled_from(["main", "check", SURPLUS]),
        taken_s=st.floats(0, 1e6),
        quality=st.sampled_from(list(Quality)),
        active_power_w=st.floats(),
        frequency_hz=st.floats(1, 100),
    ),
    st.builds(Loss, meter=st.sampled_from(["main", "check", SURPLUS]), reason=st.just("gone"), at_s=st.floats(0, 1e6)),
)


@given(st.lists(items, max_size=20))
def test_columns_are_always_finite_and_of_a_good_sample(published):
    board = Board(SITE)
    for item in published:
        board.publish(item)
    assert np.isfinite(board.meters().power_w).all()
    for name, view in board.views.items():
        good = [item.taken_at_s for item in published if isinstance(item, Sample) and item.meter == name
                and item.quality is Quality.GOOD and math.isfinite(item.values["active_power_w"])]  # fmt: skip
        assert view.taken_s == (good[-1] if good else -math.inf)


def test_what_the_tick_has_taken_does_not_change(board):
    board.publish(sample(active_power_w=5e3))
    columns, views = board.meters(), board.views
    board.publish(sample(active_power_w=9e3, taken_s=20.0))
    assert columns.power_w[1] == 5e3
    assert views["main"].value_w == 5e3
