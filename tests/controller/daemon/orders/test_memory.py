"""To know that one knows all orders: each way to lose one, and each way to be wrong about it."""

from __future__ import annotations

import resource
import sqlite3
from contextlib import closing

import pytest
from msgspec import structs

from controller.core.reasons import Code
from controller.daemon.journal import chain
from controller.daemon.journal.beginning import HEAD, JOURNAL
from controller.daemon.orders.records import OrderKey
from controller.daemon.orders.request import OrderChange
from controller.daemon.orders.witness import differs
from drivers.errors import JournalUnusable
from tests.controller.daemon.orders.disk import ISSUERS, WAL, Disk, issuer
from tests.waiting import until

ALL = (0, 1, 2)


@pytest.fixture
def disk(tmp_path):
    """A site with two orders of which the fleet knows, after a crash that left them in the write-ahead log."""
    made = Disk(tmp_path / "state")
    made.init()
    with made.running():
        for _ in range(2):
            made.order()
            made.tell(ALL)
        made.crash()
    yield made
    made.stop()


def why(disk):
    assert disk.memory.book.unsure.code is Code.ORDERS_MAY_BE_MISSING
    return disk.memory.book.unsure.parameters["why"]


def test_an_undamaged_restart_doubts_nothing_and_forgets_nothing(disk):
    for _ in range(3):
        with disk.running():
            disk.hear(ALL)
            assert (disk.lost(), disk.doubted()) == ({}, False)
            disk.order()
            disk.tell(ALL)
            disk.crash()


def test_f59_one_bit_of_the_write_ahead_log_flips(disk):
    content = bytearray((disk.folder / WAL).read_bytes())
    content[content.index(b'"o-2"')] ^= 1
    (disk.folder / WAL).write_bytes(content)
    with disk.running():
        assert disk.lost(), "the log ends before the last order, and SQLite says nothing"
        assert "the head beside the journal knows of record" in why(disk)


def test_f59_the_write_ahead_log_is_gone(disk):
    (disk.folder / WAL).unlink()
    with disk.running():
        assert disk.lost()
        assert "and the journal ends with record 1" in why(disk)


def test_a_lock_that_the_disk_has_lost_is_asked_for_though_all_orders_are_known_again(disk):
    with disk.running():
        disk.lock("Ali")
        disk.crash()
    content = bytearray((disk.folder / WAL).read_bytes())
    content[content.index(b'"a new fan"')] ^= 1
    (disk.folder / WAL).write_bytes(content)
    with disk.running():
        assert disk.lost_locks() == {"feeder by Ali"}
        assert disk.doubted()
        for by in ISSUERS:
            disk.state(by)
        assert (disk.doubted(), disk.locks_doubted()) == (False, True)
        assert disk.desk().unsure.code is Code.LOCKS_MAY_BE_MISSING
        disk.crash()
    with disk.running():
        assert (disk.doubted(), disk.locks_doubted()) == (False, True), "over restarts"
        disk.state_locks()
        disk.crash()
    with disk.running():
        disk.hear(ALL)
        assert (disk.doubted(), disk.locks_doubted(), disk.lost_locks()) == (False, False, set())


def test_locks_that_were_stated_before_the_orders_are_not_covered_by_what_was_said_of_orders_since(disk):
    """The copy that is put back has the word on locks; what an agent knows is of a later epoch, and of an earlier one than the orders are of."""
    with disk.running() as memory:
        memory.doubt("a test")
        disk.state_locks()
        disk.stop()
        old = disk.copy()
    with disk.running() as memory:
        disk.lock("Ali")
        disk.settle()
        later = memory.journal.newest_head()
        disk.crash()
    disk.restore(old)
    with disk.running():
        for by in ISSUERS:
            disk.state(by)
        assert (disk.doubted(), disk.locks_doubted()) == (False, False), "nothing on this machine knows better"
        disk.hear(ALL)
        assert (disk.doubted(), disk.locks_doubted()) == (False, False)
        disk.agents[0] = later
        disk.hear((0,))
        assert (disk.doubted(), disk.locks_doubted()) == (False, True)


def test_the_last_rows_are_deleted(disk):
    with closing(sqlite3.connect(disk.folder / JOURNAL)) as db, db:
        db.execute("DELETE FROM record WHERE seq >= (SELECT min(seq) FROM record WHERE kind = 'order')")
    with disk.running():
        assert "and the journal ends with record" in why(disk)


