"""What the drivers say until a tick takes it."""

import threading

import pytest

from controller.core.site import SURPLUS
from controller.core.snapshot import Grade, SourceLoss, SourceSample
from controller.daemon import mailbox
from controller.daemon.mailbox import Mailbox, as_heard
from drivers.readings import Loss, Quality, Sample


def sample(taken_s: float, **changes) -> Sample:
    given = {"meter": "main", "values": {"active_power_w": 5e3}, "quality": Quality.GOOD}
    return Sample(**given | changes, taken_at_s=taken_s, arrived_at_s=taken_s + 0.1)


def test_a_sample_is_taken_once_and_whole():
    box = Mailbox()
    given = sample(
        10.0, quality=Quality.UNCERTAIN, invalid={"frequency_hz": "NaN"}, notes={"active_power_w": "forced by a person"}
    )
    box.publish(given)
    assert box.take() == (
        SourceSample(
            source="main",
            values={"active_power_w": 5e3},
            grade=Grade.UNCERTAIN,
            taken_s=10.0,
            arrived_s=10.1,
            invalid={"frequency_hz": "NaN"},
            notes={"active_power_w": "forced by a person"},
        ),
    )
    assert box.take() == ()


def test_samples_and_losses_keep_their_sequence():
    box = Mailbox()
    for item in (sample(1.0), Loss(meter="main", reason="no answer", at_s=2.0), sample(3.0)):
        box.publish(item)
    first, loss, last = box.take()
    assert (first.taken_s, loss, last.taken_s) == (1.0, SourceLoss(source="main", error="no answer", at_s=2.0), 3.0)


@pytest.mark.parametrize("quality", list(Quality))
def test_every_quality_of_the_drivers_has_its_grade(quality):
    assert as_heard(sample(1.0, quality=quality)).grade.value == quality.value


def test_nothing_is_lost_or_doubled_between_two_threads():
    box, count, taken = Mailbox(), 5_000, []
    publisher = threading.Thread(target=lambda: [box.publish(sample(float(k))) for k in range(count)])
    publisher.start()
    while publisher.is_alive():
        taken += box.take()
    publisher.join()
    taken += box.take()
    assert [item.taken_s for item in taken] == [float(k) for k in range(count)]


def test_without_a_tick_the_oldest_go_and_it_is_said_once(monkeypatch, caplog):
    monkeypatch.setattr(mailbox, "MAX_WAITING", 3)
    caplog.set_level("INFO")
    box = Mailbox()
    for k in range(6):
        box.publish(sample(float(k)))
    assert [item.taken_s for item in box.take()] == [3.0, 4.0, 5.0]
    assert [record.event for record in caplog.records] == ["mailbox_full", "mailbox_emptied"]


def test_a_source_that_is_lost_is_told_at_once_and_once_until_it_gives_values_again():
    told = []
    box = Mailbox(lambda: told.append(len(box.take())))
    gone = Loss(meter="main", reason="no answer", at_s=2.0)
    for item in (sample(1.0), gone, gone, sample(3.0), gone):
        box.publish(item)
    assert told == [2, 3], "what is told is there to be taken"


@pytest.mark.parametrize("rises", [False, True])
def test_a_surplus_that_falls_wakes_the_tick_and_one_that_wavers_or_rises_does_not(rises):
    woken: list[float] = []

    def say(surplus_w: float) -> int:
        reading_w = 2e6 - surplus_w if rises else surplus_w
        box.publish(sample(1.0, meter=SURPLUS, values={"surplus_w": reading_w}))
        return len(woken)

    box = Mailbox(lambda: woken.append(1.0), rises=rises)
    assert say(1.00e6) == 0, "of the first one nobody knows from where it falls"
    box.take()
    assert say(1.20e6) == 0
    assert say(0.995e6) == 0
    assert say(0.90e6) == 1
    box.take()
    assert say(0.90e6) == 1, "the tick has seen it"
    assert say(0.80e6) == 2
    box.publish(sample(2.0, values={"active_power_w": 1.0}))
    assert len(woken) == 2
