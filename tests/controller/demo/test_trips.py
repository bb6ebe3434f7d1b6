"""What is told of nodes that are cut off: the daemon's word beside what the contactors really did."""

from __future__ import annotations

import io

import pytest

from controller.demo.screen import PlainLines
from controller.demo.trips import TripReport, TripWatch
from controller.demo.watch import ContactorStatus, DaemonStatus, Moment, NodeStatus, TripStatus
from simulators.worldlink import Truth


def moment(t_s: float, *, closed: bool, cause: str | None = None, answers: bool = True) -> Moment:
    truth = Truth(
        t_s=t_s,
        ready=True,
        site_w=1e5,
        node_w={},
        surplus_w=3e5,
        export_w=0.0,
        feeder_load_w=0.0,
        frequency_hz=50.0,
        devices_by_state={"off": 3},
        envelope_w=3e5,
        binding="surplus",
        contactors={"hall": closed, "rack": True},
    )
    trip = None if cause is None else TripStatus(cause=cause)
    hall = NodeStatus(envelope_w=3e5, binding="surplus", contactor=ContactorStatus(trip=trip))
    nodes = {"hall": hall, "rack": NodeStatus(envelope_w=3e5, binding="surplus")}
    status = DaemonStatus(mode="normal", reason="", site_w=1e5, nodes=nodes, orders_in_force=[], devices={})
    return Moment(truth, status if answers else None)


def watched(*moments: Moment) -> tuple[list[str], tuple[TripReport, ...]]:
    events: list[str] = []
    watch = TripWatch(events)
    for each in moments:
        watch.see(each)
    return events, watch.reports()


def trip(begun_s: float, cause: str | None, opened_s: float | None, closed_s: float | None) -> TripReport:
    return TripReport(node="hall", begun_s=begun_s, cause=cause, opened_s=opened_s, closed_s=closed_s)


def test_nothing_is_told_of_contactors_that_stay_closed():
    assert watched(moment(1.0, closed=True), moment(2.0, closed=True, answers=False)) == ([], ())


def test_a_trip_from_the_daemons_word_to_the_reset():
    events, trips = watched(
        moment(59.5, closed=True),
        moment(60.0, closed=True, cause="rating:hall"),
        moment(60.5, closed=False, cause="rating:hall"),
        moment(90.0, closed=True, cause="rating:hall"),  # the daemon has not seen it yet
        moment(90.5, closed=True),
        moment(91.0, closed=True),
    )
    assert trips == (trip(60.0, "rating:hall", 60.5, 90.0),)
    assert events == [
        "hall is tripped from 1:00, it drew more than rating:hall",
        "the contactor of hall is open from 1:00",
        "the contactor of hall is closed from 1:30",
    ]


def test_one_that_is_tripped_and_does_not_open():
    events, trips = watched(moment(60.0, closed=True, cause="order:o1"), moment(70.0, closed=True, cause="order:o1"))
    assert trips == (trip(60.0, "order:o1", None, None),)
    assert events == ["hall is tripped from 1:00, it drew more than order:o1"]


def test_one_that_opens_without_the_daemon():
    events, trips = watched(moment(5.0, closed=False, answers=False), moment(6.0, closed=False))
    assert trips == (trip(5.0, None, 5.0, None),)
    assert events == ["the contactor of hall is open from 0:05"]


def test_the_second_time_is_one_of_its_own():
    _, trips = watched(
        moment(1.0, closed=False, cause="a"),
        moment(2.0, closed=True, cause="a"),
        moment(3.0, closed=False, cause="a"),
        moment(4.0, closed=True),
        moment(5.0, closed=False, cause="b"),
    )
    assert trips == (trip(1.0, "a", 1.0, 2.0), trip(3.0, "a", 3.0, 4.0), trip(5.0, "b", 5.0, None))


@pytest.mark.parametrize("answers", [True, False])
def test_the_lines_say_what_is_open(answers):
    out = io.StringIO()
    lines = PlainLines("hall", out.write)
    lines.show([moment(0.0, closed=True, answers=answers)], [])
    lines.show([moment(0.5, closed=False, answers=answers)], [])
    before, after = out.getvalue().splitlines()
    assert "open:" not in before
    assert after.endswith("open: hall"), "a line at once"