def test_an_older_copy_stands_in_the_place_of_journal_and_head(disk):
    with disk.running():
        disk.stop()
        old = disk.copy()
    with disk.running():
        lost = disk.order().id
        disk.tell((1,))
        disk.stop()
    disk.restore(old)
    with disk.running():
        assert not disk.doubted(), "nothing on this machine knows better"
        disk.hear((0, 2))
        assert not disk.doubted()
        disk.hear((1,))
        assert lost in disk.lost()
        assert "agent 1 knows of" in why(disk)
        assert disk.memory.journal.epoch > disk.agents[1].epoch


def test_the_state_folder_is_gone_and_nothing_takes_itself_for_new(disk):
    for name in (JOURNAL, WAL, HEAD):
        (disk.folder / name).unlink(missing_ok=True)
    before = sorted(disk.folder.iterdir())
    with disk.running() as memory:
        assert "surplusd init" in why(disk)
        assert memory.journal.newest_head() is None, "what agents know of the lost journal stays with them"
        answer = disk.order()
        assert (answer.durable, answer.limit_w) == (False, 20e3)
        assert {reason.code for reason in answer.reasons} >= {Code.ORDER_NOT_DURABLE, Code.ORDERS_MAY_BE_MISSING}
        with pytest.raises(JournalUnusable):
            disk.intake().release(answer.id, issuer("grid"))
        with pytest.raises(JournalUnusable):
            disk.intake().state((), issuer("grid"))
        assert answer.id in disk.limits()
        epoch = disk.agents[0].epoch + 1000
        disk.agents[0] = structs.replace(disk.agents[0], epoch=epoch)
        disk.hear(ALL)
        assert memory.journal.epoch > epoch
    assert sorted(disk.folder.iterdir()) == before, "nothing is made"


def test_the_head_is_missing_or_broken_or_of_another_key(disk):
    head = (disk.folder / HEAD).read_text()
    for text in (None, "", head[:-1], head.replace("a", "b"), "north.x\n"):
        (disk.folder / HEAD).unlink(missing_ok=True)
        if text is not None:
            (disk.folder / HEAD).write_text(text)
        kept = disk.copy()
        with disk.running():
            disk.hear(ALL)
            assert "the head that stands beside the journal cannot be used" in why(disk)
            assert disk.lost() == {}
            for by in ISSUERS:
                disk.state(by)
            assert not disk.doubted()
        with disk.running():
            disk.hear(ALL)
            assert not disk.doubted(), "there is a head again"
            disk.stop()
        disk.restore(kept)


def test_a_doubt_outlives_restarts_and_heads_that_fit_until_all_have_spoken(disk):
    (disk.folder / WAL).unlink()
    for _ in range(2):
        with disk.running():
            disk.hear(ALL)
            assert disk.doubted()
            disk.tell(ALL)
            disk.crash()
    with disk.running():
        assert disk.doubted()
        disk.state("grid")
        assert disk.doubted()
        disk.state("dso")
        assert (disk.lost(), disk.doubted()) == ({}, False)
        disk.tell(ALL)
        disk.crash()
    with disk.running():
        disk.hear(ALL)
        assert (disk.lost(), disk.doubted()) == ({}, False)


def test_an_agent_that_was_away_while_all_was_stated_anew_raises_no_doubt_later(disk):
    away = disk.agents[2]
    (disk.folder / WAL).unlink()
    with disk.running():
        disk.hear((0, 1))
        for by in ISSUERS:
            disk.state(by)
        disk.tell((0, 1))
        assert not disk.doubted()
        disk.agents[2] = away
        disk.hear((2,))
        assert not disk.doubted()
    with disk.running():
        disk.hear(ALL)
        assert not disk.doubted()


def test_who_has_spoken_before_a_newer_head_comes_to_light_has_to_speak_again(disk):
    (disk.folder / WAL).unlink()
    with disk.running() as memory:
        disk.state("grid")
        newer = structs.replace(disk.agents[0], epoch=memory.journal.epoch + 5, seq=99)
        disk.agents[0] = newer
        disk.hear((0,))
        assert memory.journal.epoch > newer.epoch
        disk.state("dso")
        assert memory.book.unsure.parameters["who"] == "grid"
        disk.state("grid")
        assert not disk.doubted()


