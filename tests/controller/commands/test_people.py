"""``surplusd lock``, ``unlock``, ``locks confirm``, ``stop`` and ``resume`` against a real HTTP interface."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.cli import main
from controller.core.limits.locked import LockNow
from tests.controller.api.conftest import server_at
from tests.controller.north import make_decision


@pytest.fixture
def verb(tmp_path, capsys):
    """Runs a verb as the operator, and returns its exit status and what it has said."""
    with server_at(tmp_path / "journal.db") as running:
        (tmp_path / "operator.token").write_text("operator-secret\n")

        def run(*words: str):
            where = ["--url", running.url, "--token-file", str(tmp_path / "operator.token")]
            status = main([*words, *where])
            said = capsys.readouterr()
            return status, (said.out + said.err).strip()

        run.running = running
        yield run


def now(verb, unproven: int) -> None:
    lock = LockNow(id="feeder by Ali", devices=2, unproven=unproven, most_w=3500.0 * unproven)
    verb.running.world.decision = replace(make_decision(), locks=(lock,))


def lock(verb):
    return verb("lock", "feeder", "--by", "Ali", "--reason", "new busbar", "--wait", "0.1")


def test_a_lock_is_good_once_it_is_proven(verb):
    assert lock(verb) == (1, "feeder is locked by Ali; no tick tells whether it is off")
    now(verb, 1)
    assert lock(verb) == (1, "feeder is locked by Ali; 1 of 2 devices not proven to be off: up to 3.5 kW")
    now(verb, 0)
    status, said = lock(verb)
    assert (status, said.partition(";")[2]) == (
        0, " proven to be off: 2 devices. Switch it off by hand as well before you open it"
    )  # fmt: skip


def test_a_lock_that_the_disk_does_not_take_is_not_good(verb, monkeypatch):
    now(verb, 0)
    monkeypatch.setattr(verb.running.journal._storage, "append", lambda lines: 1 / 0)
    status, said = lock(verb)
    assert status == 1
    assert "a restart would forget it" in said


def test_the_same_person_unlocks_and_another_one_does_not(verb):
    lock(verb)
    assert verb("unlock", "feeder", "--by", "Sara") == (
        1, "refused (lock_unknown): Sara has no lock on feeder; locked by: Ali\n--of NAME says whose lock is to be lifted"
    )  # fmt: skip
    status, said = verb("unlock", "feeder", "--by", "Sara", "--of", "Ali")
    assert (status, said) == (
        1, "the lock of Ali on feeder stays: Sara wants it lifted; another operator has to agree within ten minutes, with a token of their own"
    )  # fmt: skip
    verb("lock", "feeder", "--by", "Omar", "--reason", "cleaning", "--wait", "0.1")
    lifted = "the lock of {} on feeder is lifted; {}"
    assert verb("unlock", "feeder", "--by", "Ali") == (0, lifted.format("Ali", "it stays off, locked by Omar"))
    nobody = "nobody locks it now, and it may come up"
    assert verb("unlock", "feeder", "--by", "Omar") == (0, lifted.format("Omar", nobody))
    assert verb("unlock", "feeder", "--by", "Ali") == (
        1, "refused (lock_unknown): Ali has no lock on feeder; locked by: nobody\n--of NAME says whose lock is to be lifted"
    )  # fmt: skip


def test_a_site_is_stopped_and_resumed_once(verb):
    assert verb("resume", "--reason", "nothing") == (0, "the site was not stopped")
    assert verb("stop", "--reason", "fire drill") == (0, "the site is stopped")
    assert verb("stop", "--reason", "fire drill") == (0, "the site was stopped already")
    assert verb("resume", "--reason", "over") == (0, "the site is resumed")


def test_an_operator_says_that_all_locks_are_known_again(verb):
    verb.running.world.lock_certainty.learn("doubt", {"why": "a row is gone", "epoch": 3})
    verb.running.journal.begin_epoch(3)
    lock(verb)
    said = verb("locks", "confirm", "--by", "Omar", "--reason", "asked both halls")
    assert said == (0, "on record: what is locked is all, feeder by Ali; the site is not stopped")
    assert verb.running.world.lock_certainty.reason is None
    verb("stop", "--reason", "fire drill")
    verb("unlock", "feeder", "--by", "Ali")
    said = verb("locks", "confirm", "--by", "Omar", "--reason", "asked both halls")
    assert said == (0, "on record: what is locked is all, nothing; the site is stopped")


def test_a_doubt_that_begins_while_somebody_says_so_is_told(verb):
    verb.running.world.lock_certainty.learn("doubt", {"why": "a row is gone", "epoch": 2**60})
    status, said = verb("locks", "confirm", "--by", "Omar", "--reason", "asked both halls")
    assert status == 1
    assert said.startswith("refused (locks_may_be_missing): locks of people at work may be missing")
