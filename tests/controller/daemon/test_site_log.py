"""What goes and comes back at the site is logged once each."""

import logging
from dataclasses import replace

import pytest

from controller.core.limits.orders import Compliance, OrderNow
from controller.core.reasons import Code, Reason
from controller.daemon.site_log import SiteLog
from tests.controller.north import make_decision, make_site


def silent(since_s: float) -> Reason:
    return Reason(Code.AGENT_SILENT, "hall-a", {"since_s": since_s, "count": 2, "most_w": 7e3})


LOST = Reason(Code.DEVICE_LOST, "hall-a", {"count": 1, "most_w": 3500.0})
DEFIANT = Reason(Code.DEVICE_DEFIANT, "hall-a", {"count": 1, "over_w": 3500.0})
OVER = Reason(Code.OVER_ENVELOPE, "pcc", {"since_s": 18.0, "over_w": 9e3})


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, "controller.daemon.site_log")
    log = SiteLog(make_site())

    def observe(**changes) -> list[str]:
        caplog.clear()
        log.observe(replace(make_decision(), **changes))
        return [record.message for record in caplog.records]

    observe()
    return observe


def test_an_agent_that_goes_and_comes_back_is_said_once_each(said):
    assert said(warnings=(silent(6.0),)) == [
        "agent hall-a has been silent for 6 s: its 2 devices may be drawing 7.0 kW"
    ]
    assert said(warnings=(silent(7.0),)) == []
    assert said() == ["agent hall-a is back"]
    assert said() == []


def test_of_the_devices_of_an_agent_that_falls_silent_nothing_good_is_said(said):
    assert said(warnings=(LOST,)) == ["agent hall-a gets no answer of 1 device, which may be drawing 3.5 kW"]
    assert said(warnings=(silent(6.0),)) == [
        "agent hall-a has been silent for 6 s: its 2 devices may be drawing 7.0 kW"
    ]
    assert said(warnings=(LOST,))[-1] == "agent hall-a is back"
    assert said() == ["no device of agent hall-a is found lost any more"]


def test_of_devices_that_defied_and_do_not_answer_any_more_nobody_says_that_they_obey(said):
    assert said(warnings=(DEFIANT,)) == [
        "agent hall-a has no proof that 1 device came down as told: up to 3.5 kW too much"
    ]
    assert said(warnings=(LOST,)) == ["agent hall-a gets no answer of 1 device, which may be drawing 3.5 kW"]
    assert said(warnings=(LOST, DEFIANT))
    assert said(warnings=(DEFIANT,)) == ["no device of agent hall-a is found lost any more"]
    assert said() == ["no device of agent hall-a is found to draw more than it was told any more"]


def test_every_warning_has_words_for_its_end(said):
    for reason in (
        silent(6.0),
        LOST,
        OVER,
        DEFIANT,
        Reason(Code.NODE_UNSEEN, "pcc"),
        Reason(Code.CARRIES_WORSE, "pcc", {"unit": "A", "shown_w": 500.0, "declared_w": 540.0}),
        Reason(Code.AGENT_DEAF, "hall-a", {"since_s": 16.0, "count": 2, "most_w": 7e3}),
    ):
        assert len(said(warnings=(reason,))) == 1
        assert len(said()) == 1


def test_another_limit_that_binds_is_said_once(said):
    assert said(binding=("contract", "rating:feeder")) == ["contract limits the site to 80.0 kW"]
    assert said(binding=("contract", "rating:feeder")) == []


def test_an_order_that_comes_into_force_is_said_once(said):
    now = OrderNow(
        id="o-1",
        node=1,
        limit_w=5e3,
        power_w=None,
        achievable_w=600.0,
        final_w=50e3,
        since_s=900.0,
        compliance=Compliance.UNSEEN,
        revision=1,
    )
    assert said(orders=(now,), orders_in_force=("o-1",)) == ["order o-1 is in force on feeder"]
    assert said(orders=(now,), orders_in_force=("o-1",)) == []
    assert said() == []
    assert said(orders=(now,), orders_in_force=("o-1",)) == ["order o-1 is in force on feeder"]