def test_init_names_the_heads_that_it_ends_and_the_site_waits_for_its_issuers(disk):
    known = disk.agents[0]
    for name in (JOURNAL, WAL, HEAD):
        (disk.folder / name).unlink(missing_ok=True)
    disk.init(ends=(known,))
    with disk.running() as memory:
        assert memory.journal.epoch > known.epoch
        assert "made anew" in why(disk)
        (record,) = memory.journal.records("init")
        assert record.body["ends"] == [structs.asdict(known)]
        disk.hear(ALL)
        for by in ISSUERS:
            disk.state(by)
        assert (disk.lost(), disk.doubted()) == ({}, False)


def test_init_of_a_new_site_doubts_nothing_until_an_agent_knows_better(tmp_path):
    disk = Disk(tmp_path / "state")
    disk.init()
    other = Disk(tmp_path / "other")
    other.init()
    with other.running():
        other.order()
        other.tell(ALL)
    with disk.running():
        disk.hear(ALL)
        assert not disk.doubted()
        disk.agents[1] = other.agents[1]
        disk.hear(ALL)
        assert "of another journal" in why(disk)


def test_f58_a_journal_that_is_read_only_at_the_start_leads_tightens_and_recovers(disk, monkeypatch):
    from controller.daemon.journal import storage

    mended = storage.mend
    with monkeypatch.context() as broken:
        broken.setattr(storage, "mend", lambda path: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
        with disk.running() as memory:
            disk.hear(ALL)
            assert (disk.lost(), disk.doubted()) == ({}, False), "it can be read, and nothing is missing"
            answer = disk.order(limit_w=10e3)
            assert (answer.durable, disk.limits()[answer.id]) == (False, 10e3)
            with pytest.raises(JournalUnusable):
                disk.release("o-1")
            assert "o-1" in disk.limits()
            broken.setattr(storage, "mend", mended)
            until(lambda: memory.book.durable(OrderKey("grid", answer.id)), "the disk takes records again")
            disk.release("o-1")
            disk.promises.in_force[answer.id] = "grid", 10e3
            disk.tell(ALL)
            disk.crash()
    with disk.running():
        disk.hear(ALL)
        assert (disk.lost(), disk.came_back(), disk.doubted()) == ({}, set(), False)


def test_nothing_is_durable_whose_head_is_not_written(disk, monkeypatch):
    with disk.running() as memory:
        disk.settle()
        with monkeypatch.context() as broken:
            broken.setattr(memory.journal._head_file, "write", lambda head: (_ for _ in ()).throw(OSError("no space")))
            answer = disk.order()
            assert not answer.durable
            assert not memory.journal.usable
            assert memory.journal.newest_head().seq < memory.journal.length
        until(lambda: memory.book.durable(OrderKey("grid", answer.id)), "the head is written")
        assert memory.journal.newest_head().seq == memory.journal.length
    with disk.running():
        assert (disk.lost(), disk.doubted()) == ({}, False)


def test_a_second_controller_with_the_same_key_fills_neither_the_journal_nor_the_log(disk):
    with disk.running() as memory:
        disk.settle()
        strange = structs.replace(disk.agents[0], journal="f" * 16)
        before, now_s = memory.journal.length, 0.0
        disk.witness._clock = lambda: now_s
        for k in range(10_000):
            disk.witness.hear("agent 0", structs.replace(strange, epoch=memory.journal.epoch + 1, seq=k))
        disk.settle()
        assert disk.doubted()
        assert memory.journal.length - before < 300
        epoch, now_s = memory.journal.epoch, 3600.0
        disk.witness.overtaken()
        assert memory.journal.epoch == epoch + 1, "also above a copy of itself, which leads in its epoch"
        epoch = memory.journal.epoch
        disk.witness.hear("agent 0", structs.replace(strange, epoch=epoch + 1))
        assert memory.journal.epoch > epoch, "and goes on above it, though not as often"


def test_heads_that_could_put_nothing_more_in_doubt_do_not_fill_the_journal_either(disk):
    """The orders are in doubt, and all locks were stated in a later epoch than these heads are of."""
    with disk.running() as memory:
        memory.doubt("a test")
        disk.state_locks()
        disk.settle()
        before, epoch = memory.journal.length, memory.locks.covered_epoch - 1
        assert epoch > memory.book.covered_epoch
        disk.witness._clock = lambda: 0.0
        for k in range(1000):
            disk.witness.hear("agent 0", structs.replace(disk.agents[0], journal="f" * 16, epoch=epoch, seq=k))
        disk.settle()
        assert memory.journal.length - before < 300
        assert (disk.doubted(), disk.locks_doubted()) == (True, False)


def test_f58_a_disk_that_is_full_at_the_start_leads_tightens_and_recovers(disk):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max((disk.folder / WAL).stat().st_size, 32_768)  # SQLite's index of the log is as large
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        memory = disk.start()
        disk.hear(ALL)
        assert (disk.lost(), disk.doubted()) == ({}, False)
        answers = [disk.order(limit_w=10e3) for _ in range(30)]
        # SQLite makes room for a few now and then, by taking its log into the file.
        unstored = {OrderKey("grid", answer.id) for answer in answers if not answer.durable}
        assert unstored
        assert {answer.id for answer in answers} <= disk.limits().keys()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    until(lambda: all(memory.book.durable(key) for key in unstored), "the disk takes records again")
    disk.promises.in_force |= {answer.id: ("grid", 10e3) for answer in answers}
    disk.crash()
    with disk.running():
        disk.hear(ALL)
        assert (disk.lost(), disk.doubted()) == ({}, False)


def test_f59_a_damaged_journal_that_cannot_be_written_is_read_as_far_as_it_verifies_and_doubted(disk, monkeypatch):
    from controller.daemon.journal import storage

    with disk.running():
        disk.stop()
    with closing(sqlite3.connect(disk.folder / JOURNAL)) as db, db:
        db.execute("UPDATE record SET body = '{}' WHERE body LIKE '%o-1%'")
    kept = {name: (disk.folder / name).read_bytes() for name in (JOURNAL, HEAD)}
    monkeypatch.setattr(storage, "mend", lambda path: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
    with disk.running():
        assert "cannot be repaired while it cannot be written" in why(disk)
        assert sorted(disk.limits()) == ["o-2"]
    assert {name: (disk.folder / name).read_bytes() for name in kept} == kept


def test_while_a_doubt_is_not_on_the_disk_no_head_goes_out_that_would_replace_what_shows_it(disk, monkeypatch):
    with disk.running() as memory:
        disk.settle()
        assert memory.journal.newest_head() is not None
        with monkeypatch.context() as broken:
            broken.setattr(memory.journal._storage, "append", lambda lines: 1 / 0)
            disk.agents[0] = structs.replace(disk.agents[0], seq=99)
            disk.hear((0,))
            assert disk.doubted()
            assert memory.journal.newest_head() is None
        until(lambda: memory.journal.newest_head() is not None, "the doubt is on the disk")
    with disk.running():
        disk.hear((1, 2))
        assert disk.doubted()


def test_f58_of_an_order_that_is_changed_again_and_again_on_a_full_disk_its_newest_change_waits_alone(
    disk, monkeypatch
):
    tried = []

    def fail(lines):
        tried.append(sum(line.kind == "order_changed" for line in lines))
        raise OSError(28, "no space left")

    with disk.running() as memory:
        disk.settle()
        with monkeypatch.context() as broken:
            broken.setattr(memory.journal._storage, "append", fail)
            for revision in range(2, 40):
                change = OrderChange(revision=revision, limit_w=20e3 - revision)
                assert not disk.intake().change("o-1", change, issuer("grid")).durable
        until(lambda: memory.book.durable(OrderKey("grid", "o-1")), "the newest one is on the disk")
        assert max(tried) <= 3
        disk.crash()
    with disk.running():
        assert disk.limits()["o-1"] == 20e3 - 39


def test_while_no_head_can_be_written_what_waits_for_it_is_bounded(disk, monkeypatch):
    monkeypatch.setattr("controller.daemon.journal.journal.MOST_KEPT", 3)
    with disk.running() as memory:
        disk.settle()
        with monkeypatch.context() as broken:
            broken.setattr(memory.journal._head_file, "write", lambda head: 1 / 0)
            for revision in range(2, 20):
                change = OrderChange(revision=revision, limit_w=20e3 - revision)
                assert not disk.intake().change("o-1", change, issuer("grid")).durable
                memory.journal.post("mode", {"k": revision}).durable(None)
            assert len(memory.journal._unwitnessed) <= 3 + 2
        until(lambda: memory.book.durable(OrderKey("grid", "o-1")), "the head is written")
        assert memory.journal.newest_head().seq == memory.journal.length - 1


def test_a_crash_while_a_head_of_our_epoch_is_outranked_hides_nothing_of_what_it_showed(disk):
    """As soon as there is a higher epoch its head goes out, and takes the place of the one that tells of what is missing."""
    kept = []
    with disk.running() as memory:
        disk.settle()

        def lead(_epoch):
            disk.tell(ALL)
            kept.append(disk.copy())

        disk.agents[0] = structs.replace(disk.agents[0], seq=99, epoch=memory.journal.epoch)
        memory.witness(lead).hear("agent 0", disk.agents[0])
    (files,) = kept
    disk.restore(files)
    with disk.running():
        disk.hear(ALL)
        assert disk.doubted()


def test_a_head_in_the_journal_of_an_epoch_above_ours_is_no_doubt_but_raises_ours(disk):
    with disk.running() as memory:
        disk.agents[0] = structs.replace(disk.agents[0], epoch=memory.journal.epoch + 7)
        disk.hear(ALL)
        assert memory.journal.epoch > disk.agents[0].epoch
        assert not disk.doubted()
        epoch = memory.journal.epoch
    with disk.running() as memory:
        assert memory.journal.epoch > epoch


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hash": "0" * 64}, "a friend knows of another record 4 of 2026-"),
        ({"seq": 1000}, "a friend knows of record 1000 of 2026-"),
        ({"journal": "0" * 16}, "of another journal, 0000000000000000"),
        ({"utc_s": 2**60}, None),
        ({}, None),
    ],
)
def test_a_head_tells_what_is_missing(disk, change, words):
    with disk.running() as memory:
        disk.settle()
        told = differs(structs.replace(disk.agents[0], **change), memory.journal, "a friend")
    assert (told is None) if words is None else words in told


