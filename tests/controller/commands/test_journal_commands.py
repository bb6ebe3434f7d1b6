"""``surplusd init``, ``journal verify`` and ``issuer retire`` on the files of a site."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from controller.cli import main
from controller.daemon.access import Principal, Role
from controller.daemon.journal import chain
from controller.daemon.journal.beginning import HEAD, JOURNAL
from controller.daemon.orders.memory import Memory
from controller.daemon.orders.request import OrderRequest
from controller.site.compile import compile_site
from controller.site.load import load
from drivers.fleet.head import seal
from drivers.fleet.keys import PrivateKey, load_private
from tests.controller.daemon.orders.test_book import intake_of

DEMO = Path(__file__).parents[3] / "configs/demo.yaml"
#: Name and role of whoever has a token of this site.
HOLDERS = {"grid": "authority", "dso": "authority", "olga": "operator", "omar": "operator"}


class Place:
    """A folder with a site, its keys and its tokens."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self.state = folder, folder / "site.yaml", folder / "state"
        self.write(*HOLDERS)
        main(["keys", str(self.file)])
        self.key = load_private(folder / "keys/controller.key")

    def write(self, *holders: str) -> None:
        tokens = []
        for name in holders:
            (self.folder / name).write_text(f"{name}-0123456789abcdefghijklmnopqrstuvwxyz\n")
            (self.folder / name).chmod(0o600)
            tokens.append({"name": name, "role": HOLDERS[name], "token_file": name})
        text = DEMO.read_text()
        head, _, rest = text.partition("\norders:")
        self.file.write_text(f"{head}\n{yaml.safe_dump({'orders': {'tokens': tokens}})}{_after_section(rest)}")

    def do(self, *words: str) -> int:
        verb, *rest = words
        family = [verb, rest.pop(0)] if verb in ("journal", "issuer") else [verb]
        return main([*family, str(self.file), *rest])

    def memory(self, *issuers: str) -> Memory:
        return Memory(self.state, compile_site(load(self.file)), key=self.key, issuers=frozenset(issuers))


def _after_section(text: str) -> str:
    lines = text.splitlines(keepends=True)[1:]
    begin = next((k for k, line in enumerate(lines) if line[:1] not in (" ", "\n", "#")), len(lines))
    return "".join(lines[begin:])


@pytest.fixture
def place(tmp_path, capsys):
    made = Place(tmp_path)
    capsys.readouterr()
    return made


def order(memory, name, **fields):
    request = OrderRequest(**({"id": "o-1", "limit_w": 40e3} | fields))
    answer = intake_of(memory.book).accept(request, Principal(name=name, role=Role.AUTHORITY))
    assert answer.durable


def test_init_makes_a_journal_and_a_head_once_for_the_daemon_alone(place, capsys):
    assert place.do("init", "--without-fleet") == 0
    assert place.state.stat().st_mode & 0o777 == 0o700
    assert {file.name for file in place.state.iterdir()} >= {JOURNAL, HEAD}
    assert {oct(file.stat().st_mode & 0o777) for file in place.state.iterdir()} == {"0o600"}
    before = (place.state / JOURNAL).read_bytes(), (place.state / HEAD).read_bytes()
    assert place.do("init", "--without-fleet") == 1
    assert "there is a journal; nothing is to be made" in capsys.readouterr().err
    assert ((place.state / JOURNAL).read_bytes(), (place.state / HEAD).read_bytes()) == before
    memory = place.memory("grid")
    assert memory.book.unsure is None
    memory.close()


def test_init_ends_the_head_of_a_journal_that_is_lost_and_says_so(place, capsys):
    place.do("init", "--without-fleet")
    memory = place.memory("grid")
    order(memory, "grid")
    former = memory.journal.id
    memory.close()
    (place.state / JOURNAL).unlink()
    capsys.readouterr()
    assert place.do("init", "--within", "100 ms") == 0
    said = capsys.readouterr().out
    assert f"it follows journal {former}, record 3" in said
    assert "what agents know of a journal before is not all known: no link to the broker" in said
    assert "FAILSAFE" in said
    memory = place.memory("grid")
    assert "made anew" in memory.book.unsure.parameters["why"]
    memory.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda state: (state / HEAD).write_text("cut off"), "a head of a journal before cannot be used"),
        (lambda state: (state / HEAD).unlink(), "is of a journal before"),
    ],
)
def test_init_doubts_orders_where_something_of_a_journal_before_is_there_and_does_not_tell_which(
    place, capsys, spoil, words
):
    place.do("init", "--without-fleet")
    memory = place.memory("grid")
    order(memory, "grid")
    log = (place.state / f"{JOURNAL}-wal").read_bytes()
    memory.close()
    (place.state / JOURNAL).unlink()
    (place.state / f"{JOURNAL}-wal").write_bytes(log)
    spoil(place.state)
    capsys.readouterr()
    assert place.do("init", "--without-fleet") == 0
    said = capsys.readouterr().out
    assert words in said
    assert "FAILSAFE" in said
    memory = place.memory("grid")
    assert words in memory.book.unsure.parameters["why"]
    assert memory.locks.reason is not None
    memory.close()


def test_init_waits_for_no_daemon_that_has_the_journal(place, capsys):
    place.do("init", "--without-fleet")
    memory = place.memory("grid")
    assert place.do("init", "--without-fleet") == 1
    assert "in use by another process" in capsys.readouterr().err
    memory.close()


def test_what_root_makes_belongs_to_whoever_the_folder_belongs_to(place, monkeypatch):
    given = {}
    place.state.mkdir(mode=0o700)
    (place.state / "of-before").touch()
    (place.state / HEAD).write_text("of a journal that is gone")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, *owner, follow_symlinks: given.update({path.name: owner}))
    assert place.do("init", "--without-fleet") == 0
    owner = place.state.stat().st_uid, place.state.stat().st_gid
    assert given == {file.name: owner for file in place.state.iterdir() if file.name != "of-before"}


