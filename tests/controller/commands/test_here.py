"""`surplusd check --here` names all that the daemon would lack on this machine."""

import os
import socket
from pathlib import Path

import pytest
import yaml

from controller.cli import main
from controller.commands import here
from controller.daemon.journal.beginning import JOURNAL
from controller.demo.setup import DemoOptions, prepare
from controller.site.compile import compile_site
from controller.site.load import load
from drivers import machine_clocks
from tests.certificates import issue
from tests.controller.daemon.clock.machine import GOOD, UNSYNCHRONISED, Machine
from tests.controller.daemon.journal.journals import journal_at

DEMO = Path(__file__).parents[3] / "configs/demo.yaml"
NOBODY = 65534


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A site with all that its daemon needs, on a free port, with a clock that is synchronised."""
    machine = Machine(tmp_path)
    monkeypatch.setattr(here, "read_clocks", machine.read)
    monkeypatch.setattr(machine_clocks, "read_clocks", machine.read)
    made = prepare(tmp_path, DEMO.read_text(encoding="utf-8"), DemoOptions()).daemon_file
    assert main(["init", "--without-fleet", str(made)]) == 0
    return made


def found(path):
    site_file = load(path)
    return list(here.findings(site_file, compile_site(site_file)))


def warned(path):
    return list(here.warnings(load(path)))


def change(path, change_it):
    raw = yaml.safe_load(path.read_text())
    change_it(raw)
    path.write_text(yaml.safe_dump(raw, sort_keys=False))


def test_nothing_is_missing(file, capsys):
    assert main(["check", "--here", str(file)]) == 0
    assert "nothing is missing on this machine" in capsys.readouterr().out


def test_each_thing_that_is_missing_is_named(file, monkeypatch, capsys, tmp_path):
    keys = Path(load(file).mqtt.keys)
    (keys / "controller.key").chmod(0o644)
    (keys / "hall-a1.pub").unlink()
    (tmp_path / "operator.token").write_text("letmein\n")
    (tmp_path / "viewer.token").chmod(0o666)
    machine = Machine(tmp_path)
    machine.kernel = UNSYNCHRONISED
    monkeypatch.setattr(here, "read_clocks", machine.read)
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/nowhere")
    monkeypatch.setattr(here, "FREE_BYTES", 10**18)
    (tmp_path / "state/journal.db").unlink()
    assert main(["check", "--here", str(file)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    for words in (
        "controller.key: the private key is readable by others", "hall-a1.pub: No such file", "operator.token: found a token of",
        "viewer.token: has the mode 0666", "the kernel says that the wall clock is not synchronised; run chrony", "NUMBA_CACHE_DIR: /nowhere", "MB are free",
        "there is no journal; `surplusd init` makes it",
    ):  # fmt: skip
        assert words in said


def test_a_key_or_a_token_that_is_not_there_is_named_with_how_it_comes_there(file, tmp_path):
    keys = Path(load(file).mqtt.keys)
    (keys / "hall-a1.pub").unlink()
    (tmp_path / "operator.token").unlink()
    assert found(file) == [
        f"{keys}/hall-a1.pub: No such file or directory; keys.md of the manual says which machine makes it",
        f"{tmp_path}/operator.token: No such file or directory; allowed is a file that holds one password, token or key alone; `openssl rand -hex 32` makes a token",
    ]


def test_a_clock_that_is_not_trusted_is_a_warning_for_the_daemon_would_run(file, monkeypatch, capsys, tmp_path):
    machine = Machine(tmp_path)
    machine.kernel = UNSYNCHRONISED
    monkeypatch.setattr(here, "read_clocks", machine.read)
    assert main(["check", "--here", str(file)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "! warning: the clock: the kernel says that the wall clock is not synchronised; run chrony" in said
    assert said.endswith("nothing is missing on this machine: the daemon would run, with the warnings above")


def test_keys_say_which_were_made_and_that_others_stay(file, capsys):
    keys = Path(load(file).mqtt.keys)
    assert main(["keys", str(file)]) == 0
    assert f"keys in {keys}: all were there, and stay as they are. Give" in capsys.readouterr().out
    before = (keys / "controller.key").read_bytes()
    (keys / "hall-a1.key").unlink()
    assert main(["keys", str(file)]) == 0
    assert "made those of hall-a1. Give" in capsys.readouterr().out
    assert (keys / "controller.key").read_bytes() == before


def test_a_port_that_is_taken_is_named(file):
    listen = load(file).http.listen
    with socket.create_server((listen.host, listen.port)):
        assert [words for words in found(file) if words.startswith("http.listen")]
    assert found(file) == []


def test_a_port_that_the_daemon_of_this_site_has_is_no_finding(file):
    site_file = load(file)
    listen, journal = site_file.http.listen, journal_at(site_file.state / JOURNAL)
    try:
        with socket.create_server((listen.host, listen.port)):
            assert found(file) == []
    finally:
        journal.close()


@pytest.mark.parametrize(("days", "words"), [(-2, "has ended on"), (10, "in 9 days"), (400, "")])
def test_a_certificate_that_ends_is_named_with_its_days(file, tmp_path, days, words):
    issue(tmp_path, "broker", None, days=days)
    files = {"ca": "broker.pem", "certificate": "broker.pem", "private_key": "broker.key"}
    change(file, lambda raw: raw["mqtt"].update(tls={key: str(tmp_path / name) for key, name in files.items()}))
    said = found(file)
    assert len(said) == bool(words), said
    assert words in "".join(said)


def test_folders_and_files_are_looked_at_as_the_user_who_asks(file):
    state = Path(load(file).state)
    state.mkdir(exist_ok=True)
    (state / "journal.db").touch(0o600)
    assert list(here._state(state)) == []
    state.chmod(0o500)
    was = os.geteuid()
    os.seteuid(was or NOBODY)  # to root, nothing is forbidden
    try:
        said = " ".join(here._state(state))
    finally:
        os.seteuid(was)
        state.chmod(0o700)
    assert "this user cannot write there" in said


def test_init_vouches_for_a_clock_that_is_synchronised_and_check_says_what_has_become_of_it(
    file, monkeypatch, tmp_path
):
    machine = Machine(tmp_path)
    monkeypatch.setattr(here, "read_clocks", machine.read)
    assert (found(file), warned(file)) == ([], [])
    machine.wall_s += 3600.0
    (said,) = warned(file)
    assert said.startswith("the clock: the wall clock is +3600.0 s off")
    assert said.endswith("see who has set it; where it is right, `surplusd clock confirm`")
    machine.boots += 1
    assert warned(file) == [], "the agents, who may know, are not asked"
    anchor = Path(load(file).state) / "clock.anchor"
    anchor.write_text("nonsense")
    assert "it is damaged" in warned(file)[0]
    anchor.unlink()
    assert "nobody has vouched for it yet; `surplusd clock confirm`" in warned(file)[0]
    assert found(file) == []


@pytest.mark.parametrize("kernel", [UNSYNCHRONISED, "Operation not permitted"])
def test_init_vouches_for_no_other_and_leaves_what_is_known(tmp_path, monkeypatch, capsys, kernel):
    machine = Machine(tmp_path, anchored=False)
    machine.kernel = kernel
    monkeypatch.setattr(machine_clocks, "read_clocks", machine.read)
    made = prepare(tmp_path, DEMO.read_text(encoding="utf-8"), DemoOptions()).daemon_file
    assert main(["init", "--without-fleet", str(made)]) == 0
    assert "no order ends by the clock until" in capsys.readouterr().out
    state, machine.kernel = Path(load(made).state), GOOD
    assert not (state / "clock.anchor").exists()
    (state / "journal.db").unlink()
    assert main(["init", "--without-fleet", str(made)]) == 0
    assert "the wall clock is synchronised, and taken for right from now on" in capsys.readouterr().out
    (state / "journal.db").unlink()
    machine.wall_s += 3600.0
    assert main(["init", "--without-fleet", str(made)]) == 0
    assert "what was known of the wall clock stays as it was" in capsys.readouterr().out
    monkeypatch.setattr(here, "read_clocks", machine.read)
    assert "+3600.0 s off" in warned(made)[0]