def test_without_a_journal_every_head_tells_of_one(disk, tmp_path):
    with Disk(tmp_path / "nowhere").running() as memory:
        assert differs(disk.agents[0], memory.journal, "a friend").endswith(", and there is no journal")
        strange = structs.replace(disk.agents[0], utc_s=2**60)
        assert "Unix time" in differs(strange, memory.journal, "a friend")


def test_with_the_clock_set_back_the_epoch_is_above_that_of_the_head_all_the_same(disk):
    epoch = disk.head_file().read().epoch
    (disk.folder / JOURNAL).unlink()
    disk.utc_s -= 10_000.0
    with disk.running() as memory:
        assert memory.journal.epoch > epoch


def test_a_statement_whose_new_orders_are_not_durable_is_none(disk, monkeypatch):
    with disk.running() as memory:
        disk.settle()
        memory.book.doubt("a test")
        disk.settle()
        with monkeypatch.context() as broken:
            broken.setattr(memory.journal._head_file, "write", lambda head: (_ for _ in ()).throw(OSError("no space")))
            with pytest.raises(JournalUnusable, match="not stored"):
                disk.intake().state((disk.request("n-1", 5e3),), issuer("grid"))
            assert disk.limits() == {"o-1": 20e3, "o-2": 20e3, "n-1": 5e3}
        assert list(memory.journal.records("statement")) == []


