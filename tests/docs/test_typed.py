"""Every command on the operators' pages is typed, on a machine that is a folder, against a real interface over a demo site."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from controller.cli import main
from controller.daemon.access import Principal, Role, Token
from controller.daemon.journal.beginning import HEAD, JOURNAL
from controller.daemon.orders.memory import Memory
from controller.daemon.orders.request import OrderRequest
from controller.site.compile import compile_site
from controller.site.load import load
from drivers.fleet.keys import CONTROLLER, load_private, load_public, make_keys
from tests.controller.api.page.prepared import STATES, world_of
from tests.controller.api.server import UTC_S, make_service, serving
from tests.controller.daemon.orders.test_book import intake_of
from tests.docs.guides import ROOT, blocks, with_words
from tests.docs.machine import PageMachine
from tests.ports import free_port

#: Names and roles of whoever has a token of this site, as `configs/demo.yaml` has them, and one more authority.
HOLDERS = {"grid-authority": "authority", "operator": "operator", "viewer": "viewer", "other": "authority"}


class Site(PageMachine):
    """A machine with a whole site on it; `secret`: the token of each role, and of `other`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.port, self.state, folder = free_port(), root / "var/lib/surplusd", self.site.parent
        self.secret = {name: secrets.token_hex(32) for name in ("authority", "operator", "viewer", "other")}
        for name, token in self.secret.items():
            path = root / "root/other.token" if name == "other" else folder / f"{name}.token"
            path.write_text(f"{token}\n")
            path.chmod(0o600)
        text = (ROOT / "configs/demo.yaml").read_text(encoding="utf-8")
        for before, now in {
            "state: state ": f"state: {self.state} ",
            "127.0.0.1:18420": f"127.0.0.1:{self.port}",
            "\nmqtt:": f"    - {{name: other, role: authority, token_sha256: {self._sha256('other')}}}\n\nmqtt:",
        }.items():
            assert before in text
            text = text.replace(before, now)
        self.site.write_text(text)
        make_keys(folder / "keys", (CONTROLLER, *compile_site(load(self.site)).agents))

    def _sha256(self, name: str) -> str:
        return hashlib.sha256(self.secret[name].encode()).hexdigest()

    def init(self) -> None:
        assert main(["init", "--without-fleet", str(self.site)]) == 0

    def memory(self) -> Memory:
        """Start as the daemon does, and remember."""
        key = load_private(self.site.parent / "keys/controller.key")
        return Memory(
            self.state, compile_site(load(self.site)), key=key, issuers=frozenset({"grid-authority", "other"})
        )

    def tokens(self) -> Iterator[Token]:
        for name, role in HOLDERS.items():
            yield Token(name=name, role=Role(role), sha256=self._sha256("other" if name == "other" else role))

    @contextmanager
    def daemon(self, state: str = "normal") -> Iterator[None]:
        """Let an interface answer at the site's own port."""
        service, journal = make_service(self.root / f"{state}.db", world_of(STATES[state]()))
        service.tokens.replace(self.tokens())
        with serving(service, self.port):
            yield
        journal.close()

    def type_page(self, name: str, instead: dict[str, str], **environment: str) -> list[str]:
        """Type every block of a page, with other words in the place of some; return what each has printed."""
        return [self.type_with(instead, block, **environment) for block in blocks(ROOT / "docs" / name)]

    def type_with(self, instead: dict[str, str], block: str, **environment: str) -> str:
        here = {"127.0.0.1:8420": f"127.0.0.1:{self.port}"}
        return self.type(with_words(block, here | instead), **environment)


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str], installed) -> Site:
    installed("openssl")
    made = Site(tmp_path)
    capsys.readouterr()
    return made


