"""The journal: durable, chained, and never lost to a crash, a full disk or a damaged file."""

import errno
import fcntl
import hashlib
import json
import logging
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.daemon.journal import chain, repair
from controller.daemon.journal.journal import Journal, RecordKind
from controller.daemon.journal.storage import JournalInUse, find
from drivers.errors import JournalUnusable
from tests.controller.daemon.journal.journals import journal_at
from tests.examples import examples
from tests.waiting import DEADLINE_S, until


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "journal.db"


@contextmanager
def opened(path, **more):
    with closing(journal_at(path, **more)) as journal:
        yield journal


@contextmanager
def full_disk(path):
    """Let the kernel refuse every byte beyond the present size of the write-ahead log."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = path.with_name(path.name + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def killed_after(path, script):
    """Run a script that has `journal`, and kill -9 it once it has printed a line."""
    head = f"import time, pathlib\nfrom tests.controller.daemon.journal.journals import journal_at\njournal = journal_at(pathlib.Path({str(path)!r}))\n"
    code = head + script + "\nprint('done', flush=True)\ntime.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "done\n"
        process.send_signal(signal.SIGKILL)


def test_i8_the_chain_is_what_the_docstring_says(path):
    with opened(path, utc=lambda: 1.5) as journal:
        journal.append(RecordKind.MODE, {"mode": "hold", "a": 1})
        journal.append(RecordKind.ORDER, {"id": "ö"})
        prev_hash = "0" * 64
        for seq, record in enumerate(journal.records(), 1):
            content = {"body": record.body, "kind": record.kind, "seq": seq, "utc_s": record.utc_s}
            text = prev_hash + json.dumps(content, sort_keys=True, separators=(",", ":"))
            assert record.hash == hashlib.sha256(text.encode()).hexdigest()
            assert record.prev_hash == prev_hash
            prev_hash = record.hash
        assert chain.verify(path) == 2
        assert [record.seq for record in journal.records(RecordKind.ORDER)] == [2]


def test_i3_what_was_appended_survives_kill_9(path):
    killed_after(path, "for k in range(30): journal.append('mode', {'k': k})")
    with opened(path) as journal:
        assert [record.body["k"] for record in journal.records()] == list(range(30))
        assert journal.doubt is None


def test_threads_append_into_one_chain(path):
    with opened(path) as journal:
        seqs = []

        def work(name):
            seqs.extend(journal.append(RecordKind.MODE, {"by": name, "k": k}).seq for k in range(25))

        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_S)
        assert sorted(seqs) == list(range(1, 201))
        assert chain.verify(path) == 200


def test_posts_are_stored_in_order_before_the_journal_closes(path):
    with opened(path) as journal:
        for k in range(1000):
            journal.post(RecordKind.DECISION if k % 2 else RecordKind.MODE, {"k": k})
    with opened(path) as journal:
        assert [record.body["k"] for record in journal.records()] == list(range(1000))


def test_a_closed_journal_stores_nothing_and_says_so(path):
    with opened(path) as journal:
        pass
    with pytest.raises(JournalUnusable, match="closed"):
        journal.append(RecordKind.MODE, {})
    assert not journal.post(RecordKind.MODE, {}).durable(DEADLINE_S)


@pytest.mark.parametrize("body", [{"x": float("nan")}, {"x": float("inf")}, {"x": object()}])
def test_a_body_without_json_is_an_error_of_the_caller(path, body):
    with opened(path) as journal:
        with pytest.raises((ValueError, TypeError)):
            journal.post(RecordKind.MODE, body)
        with pytest.raises(ValueError):
            journal.post("nonsense", {})
        assert journal.append(RecordKind.MODE, {}).seq == 1


def test_a_second_process_cannot_have_the_journal(path):
    with opened(path), pytest.raises(JournalInUse, match="in use by another"):
        find(path)
    with opened(path):
        pass


def test_no_journal_is_made_where_there_is_none(path):
    for _ in range(2):
        with closing(Journal(find(path))) as journal:
            assert "surplusd init" in journal.doubt
            with pytest.raises(JournalUnusable, match="surplusd init"):
                journal.append(RecordKind.MODE, {})
            assert (list(journal.records()), journal.id, journal.length) == ([], None, 0)
        assert not path.parent.exists()


def test_the_files_are_for_the_daemon_alone(path):
    with opened(path) as journal:
        journal.append(RecordKind.MODE, {})
        assert {oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()} == {"0o600"}


def test_f58_a_full_disk_drops_telemetry_and_keeps_orders(path, caplog):
    caplog.set_level(logging.INFO)
    with opened(path, retry_s=0.02) as journal:
        journal.append(RecordKind.MODE, {"k": 0})
        with full_disk(path):
            for _ in range(3):
                with pytest.raises(JournalUnusable):
                    journal.append(RecordKind.RELEASE, {"id": "refused", "pad": "x" * 20_000})
            kept = journal.post(RecordKind.ORDER, {"id": "kept", "pad": "x" * 20_000})
            telemetry = journal.post(RecordKind.DECISION, {"pad": "x" * 20_000})
            assert not kept.durable(DEADLINE_S)
            assert not telemetry.durable(DEADLINE_S)
            assert not journal.usable
            assert journal.dropped == 1
        until(kept.durable)
        assert journal.usable
        assert [record.body.get("id") for record in journal.records()] == [None, "kept"]
        assert chain.verify(path) == 2
    assert [record.event for record in caplog.records] == ["journal_lost", "journal_returned"]


def test_f58_a_disk_that_is_full_for_days_fills_no_memory_and_loses_nothing_of_orders(path, monkeypatch):
    monkeypatch.setattr("controller.daemon.journal.journal.MOST_KEPT", 3)
    with opened(path, retry_s=0.02) as journal:
        journal.append(RecordKind.MODE, {"k": 0})
        with full_disk(path):
            posted = [
                (
                    journal.post(RecordKind.ORDER, {"id": k, "pad": "x" * 20_000}),
                    journal.post(RecordKind.MODE, {"k": k}),
                )
                for k in range(1, 8)
            ]
            assert not any(pending.durable(DEADLINE_S) for pair in posted for pending in pair)
            until(lambda: journal.dropped == 4, "the oldest modes are given up")
        until(lambda: all(order.durable() for order, _ in posted))
        found = [record.body.get("k", record.body.get("id")) for record in journal.records()]
        assert found == [0, 1, 2, 3, 4, 5, 5, 6, 6, 7, 7]


def test_a_journal_that_was_taken_away_is_unusable(path):
    with opened(path) as journal:
        journal.append(RecordKind.MODE, {})
        path.rename(path.with_name("gone"))
        with pytest.raises(JournalUnusable):
            journal.append(RecordKind.MODE, {})
        path.with_name("gone").rename(path)
        assert journal.append(RecordKind.MODE, {}).seq == 2


def test_a_commit_that_failed_but_reached_the_file_is_taken_back(path):
    with opened(path) as journal:
        journal.append(RecordKind.ORDER, {"id": "o"})
        with closing(sqlite3.connect(path)) as other, other:
            line = chain.ChainLine(utc_s=1.0, kind="release", body='{"id":"o"}')
            rows = list(chain.chained(journal._storage.head, [line]))
            other.executemany(chain.INSERT, rows)
        journal._storage._attempted = rows
        journal._storage._healthy = False
        journal.append(RecordKind.MODE, {})
        assert [record.kind for record in journal.records()] == ["order", "mode"]
        assert chain.verify(path) == 2


def test_reopening_takes_nothing_from_another_journal_at_that_path(path):
    with opened(path) as journal:
        journal.append(RecordKind.ORDER, {"id": "o"})
        other = path.with_name("other.db")
        with opened(other) as longer:
            for k in range(10):
                longer.append(RecordKind.ORDER, {"id": k})
        with closing(sqlite3.connect(other)) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)
        journal._storage._healthy = False
        with pytest.raises(JournalUnusable, match="nothing in it is changed"):
            journal.append(RecordKind.MODE, {})
    assert [record.body["id"] for record in chain.read(path)] == list(range(10))


def test_every_commit_is_synced(path):
    with opened(path) as journal:
        settings = {
            name: journal._storage._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        }
        assert settings == {"journal_mode": "wal", "synchronous": 2}, "2 is FULL"


@contextmanager
def stuck_disk(journal, monkeypatch):
    """Hold the writer inside its first attempt to store."""
    reached, disk, store = threading.Event(), threading.Event(), journal._storage.append

    def slow(lines):
        reached.set()
        assert disk.wait(DEADLINE_S)
        return store(lines)

    monkeypatch.setattr(journal._storage, "append", slow)
    first = journal.post(RecordKind.MODE, {"k": "first"})
    assert reached.wait(DEADLINE_S)
    try:
        yield first
    finally:
        disk.set()


def test_what_an_append_gave_up_is_never_stored(path, monkeypatch):
    with opened(path) as journal:
        with stuck_disk(journal, monkeypatch) as first:
            with pytest.raises(JournalUnusable, match="not stored yet"):
                journal.append(RecordKind.RELEASE, {"id": "o"}, timeout_s=0.05)
            assert not first.durable()
        journal.append(RecordKind.MODE, {"k": "last"})
        assert [record.body["k"] for record in journal.records()] == ["first", "last"]


def test_too_much_telemetry_is_dropped_and_orders_never(path, monkeypatch):
    with opened(path, max_waiting=10) as journal:
        with stuck_disk(journal, monkeypatch):
            for k in range(50):
                journal.post(RecordKind.DECISION, {"k": k})
                journal.post(RecordKind.ORDER_BEGUN, {"id": k})
            assert journal.waiting <= 60
        journal.append(RecordKind.MODE, {})
        assert len(list(journal.records(RecordKind.ORDER_BEGUN))) == 50
        assert len(list(journal.records(RecordKind.DECISION))) + journal.dropped == 50
        assert journal.dropped >= 40


def test_the_writer_outlives_an_error_of_any_kind(path, monkeypatch):
    with opened(path) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(journal._storage, "append", lambda lines: 1 / 0)
            with pytest.raises(JournalUnusable, match="division"):
                journal.append(RecordKind.MODE, {})
        assert journal.append(RecordKind.MODE, {}).seq == 1


def test_epochs_rise_and_outrank_a_lost_state_and_every_head(path):
    with opened(path, utc=lambda: 1000.0) as journal:
        assert journal.begin_epoch() == 1001
    with opened(path, utc=lambda: 5.0) as journal:
        assert journal.begin_epoch() == 1002
        assert journal.begin_epoch(above=1500) == 1501
    path.write_bytes(b"")
    with opened(path, utc=lambda: 2000.0) as journal:
        assert journal.begin_epoch() == 2001
        assert journal.begin_epoch(above=7) == 2002


def test_a_start_that_cannot_be_stored_has_an_epoch_all_the_same_and_is_stored_later(path, monkeypatch):
    with opened(path, utc=lambda: 1000.0, retry_s=0.02) as journal:
        assert journal.begin_epoch() == 1001
        journal.append(RecordKind.MODE, {})
    with opened(path, utc=lambda: 2000.0, retry_s=0.02) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(journal._storage, "append", lambda lines: 1 / 0)
            assert journal.begin_epoch() == 2001
            until(lambda: not journal.usable)
            assert journal.newest_head() is None
        until(lambda: journal.newest_head() is not None)
        assert [record.body["epoch"] for record in journal.records(RecordKind.START)] == [1001, 2001]


def test_the_head_is_the_newest_record_on_the_disk_that_matters_to_orders(path, monkeypatch):
    with opened(path) as journal:
        assert (journal.head, journal.id) == (None, None)
        journal.begin_epoch()
        journal.append(RecordKind.MODE, {})
        assert (journal.head.seq, journal.head.kind) == (1, RecordKind.START)
        order = journal.append(RecordKind.ORDER, {"id": "o-1"})
        assert journal.head == order
        for kind in (RecordKind.MODE, RecordKind.DECISION, RecordKind.REFUSED):
            journal.append(kind, {})
        assert journal.head == order
        with monkeypatch.context() as patch:
            patch.setattr(journal._storage, "append", lambda lines: 1 / 0)
            with pytest.raises(JournalUnusable):
                journal.append(RecordKind.RELEASE, {"id": "o-1"})
        assert journal.head == order, "what is not on the disk is no head"
        assert journal.append(RecordKind.RELEASE, {"id": "o-1"}) == journal.head


def test_a_journal_has_a_name_of_its_own_that_stays(path, tmp_path):
    with opened(path, utc=lambda: 1000.0) as journal:
        journal.begin_epoch()
        journal.append(RecordKind.MODE, {})
        name = journal.id
        assert name == next(journal.records()).hash[:16]
    with opened(path, utc=lambda: 2000.0) as journal:
        journal.begin_epoch()
        assert journal.id == name
    with opened(tmp_path / "other.db", utc=lambda: 1000.5) as journal:
        journal.begin_epoch()
        journal.append(RecordKind.MODE, {})
        assert journal.id != name


def fill(path, records=40):
    with opened(path, utc=lambda: 1.0) as journal:
        for k in range(records):
            journal.post(RecordKind.ORDER if k % 4 == 0 else RecordKind.MODE, {"id": f"o-{k}", "pad": "x" * 200})
    return list(chain.read(path))


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_f59_a_file_that_is_no_journal_is_kept_and_replaced(path, content):
    fill(path)
    path.write_bytes(content)
    with opened(path) as journal:
        assert journal.doubt
        (note,) = journal.records()
        assert (note.kind, note.body["kept"]) == (RecordKind.QUARANTINE, 0)
        assert (path.parent / note.body["copy"]).read_bytes() == content
        journal.append(RecordKind.MODE, {})
    with opened(path) as journal:
        assert journal.doubt is None
        assert chain.verify(path) == 2


@pytest.mark.parametrize(
    ("statement", "lost"),
    [
        ("UPDATE record SET body = '{}' WHERE seq = 9", {9}),
        ("UPDATE record SET body = CAST(x'ff' AS TEXT) WHERE seq = 9", {9}),
        ("UPDATE record SET utc_s = 7.0 WHERE seq = 40", {40}),
        ("UPDATE record SET hash = 'f' WHERE seq = 1", {1}),
        ("DELETE FROM record WHERE seq = 9", {9}),
        ("DROP TABLE record", set(range(1, 41))),
    ],
)
def test_f59_what_verifies_is_replayed(path, statement, lost):
    before = fill(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)
    with pytest.raises(chain.ChainBroken):
        chain.verify(path)
    with opened(path) as journal:
        assert journal.doubt
        *kept, note = journal.records()
        assert [record.body for record in kept] == [record.body for record in before if record.seq not in lost]
        assert note.body["kept"] == 40 - len(lost)
        assert chain.verify(path) == 41 - len(lost)


def test_f58_a_repair_that_finds_no_room_leaves_no_half_copies_behind(path, monkeypatch):
    fill(path)
    path.write_bytes(path.read_bytes()[:5000])

    def copy(source, target):
        Path(target).write_bytes(Path(source).read_bytes()[:100])
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as full:
        full.setattr("controller.daemon.journal.repair.shutil.copyfile", copy)
        for _ in range(3):
            with pytest.raises(OSError, match="no space"):
                repair.mend(path)
    assert list(path.parent.glob("*quarantine*")) == []
    assert repair.mend(path)


def test_f59_pages_that_would_take_no_more_records_are_damage_though_every_row_is_right(path):
    before = fill(path)
    content = bytearray(path.read_bytes())
    content[38] ^= 1  # the count of free pages, by which the next insert would be refused
    path.write_bytes(content)
    with opened(path) as journal:
        assert "the file is damaged" in journal.doubt
        assert [record.body for record in journal.records()][:-1] == [record.body for record in before]
        assert journal.append(RecordKind.MODE, {}).seq == 42


def test_i8_a_record_that_is_rewritten_with_its_hash_breaks_the_chain(path):
    ninth = fill(path)[8]
    forged = chain.ChainLine(utc_s=ninth.utc_s, kind="order", body="{}")
    with closing(sqlite3.connect(path)) as db, db:
        values = (forged.kind, forged.body, chain.link(ninth.prev_hash, 9, forged))
        db.execute("UPDATE record SET kind = ?, body = ?, hash = ? WHERE seq = 9", values)
    with pytest.raises(chain.ChainBroken, match="after record 9"):
        chain.verify(path)


def test_a_crash_in_the_last_step_of_a_repair_is_made_good(path):
    killed_after(path, "journal.append('mode', {'whose': 'damaged'})")
    repaired = path.with_name("journal.db.repaired")
    path.unlink()
    chain.create(repaired, [chain.ChainLine(utc_s=1.0, kind="mode", body='{"whose":"repaired"}')])
    assert path.with_name("journal.db-wal").stat().st_size > 0
    with closing(Journal(find(path))) as journal:
        assert [record.body["whose"] for record in journal.records()] == ["repaired"]
    assert not repaired.exists()


def test_a_repair_that_was_not_finished_takes_nothing_from_another_journal_that_was_put_there(path):
    fill(path)
    chain.create(path.with_name("journal.db.repaired"), [chain.ChainLine(utc_s=1.0, kind="mode", body="{}")])
    with opened(path) as journal:
        assert journal.doubt is None
        assert len(list(journal.records())) == 40


@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_f59_no_damage_brings_a_wrong_record_or_a_crash(tmp_path_factory, seed):
    random = Random(seed)
    path: Path = tmp_path_factory.mktemp("journal") / "journal.db"
    before = {record.body["id"]: record.body for record in fill(path)}
    content = bytearray(path.read_bytes())
    for _ in range(random.randint(1, 3)):
        start = random.randrange(random.choice([200, 4096, len(content)]))
        hurt = content[start : start + random.choice([1, 8, 100, 6000])]
        content[start : start + len(hurt)] = random.randbytes(len(hurt))
    path.write_bytes(content[: random.choice([None, random.randrange(len(content))])])
    with opened(path) as journal:
        kept = [record for record in journal.records() if record.kind != RecordKind.QUARANTINE]
        assert journal.doubt or len(kept) == 40
        assert all(before[record.body["id"]] == record.body for record in kept)
        journal.append(RecordKind.MODE, {})
        chain.verify(path)


@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1))
def test_f57_a_torn_write_ahead_log_loses_its_tail_only(tmp_path_factory, share):
    path: Path = tmp_path_factory.mktemp("journal") / "journal.db"
    live = path.with_name("live.db")
    with opened(live) as journal:
        for k in range(20):
            journal.append(RecordKind.ORDER, {"k": k})
        wal = live.with_name("live.db-wal").read_bytes()
        path.write_bytes(live.read_bytes())
    path.with_name("journal.db-wal").write_bytes(wal[: int(len(wal) * share)])
    with opened(path) as journal:
        assert journal.doubt is None
        kept = [record.body["k"] for record in journal.records()]
        assert kept == list(range(len(kept)))
        assert share < 1 or len(kept) == 20
        journal.append(RecordKind.ORDER, {"k": "next"})
        assert chain.verify(path) == len(kept) + 1


def test_who_only_looks_whether_a_journal_is_in_use_keeps_no_daemon_from_it(tmp_path, monkeypatch):
    """`surplusd doctor` looks, while systemd starts the daemon anew."""
    path, real = tmp_path / "journal.db", fcntl.flock
    journal_at(path).close()
    with (tmp_path / "journal.db.lock").open() as looker:
        real(looker, fcntl.LOCK_SH)

        def flock(fd, how):
            if how & fcntl.LOCK_SH:
                real(looker, fcntl.LOCK_UN)
            return real(fd, how)

        monkeypatch.setattr(fcntl, "flock", flock)
        journal_at(path).close()