def test_f58_a_journal_that_is_another_one_when_it_can_be_written_again_is_left_alone(disk, tmp_path, monkeypatch):
    from controller.daemon.journal import storage

    other = Disk(tmp_path / "other")
    other.init()
    with other.running():
        other.order()
    with monkeypatch.context() as broken:
        broken.setattr(storage, "mend", lambda path: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
        memory = disk.start()
    for name in (JOURNAL, WAL):
        (disk.folder / name).unlink(missing_ok=True)
    (disk.folder / JOURNAL).write_bytes((other.folder / JOURNAL).read_bytes())
    memory.journal._storage._again_s = 0.0
    with pytest.raises(JournalUnusable, match="is not the journal that was read at the start"):
        memory.journal.append("mode", {})
    disk.stop()
    assert [record.kind for record in chain.read(disk.folder / JOURNAL)] == ["init", "start", "order"]


def test_init_replays_no_log_of_the_journal_before_it_and_keeps_that_log(disk):
    log = (disk.folder / WAL).read_bytes()
    assert log
    (disk.folder / JOURNAL).unlink()
    disk.init(ends=(disk.agents[0],))
    assert [record.kind for record in chain.read(disk.folder / JOURNAL)] == ["init"]
    assert (disk.folder / f"{JOURNAL}.quarantine-1-wal").read_bytes() == log
    with disk.running():
        assert "made anew" in why(disk)
        disk.order()