def test_install(site: Site) -> None:
    """The broker's certificates and the journal are really made, and what is installed lies in the package's folders."""
    typed = site.type_page("install.md", {"surplusd init ": "surplusd init --without-fleet "})
    assert len(typed) == 6
    assert "nothing is missing on this machine" in typed[1]
    etc = site.root / "etc"
    assert {path.name for path in (etc / "mosquitto").rglob("*.*")} >= {
        "mosquitto.conf",
        "surplusd.acl",
        "ca.pem",
        "server.key",
    }
    assert (etc / "prometheus/surplusd-rules.yml").is_file()
    assert (site.root / "var/lib/grafana/dashboards/surplusd/surplusd-fleet.json").is_file()
    assert "systemctl enable --now surplusd" in site.asked()


def test_keys(site: Site) -> None:
    keys = site.site.parent / "keys"
    for path in keys.iterdir():
        path.unlink()
    _, _, digest = site.type_page("keys.md", {})
    private, public = load_private(keys / "controller.key"), load_public(keys / "controller.pub")
    public.verify(private.sign(b"text"), b"text")
    made = (site.site.parent / "operator.token").read_text().strip()
    assert re.fullmatch("[0-9a-f]{64}", made)
    assert made != site.secret["operator"]
    assert re.fullmatch("[0-9a-f]{64}  -\n", digest)


def test_time(site: Site) -> None:
    """The page's other machine has the time of the daemon's clock, which here is not that of this machine."""
    now = f"$(date -u -d @{UTC_S:.0f} +%FT%TZ)"
    instead = {"$(date -u +%FT%TZ)": now, "$(ssh other-machine date -u +%FT%TZ)": now, "4000000": "400000"}
    with site.daemon():
        token = {"TOKEN": site.secret["authority"]}
        _, ordered, confirmed = site.type_page(
            "time.md", instead | {"authority.token": f"{site.site.parent}/authority.token"}, **token
        )
    assert '"outcome":"accepted"' in ordered
    assert "is taken for right from now on; this is on record" in confirmed


def test_upgrade(site: Site) -> None:
    site.init()
    with site.daemon():
        before, after, *_ = site.type_page("upgrade.md", {})
    assert "NORMAL" in before
    assert before.splitlines()[0].startswith("surplusd ")
    assert after.splitlines()[0] == before.splitlines()[0]
    assert [words for words in site.asked() if words.startswith("apt")] == [
        "apt install ./surplusd_NEW_amd64.deb",
        "apt install --allow-downgrades ./surplusd_OLD_amd64.deb",
    ]


def test_troubleshooting(site: Site) -> None:
    site.init()
    with site.daemon("over"):
        (told,) = site.type_page("troubleshooting.md", {})
    assert "OVER THE LIMIT" in told
    assert "journalctl -u surplusd -n 50" in site.asked()


def test_operations(site: Site) -> None:
    """Its placeholders are filled in. One meter waits for nobody: that a person confirms it is refused, by the code that says so."""
    site.init()
    # Here and not in a process of the page's, which would have a deadline for it.
    assert main(["warmup"]) == 0
    shell, complete, tunnel, what_if, confirm, state, retire = blocks(ROOT / "docs/operations.md")
    with site.daemon():
        told = site.type_with({"surplusd top ": "surplusd top --looks 1 "}, shell)
        site.type_with({}, complete)
        site.type_with({}, tunnel)
        supposed = site.type_with({"site.yaml": str(site.site)}, what_if)
        with pytest.raises(AssertionError, match="confirm_not_awaited"):
            site.type_with({"METER": "pcc-main"}, confirm)
        stated = site.type_with({"4000000": "400000"}, state, TOKEN=site.secret["authority"])
    assert told.count("state       NORMAL") == 2, told
    assert (site.root / "records.jsonl").is_file()
    assert "complete " in (site.root / "etc/bash_completion.d/surplusd").read_text()
    assert "feeder-a binds: 400.0 kW" in supposed
    assert '"orders_doubt":null' in stated
    assert "is retired at demo, as other agreed" in site.type_with({"NAME": "grid-authority"}, retire)


