"""When a device is read next: in a beat of a second, whatever it and the agent take for it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from drivers.fleet.agent.contact import HURRIED_S, LEAST_PAUSE_S, READ_S, SILENT_S, Contact
from drivers.fleet.agent.device import DeviceReading
from drivers.fleet.wire import Activity, MeasuredBy

READING = DeviceReading(
    setpoint_w=1000, watts=1000.0, measured_by=MeasuredBy.PSU, activity=Activity.RUNNING, serial="one"
)


def reads(contact: Contact, begin_s: float, *, late_s: float, takes_s: float, count: int) -> list[float]:
    """Return when it is asked, each time so late, by an agent to which its answer takes so long."""
    asked = []
    for _ in range(count):
        now_s = max(begin_s, contact.read_due_s + late_s)
        asked.append(now_s)
        contact.asked(now_s)
        contact.took(READING, now_s + takes_s)
        contact.read_next(now_s + takes_s, hurried=False)
    return asked


@pytest.mark.parametrize(("late_s", "takes_s"), [(0.0, 0.0), (0.09, 0.0), (0.45, 0.1), (0.0, 0.4), (0.05, 0.7)])
def test_neither_its_answer_nor_a_turn_of_the_agent_stretches_the_second(late_s: float, takes_s: float) -> None:
    asked = reads(Contact(100.0), 100.0, late_s=late_s, takes_s=takes_s, count=61)
    assert asked[-1] - asked[0] == pytest.approx(60 * READ_S, abs=0.1)


def test_one_that_answers_slowly_has_a_pause_nevertheless() -> None:
    asked = reads(Contact(100.0), 100.0, late_s=0.0, takes_s=1.5, count=11)
    assert asked[-1] - asked[0] == pytest.approx(10 * (1.5 + HURRIED_S))


def test_what_had_to_wait_longer_for_its_turn_has_a_beat_of_its_own_from_then_on() -> None:
    contact = Contact(100.0)
    contact.asked(100.9)
    contact.read_next(101.0, hurried=False)
    assert contact.read_due_s == pytest.approx(101.4)


@pytest.mark.parametrize("waits_s", [0.0, 1.5, 4.0])
def test_what_is_silent_is_asked_every_five_seconds_however_long_no_answer_is_waited_for(waits_s: float) -> None:
    contact, asked = Contact(100.0), []
    for _ in range(12):
        now_s = contact.read_due_s
        asked.append(now_s)
        contact.asked(now_s)
        contact.missed(now_s + waits_s)
    assert [later - earlier for earlier, later in pairwise(asked)][6:] == pytest.approx([SILENT_S] * 5)
    assert all(later - earlier >= waits_s + LEAST_PAUSE_S for earlier, later in pairwise(asked))


def test_what_comes_down_is_read_again_soon() -> None:
    contact = Contact(100.0)
    contact.asked(100.0)
    contact.read_next(100.3, hurried=True)
    assert contact.read_due_s == 100.3 + HURRIED_S