def test_verify_says_what_the_journal_proves_and_what_it_cannot(place, capsys):
    assert place.do("journal", "verify") == 1
    assert "there is no journal" in capsys.readouterr().err
    place.do("init", "--without-fleet")
    memory = place.memory("grid")
    order(memory, "grid")
    memory.journal.append("mode", {"mode": "hold"})
    token = seal(memory.journal.newest_head(), site="demo", key=place.key)
    assert place.do("journal", "verify", "--against", token) == 0, "while the daemon runs"
    said = capsys.readouterr().out
    assert "records 1 to 4" in said
    assert "proven: each record follows from the one before" in said
    assert "the head given, record 3" in said
    assert "records 1 to 3 are those of then" in said
    assert "not proven: that records 4 to 4 are all that followed" in said
    assert "never proven by this" in said
    memory.close()
    kept = place.folder / "kept.head"
    kept.write_text(token + "\n")
    assert place.do("journal", "verify", "--against", str(kept)) == 0


def test_verify_shows_a_journal_that_was_rewritten_or_cut_or_is_another(place, capsys):
    place.do("init", "--without-fleet")
    memory = place.memory("grid")
    order(memory, "grid")
    memory.journal.append("mode", {})
    head = memory.journal.newest_head()
    token = seal(head, site="demo", key=place.key)
    memory.close()
    path = place.state / JOURNAL
    records = list(chain.read(path))
    for record in records[-1:]:
        assert record.kind == "mode"
    lines = [chain.ChainLine(utc_s=one.utc_s, kind=one.kind, body=chain.canonical(one.body)) for one in records]
    forged = chain.ChainLine(utc_s=lines[2].utc_s, kind="order", body=lines[2].body.replace("40000", "90000"))
    for rewritten, said in (
        ([*lines[:2], forged, *lines[3:]], "is another record than it has: it was rewritten"),
        (lines[:2], "records are gone, or it is an older copy"),
        ([lines[0], forged], "records are gone, or it is an older copy"),
        ([forged], "is of another journal"),
    ):
        path.unlink()
        chain.create(path, rewritten)
        capsys.readouterr()
        assert place.do("journal", "verify", "--against", token) == 1
        assert said in capsys.readouterr().out
    strange = seal(head, site="demo", key=PrivateKey.generate())
    assert place.do("journal", "verify", "--against", strange) == 1
    assert "cannot be used: the head is not signed by this controller" in capsys.readouterr().out
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE record SET body = '{}'")
    assert place.do("journal", "verify") == 1
    assert "damaged: the chain breaks after record 0" in capsys.readouterr().out


def test_verify_says_of_a_copy_whether_it_is_whole_up_to_the_head_beside_it(place, tmp_path, capsys):
    place.do("init", "--without-fleet")
    memory = place.memory("grid")
    order(memory, "grid")
    copy = tmp_path / "copied" / JOURNAL
    copy.parent.mkdir()
    copy.with_name(HEAD).write_bytes((place.state / HEAD).read_bytes())
    with closing(sqlite3.connect(place.state / JOURNAL)) as source, closing(sqlite3.connect(copy)) as to:
        source.backup(to)
    order(memory, "grid", id="o-2")
    capsys.readouterr()
    assert place.do("journal", "verify", "--journal", str(copy)) == 0
    assert f"{copy}: journal {memory.journal.id}, records 1 to 3," in capsys.readouterr().out
    copy.with_name(HEAD).write_bytes((place.state / HEAD).read_bytes())
    assert place.do("journal", "verify", "--journal", str(copy)) == 1, "the head is newer than the copy"
    assert "records are gone, or it is an older copy" in capsys.readouterr().out
    memory.close()
    assert place.do("journal", "verify", "--journal", str(tmp_path / "nothing")) == 1


def test_an_issuer_is_retired_by_another_authority_or_by_two_operators_and_by_nobody_else(place, capsys):
    place.do("init", "--without-fleet")
    memory = place.memory("grid", "dso")
    order(memory, "dso", id="d-1")
    memory.close()

    def retire(name, *holders, reason="the company is no more"):
        files = [word for holder in holders for word in ("--token-file", str(place.folder / holder))]
        return place.do("issuer", "retire", name, "--reason", reason, *files), capsys.readouterr()

    for holders in (("dso",), ("olga", "omar"), ("olga",)):
        status, said = retire("dso", *holders)
        assert (status, "a token of grid is needed" in said.err) == (1, True), holders
    status, said = retire("nobody", "grid")
    assert (status, "allowed is one of: dso, grid" in said.err) == (1, True)
    status, said = retire("dso", "grid")
    assert (status, "as grid agreed; its orders end with it: d-1" in said.out) == (0, True)
    place.write("grid", "olga", "omar")
    for holders in (("grid",), ("olga",), ("olga", "olga")):
        status, said = retire("grid", *holders)
        assert (status, "tokens of two operators" in said.err) == (1, True), holders
    status, said = retire("grid", "omar", "olga")
    assert (status, "as olga and omar agreed; it has no orders in force" in said.out) == (0, True)
    memory = place.memory("grid", "dso")
    assert (memory.book.limits(), memory.book.issuers) == ((), frozenset())
    retired = [record.body for record in memory.journal.records("retired")]
    assert [(body["issuer"], body["by"], body["reason"]) for body in retired] == [
        ("dso", ["grid"], "the company is no more"),
        ("grid", ["olga", "omar"], "the company is no more"),
    ]
    memory.close()