class TestBackup:
    """A site is backed up while it is led, loses its machine after one more order, and is brought back."""

    @pytest.fixture
    def copied(self, site: Site, installed) -> Path:
        """The folder of the backup; what came in after it is lost."""
        installed("sqlite3")
        site.init()
        memory = site.memory()
        _order(memory, "known")
        make, *_ = blocks(ROOT / "docs/backup.md")
        said = site.type(make)
        assert "stands in it: records 1 to 3 are those of then" in said
        _order(memory, "lost")
        memory.close()
        (folder,) = (site.root / "var/backups/surplusd").iterdir()
        return folder

    def test_it_holds_what_the_page_says(self, copied: Path, site: Site) -> None:
        assert {path.name for path in copied.iterdir()} >= {JOURNAL, HEAD, "etc.tar.gz"}
        with closing(sqlite3.connect(copied / JOURNAL)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        inside = site.type(f"tar -tzf {copied}/etc.tar.gz")
        for name in ("site.yaml", "operator.token", "keys/controller.key", "keys/hall-a1.pub"):
            assert f"etc/surplusd/{name}\n" in inside

    def test_the_one_of_every_night_is_that_of_the_page_and_takes_away_only_what_is_old(
        self, copied: Path, site: Site
    ) -> None:
        make, enable, *_ = blocks(ROOT / "docs/backup.md")
        script = (ROOT / "deploy/package/backup.sh").read_text()
        assert make in script
        old, young, other = (copied.parent / name for name in ("2020-01-31", "2020-02-01", "of-mine"))
        for folder, days in ((old, 31), (young, 30), (other, 31)):
            folder.mkdir()
            os.utime(folder, (time.time() - (days + 0.5) * 86_400,) * 2)
        assert "stands in it: records 1 to" in site.type(script)
        assert {path.name for path in copied.parent.iterdir()} == {copied.name, young.name, other.name}
        os.utime(young, (0, 0))
        (site.state / HEAD).write_text("nothing")
        with pytest.raises(AssertionError):
            site.type(script)
        assert young.exists(), "a copy that is not whole takes nothing away"
        site.type(enable)
        assert "systemctl enable --now surplusd-backup.timer" in site.asked()

    def test_an_old_journal_holds_what_it_knows_and_asks_for_the_rest(self, copied: Path, site: Site) -> None:
        _, _, restore, confirm = blocks(ROOT / "docs/backup.md")
        *lines, status = restore.splitlines(keepends=True)
        site.site.unlink()
        said = site.type("".join(lines), within=copied)
        assert "nothing is missing on this machine" in said
        assert not (site.state / HEAD).exists()
        assert not (site.state / f"{JOURNAL}-wal").exists()
        memory = site.memory()
        assert [limit.id for limit in memory.book.limits()] == ["grid-authority/known"]
        assert memory.book.unsure is not None
        assert memory.locks.reason is not None
        memory.close()
        with site.daemon():
            assert "NORMAL" in site.type(status)
            assert "on record: what is locked is all" in site.type(confirm)


def _order(memory: Memory, name: str) -> None:
    request = OrderRequest(id=name, limit_w=40e3)
    assert intake_of(memory.book).accept(request, Principal(name="grid-authority", role=Role.AUTHORITY)).durable


def test_first_look(site: Site) -> None:
    """No image is built here: what is asked of make and of docker names what there is."""
    for name in ("make", "docker"):
        (site.root / "bin" / name).write_text(f'#!/bin/bash\necho "{name} $*" >>"{site.root}/asked"\n')
        (site.root / "bin" / name).chmod(0o755)
    site.type_page("first-look.md", {})
    files = {words.split()[3] for words in site.asked() if words.startswith("docker compose -f ")}
    assert files == {"deploy/container/compose.yaml"}
    assert (ROOT / files.pop()).is_file()
    assert re.search(r"^deb:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_every_operators_page_with_commands_is_typed_somewhere():
    """Each page is named by the test that types it; those of before have theirs elsewhere."""
    typed = [
        path.read_text()
        for top in ("tests/docs", "tests/controller", "tests/deploy", "tests/e2e")
        for path in (ROOT / top).rglob("test_*.py")
    ]
    pages = {page.name for page in (ROOT / "docs").glob("*.md") if blocks(page) or blocks(page, "console")}
    assert {page for page in pages if not any(page in text for text in typed)} == set()
