"""Locks of people at work: who may lift them, what survives a restart, and what a broken disk changes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from controller.core.reasons import Code
from controller.core.snapshot import Lock
from controller.daemon.access import Principal, Role
from controller.daemon.journal.journal import Journal, RecordKind
from controller.daemon.orders.lock_certainty import OF_CERTAINTY, LockCertainty
from controller.daemon.people.locks import AGREE_S, LockDesk
from controller.daemon.people.refusal import WorkRefused
from controller.daemon.people.stop import StopDesk
from controller.texts.english import text
from drivers.errors import JournalUnusable
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.north import make_site
from tests.waiting import DEADLINE_S, until

DAY, NIGHT = (Principal(name=name, role=Role.OPERATOR) for name in ("day-desk", "night-desk"))
SITE = make_site()


class Place:
    """The desks of a site over a journal that may be opened anew."""

    def __init__(self, path) -> None:
        self.path, self.now_s = path, 0.0
        self.open()

    def open(self) -> None:
        self.journal: Journal = journal_at(self.path)
        certainty = LockCertainty("pcc", self.journal.records(*OF_CERTAINTY))
        self.desk = LockDesk(
            site=SITE, journal=self.journal, certainty=certainty, utc=lambda: 1.79e9, clock=lambda: self.now_s
        )
        self.stops = StopDesk(site=SITE, journal=self.journal, utc=lambda: 1.79e9)

    def restart(self) -> None:
        self.journal.close()
        self.open()

    def unlock(self, by: str, operator: Principal = DAY, of: str = "Ali", subject: str = "feeder"):
        return self.desk.unlock(subject, by, of, operator)


@pytest.fixture
def place(tmp_path) -> Iterator[Place]:
    made = Place(tmp_path / "journal.db")
    yield made
    made.journal.close()


@pytest.fixture
def locked(place) -> Place:
    assert place.desk.lock("feeder", "Ali", "new busbar", DAY).durable
    return place


def test_a_node_and_a_device_are_locked_where_they_are(locked):
    locked.desk.lock("m-002", "Sara", "new fan", NIGHT)
    assert [(lock.node, lock.device) for lock in locked.desk.locks] == [(1, None), (1, 1)]
    assert isinstance(locked.desk.locks[0], Lock)


def test_locks_and_their_ends_survive_restarts(locked):
    locked.desk.lock("pcc", "Sara", "inspection", DAY)
    locked.restart()
    assert [lock.id for lock in locked.desk.held] == ["feeder by Ali", "pcc by Sara"]
    assert locked.unlock("Ali").lifted
    locked.restart()
    assert [lock.id for lock in locked.desk.held] == ["pcc by Sara"]


def test_the_same_lock_again_is_the_same_lock(locked):
    answer = locked.desk.lock("feeder", "Ali", "another reason", DAY)
    assert (answer.again, answer.lock.reason, len(locked.desk.held)) == (True, "new busbar", 1)


def test_two_people_hold_the_same_node_each_with_a_lock_of_their_own(locked):
    locked.desk.lock("feeder", "Sara", "cleaning", DAY)
    locked.unlock("Ali")
    assert [lock.by for lock in locked.desk.held] == ["Sara"]


def test_another_person_alone_lifts_nothing_nor_does_the_name_with_another_token(locked):
    assert locked.unlock("Sara", DAY).agreed == ("Sara",)
    assert locked.unlock("Sara", DAY).agreed == ("Sara",)
    assert not locked.unlock("Omar", DAY).lifted, "one token is one operator, whatever names it gives"
    assert not locked.unlock("Omar", NIGHT).lifted, "and one name is one person"
    assert locked.desk.held
    locked.restart()
    assert not locked.unlock("Ali", NIGHT).lifted


def test_two_operators_lift_the_lock_of_a_third(locked):
    locked.unlock("Sara", DAY)
    assert locked.unlock("Omar", NIGHT).lifted
    assert not locked.desk.held
    locked.restart()
    assert not locked.desk.held


def test_two_operators_have_to_agree_within_a_while(locked):
    locked.unlock("Sara", DAY)
    locked.now_s += AGREE_S + 1
    assert locked.unlock("Omar", NIGHT).agreed == ("Omar",)
    assert locked.unlock("Sara", DAY).lifted


def test_a_disk_that_fails_does_not_keep_from_locking_and_keeps_from_unlocking(locked, monkeypatch):
    monkeypatch.setattr(locked.journal._storage, "append", lambda lines: 1 / 0)
    answer = locked.desk.lock("m-001", "Sara", "fan", DAY)
    assert (answer.durable, [lock.subject for lock in locked.desk.held]) == (False, ["feeder", "m-001"])
    assert not locked.stops.stop("fire", DAY).durable
    with pytest.raises(JournalUnusable):
        locked.unlock("Ali")
    with pytest.raises(JournalUnusable):
        locked.stops.resume("out", DAY)
    assert locked.desk.locks[0].node == 1
    assert locked.stops.reason.code is Code.SITE_STOPPED


def test_what_does_not_exist_is_neither_locked_nor_unlocked(locked):
    with pytest.raises(WorkRefused) as refused:
        locked.desk.lock("moon", "Ali", "why not", DAY)
    assert (refused.value.reason.code, refused.value.reason.subject) == (Code.LOCK_SUBJECT_UNKNOWN, DAY.name)
    assert refused.value.reason.parameters["nodes"] == "pcc, feeder"
    with pytest.raises(WorkRefused) as refused:
        locked.unlock("Ali", of="Sara")
    assert refused.value.reason.parameters["held"] == "Ali"


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        ("m-01", "m-001 (did you mean that?), pcc, feeder"),
        ("M-002", "m-002 (did you mean that?), pcc, feeder"),
        ("feder", "feeder (did you mean that?), pcc"),
    ],
)
def test_whoever_mistypes_what_to_lock_is_told_the_nearest(place, typed, known):
    with pytest.raises(WorkRefused) as refused:
        place.desk.lock(typed, "Ali", "new busbar", DAY)
    assert (
        text(refused.value.reason)
        == f"subject: there is no device and no node {typed!r}; there are {known} and the devices"
    )


def test_of_a_hundred_thousand_devices_the_nearest_is_looked_for_among_few(place):
    ids = tuple(sorted(f"m-{k:06d}" for k in range(100_000)))
    place.desk._site = replace(SITE, devices=replace(SITE.devices, ids=ids))
    before_s = time.thread_time()
    with pytest.raises(WorkRefused) as refused:
        place.desk.lock("m-0501234", "Ali", "new busbar", DAY)
    assert refused.value.reason.parameters["nodes"].startswith("m-050123 (did you mean that?)")
    assert time.thread_time() - before_s < 1.0


def test_a_lock_that_cannot_be_understood_locks_the_site(place):
    place.journal.append(RecordKind.LOCK, {"subject": "feeder"})
    place.restart()
    assert [(lock.subject, lock.by) for lock in place.desk.held] == [("pcc", "unknown")]
    place.unlock("Sara", DAY, of="unknown", subject="pcc")
    assert place.unlock("Omar", NIGHT, of="unknown", subject="pcc").lifted


def test_a_stop_survives_restarts_until_it_is_resumed(place):
    assert place.stops.stop("fire drill", DAY).durable
    assert place.stops.stop("fire drill", NIGHT).again
    place.restart()
    assert place.stops.reason.parameters == {"by": "day-desk", "why": "fire drill"}
    assert not place.stops.resume("over", NIGHT).again
    assert place.stops.resume("over", NIGHT).again
    place.restart()
    assert place.stops.reason is None


@contextmanager
def hanging_disk(journal: Journal, work: Callable[[], object]) -> Iterator[None]:
    """Has `work` wait for a disk that answers only afterwards."""
    real, taken, answers = journal._storage.append, threading.Event(), threading.Event()

    def append(lines):
        taken.set()
        assert answers.wait(DEADLINE_S)
        return real(lines)

    journal._storage.append = append
    relaxing = threading.Thread(target=work)
    relaxing.start()
    try:
        assert taken.wait(DEADLINE_S)
        yield
    finally:
        answers.set()
        relaxing.join(DEADLINE_S)
        journal._storage.append = real
    assert not relaxing.is_alive()


def meanwhile(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_lock_counts_while_an_unlock_waits_for_the_disk(locked):
    with hanging_disk(locked.journal, lambda: locked.unlock("Ali")):
        locking = meanwhile(lambda: locked.desk.lock("m-001", "Sara", "fan", DAY))
        until(lambda: "m-001" in [lock.subject for lock in locked.desk.held])
    locking.join(DEADLINE_S)
    assert [lock.subject for lock in locked.desk.held] == ["m-001"]


def test_a_lock_that_is_set_while_it_is_lifted_stands_over_restarts(locked):
    answers = []
    with hanging_disk(locked.journal, lambda: locked.unlock("Ali")):
        again = meanwhile(lambda: answers.append(locked.desk.lock("feeder", "Ali", "not done yet", DAY)))
        until(lambda: [lock.reason for lock in locked.desk.held] == ["not done yet"])
    again.join(DEADLINE_S)
    assert (answers[0].durable, answers[0].again) == (True, False)
    locked.restart()
    assert [lock.reason for lock in locked.desk.held] == ["not done yet"]


def test_a_stop_counts_while_a_resume_waits_for_the_disk_and_stands_over_restarts(place):
    place.stops.stop("fire drill", DAY)
    resumed = []
    with hanging_disk(place.journal, lambda: resumed.append(place.stops.resume("over", DAY))):
        stopping = meanwhile(lambda: place.stops.stop("a real fire", NIGHT))
        until(lambda: place.stops.reason.parameters["why"] == "a real fire")
    stopping.join(DEADLINE_S)
    assert resumed[0].stopped
    place.restart()
    assert place.stops.reason.parameters == {"by": "night-desk", "why": "a real fire"}


def test_a_lock_whose_subject_left_the_site_file_locks_the_site_until_it_is_lifted(locked, caplog):
    locked.journal.close()
    locked.journal = journal_at(locked.path)
    renamed = replace(SITE, tree=replace(SITE.tree, ids=("pcc", "feeder-1")))
    locked.desk = LockDesk(site=renamed, journal=locked.journal, certainty=LockCertainty("pcc"), utc=lambda: 1.79e9)
    assert [(lock.id, lock.node, lock.device) for lock in locked.desk.locks] == [("feeder by Ali", 0, None)]
    assert [record.event for record in caplog.records if record.levelname == "ERROR"] == ["lock_subject_gone"]
    assert locked.unlock("Ali").lifted
    assert not locked.desk.locks


@pytest.fixture
def doubted(locked) -> Place:
    """The locked place after a start that found records missing from its journal."""
    locked.journal.begin_epoch(6)
    locked.journal.append(RecordKind.DOUBT, {"why": "the head beside the journal", "epoch": 5})
    locked.restart()
    locked.journal.begin_epoch(7)
    return locked


def test_after_a_loss_the_word_of_an_operator_that_these_locks_are_all_ends_the_doubt_over_restarts(doubted, caplog):
    assert doubted.desk.unsure.code is Code.LOCKS_MAY_BE_MISSING
    assert doubted.desk.unsure.parameters == {"why": "the head beside the journal"}
    doubted.desk.lock("m-002", "Sara", "new fan", DAY)
    assert doubted.desk.unsure is not None, "a lock more does not say that it is the last one"
    stated = doubted.desk.state("Omar", "asked both halls", NIGHT)
    assert [lock.id for lock in stated] == ["feeder by Ali", "m-002 by Sara"]
    assert doubted.desk.unsure is None
    (record,) = doubted.journal.records(RecordKind.LOCKS_STATED)
    assert record.body["locks"] == ["feeder by Ali", "m-002 by Sara"]
    assert (record.body["by"], record.body["token"], record.body["reason"]) == (
        "Omar",
        "night-desk",
        "asked both halls",
    )
    assert "locks_stated" in [getattr(entry, "event", "") for entry in caplog.records]
    doubted.restart()
    assert doubted.desk.unsure is None


def test_without_the_disk_nobody_can_say_that_all_locks_are_known(doubted):
    doubted.journal.close()
    with pytest.raises(JournalUnusable):
        doubted.desk.state("Omar", "asked both halls", NIGHT)
    assert doubted.desk.unsure is not None
