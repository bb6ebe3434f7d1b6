"""What follows from a contactor that was told to open, by the time since."""

from dataclasses import replace

import numpy as np
import pytest

from controller.core.limits.contactors import Phase, Trips, no_trips
from controller.core.limits.tripped import power_cut, told_of_trips
from controller.core.reasons import Code
from controller.core.site import Contactors
from tests.controller.core.halls import HALL, ROW, hall_site, nested_site

SITE = hall_site()
TOLD_S = 1000.0


def told_to_open(built, **given) -> Trips:
    """Return the first contactor of a site that was told to open at `TOLD_S`, and the others closed."""
    trips = no_trips(built, 0.0)
    first, *others = trips.contactors
    opened = replace(first.to(Phase.TRIPPED, TOLD_S), **given)
    return replace(trips, contactors=(opened, *others))


@pytest.mark.parametrize(("after_s", "moves"), [(0.0, True), (9.9, True), (10.0, False)])
def test_it_has_ten_seconds_to_open_and_then_its_node_is_compared_again_and_it_is_told(after_s, moves):
    trips, now_s = told_to_open(SITE), TOLD_S + after_s
    cut = power_cut(trips, SITE, now_s)
    assert cut.switching[HALL] == moves
    assert not cut.anything.any(), "they go on as they are known to, until it is open"
    codes = {reason.code for reason in told_of_trips(trips, SITE, None, now_s)}
    assert (Code.CONTACTOR_UNPROVEN in codes) != moves


@pytest.mark.parametrize(("after_s", "fades"), [(4.9, True), (5.0, False)])
def test_once_it_is_proven_what_meters_above_show_counts_again_after_five_seconds(after_s, fades):
    cut = power_cut(told_to_open(SITE, proven_s=TOLD_S + 2.0), SITE, TOLD_S + 2.0 + after_s)
    assert (cut.fading[0], cut.switching[HALL]) == (fades, fades)


def test_below_a_contactor_at_the_connection_everything_is_without_power():
    built = replace(nested_site(), contactors=Contactors(node=np.array([0]), trip_after_s=np.array([25.0])))
    cut = power_cut(told_to_open(built, proven_s=TOLD_S + 2.0), built, TOLD_S + 60.0)
    assert cut.dark.all()
    assert cut.unfed.tolist() == [False, True, True, True]


def test_below_a_contactor_in_a_hall_only_that_is_without_power():
    built = nested_site()
    cut = power_cut(told_to_open(built, proven_s=TOLD_S + 2.0), built, TOLD_S + 60.0)
    assert cut.dark.tolist() == np.isin(built.devices.node, [HALL, ROW]).tolist()
    assert np.flatnonzero(cut.unfed).tolist() == [ROW]
    assert np.flatnonzero(cut.changing).tolist() == [0, HALL, ROW]
