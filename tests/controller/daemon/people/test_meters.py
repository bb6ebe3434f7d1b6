"""Words for meters: what is on record of them, what survives a restart, and when they are over."""

from dataclasses import replace

import numpy as np
import pytest

from controller.core.reasons import Code, Reason
from controller.core.site import Meters
from controller.core.trust.judge import no_trust
from controller.daemon.access import Principal, Role
from controller.daemon.journal.journal import RecordKind
from controller.daemon.people.meters import MeterDesk
from controller.daemon.people.refusal import WorkRefused
from controller.daemon.tick import Tick
from drivers.errors import JournalUnusable
from tests.controller.core.trust.test_confirmed import waits_for_a_person
from tests.controller.core.trust.test_redundancy import is_normal
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.north import make_decision, make_site

OPERATOR = Principal(name="day-desk", role=Role.OPERATOR)


def site_with(*meters):
    count = len(meters)
    columns = {"node": np.zeros(count, dtype=np.int64), "rating_w": np.full(count, 2e5)}
    return replace(make_site(), meters=Meters(ids=meters, accuracy=np.full(count, 0.005), **columns))


SITE = site_with("check", "main")


class Place:
    """A desk over a journal that may be opened anew; check waits for a person, and showed 1.5 kW less than main."""

    def __init__(self, path) -> None:
        self.path, self.read_as = path, {"check": "as before", "main": "as before"}
        sources = {"check": (Reason(Code.METER_UNCONFIRMED, "check", {"other": "main"}),)}
        trust = no_trust(SITE)
        trust = replace(trust, redundancy=replace(trust.redundancy, under_w=np.array([1500.04, 0.0])))
        decision = replace(make_decision(), sources=sources)
        self.tick: Tick | None = Tick(decision=decision, trust=trust, duration_s=0.0, late_s=0.0)
        self.open()

    def open(self, site=SITE) -> None:
        self.journal = journal_at(self.path)
        self.desk = MeterDesk(site=site, journal=self.journal, tick=lambda: self.tick, read_as=lambda: self.read_as)

    def restart(self, site=SITE) -> None:
        self.journal.close()
        self.open(site)

    def confirm(self, meter="check", by="Ali"):
        return self.desk.confirm(meter, by, "clamp meter", OPERATOR)

    def refused(self, meter="check") -> Reason:
        with pytest.raises(WorkRefused) as refusal:
            self.confirm(meter)
        assert self.desk.held == ()
        assert list(self.journal.records(RecordKind.METER_CONFIRMED)) == []
        return refusal.value.reason


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path / "journal.db")
    yield made
    made.journal.close()


def test_a_word_is_on_the_disk_before_it_counts_and_outlives_a_restart(place):
    answer = place.confirm()
    assert (answer.meter, answer.by, answer.again) == ("check", "Ali", False)
    assert place.confirm(by="Sara").again
    (held,) = place.desk.held
    assert (held.meter, held.by, held.under_w) == (0, "Ali", {"check": 1500.0, "main": 0.0})
    place.restart()
    assert place.desk.held == (held,)


def test_one_that_is_over_stays_so(place):
    place.confirm()
    place.desk.observe(replace(place.tick.decision, unconfirmed=(place.desk.held[0].id,)))
    assert place.desk.held == ()
    place.restart()
    assert place.desk.held == ()
    assert not place.confirm(by="Sara").again, "and the meter may be confirmed anew"


def test_only_a_meter_that_waits_for_a_person_is_confirmed(place):
    assert place.refused("moon").code is Code.CONFIRM_METER_UNKNOWN
    assert place.refused("main").code is Code.CONFIRM_NOT_AWAITED
    place.tick = None
    assert place.refused().parameters["why"] == "no tick is new enough"


def test_without_the_disk_nothing_counts(place):
    place.journal.close()
    with pytest.raises(JournalUnusable):
        place.confirm()
    assert place.desk.held == ()


@pytest.mark.parametrize("meters", [("check",), ("main",), ("check", "third"), ("check", "main", "third")])
def test_a_word_for_a_meter_whose_partners_are_others_now_does_not_count(place, meters, caplog):
    place.confirm()
    place.restart(site_with(*meters))
    assert place.desk.held == ()
    assert "the word for a meter does not count" in caplog.text


@pytest.mark.parametrize("meter", ["check", "main"])
def test_a_word_does_not_count_after_a_restart_by_which_a_meter_of_the_node_is_read_otherwise(place, meter, caplog):
    """The name is the same and the instrument another one, which nobody has looked at."""
    place.confirm()
    place.read_as = place.read_as | {meter: "at another address"}
    place.restart()
    assert place.desk.held == ()
    assert "has other settings now" in caplog.text


def test_a_record_that_cannot_be_understood_confirms_nothing(place):
    for body in ({"meter": "check"}, {"meter": "check", "by": "Ali", "under_w": {"check": "much", "main": 0}}):
        place.journal.append(RecordKind.METER_CONFIRMED, body)
    place.restart()
    assert place.desk.held == ()


def test_the_real_control_and_the_desk_from_the_wait_over_a_restart_to_the_end(tmp_path):
    world, journal = waits_for_a_person(), journal_at(tmp_path / "journal.db")

    def tick():
        return Tick(decision=world.history[-1][3], trust=world.state.trust, duration_s=0.0, late_s=0.0)

    def until(condition, seconds):
        end_s = world.now_s + seconds
        while world.now_s < end_s:
            world.confirmed = desk.held
            desk.observe(world.cycle())
            if condition(world.history[-1][3]):
                return
        raise AssertionError(f"not within {seconds} s")

    desk = MeterDesk(site=world.site, journal=journal, tick=tick)
    desk.confirm("check", "Ali", "clamp meter", OPERATOR)
    until(is_normal, 120.0)
    journal.close()
    journal = journal_at(tmp_path / "journal.db")
    desk = MeterDesk(site=world.site, journal=journal, tick=tick)
    world.confirmed = desk.held
    world.reboot()
    until(is_normal, 200.0)
    world.shown_as = {}
    world.silent.clear()
    until(lambda _: not desk.held, 900.0)
    journal.append(RecordKind.RESUME, {"by": "ops", "reason": "what was posted before is stored"})
    (over,) = journal.records(RecordKind.METER_CONFIRMATION_OVER)
    assert over.body == {"meter": "check", "confirmation": "confirmation-1"}
    journal.close()
