"""The one command: its verbs, its exit statuses, and what it says to whom."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import pytest

from controller.cli import main
from drivers.fleet.keys import load_private, load_public
from tests.ports import free_port
from tests.waiting import DEADLINE_S

DEMO = Path(__file__).parents[2] / "configs/demo.yaml"


def site_at(folder: Path, *changes: tuple[str, str]) -> str:
    text = DEMO.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (folder / "site.yaml").write_text(text)
    return str(folder / "site.yaml")


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"surplusd {version('surplusd')}\n"


@pytest.mark.parametrize("argv", [["--help"], ["status", "--help"], []])
def test_whoever_has_read_enough_hears_no_complaint(argv):
    command = [sys.executable, "-m", "controller.cli", *argv]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=buffered) as run:
        run.stdout.close()
        assert run.stderr.read() == ""
        assert run.wait(DEADLINE_S) == 1


def test_a_terminal_that_lacks_a_sign_is_shown_all_else():
    command = [
        sys.executable,
        "-c",
        "from controller import cli; cli._status_of = lambda _: print('▁ NORMAL') or 0; cli.main([])",
    ]
    run = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}, check=True)
    assert run.stdout == b"? NORMAL\n"


@pytest.mark.parametrize("argv", [["dance"], ["check"], ["run"], ["run", "x.yaml", "--log-level", "LOUD"]])
def test_a_wrong_command_line_is_said_on_stderr_with_status_2(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.startswith("usage: surplusd")) == ("", True)


def test_check_of_a_good_file(capsys):
    assert main(["check", str(DEMO)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "10 nodes, 3 meters, 208 devices, 6 agents" in out


def test_check_reports_every_mistake_at_once_with_its_place_on_stderr(tmp_path, capsys):
    path = site_at(tmp_path, ("contract: 800 kW", "contract: -800 kW"), ("lease: 30 s", "lease: 30 kW"))
    assert main(["check", path]) == 1
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 2
    for line, key in zip(lines, ("grid.contract", "fleet.lease"), strict=True):
        assert line.startswith(f"{path}:")
        assert line.split(":")[1].isdigit()
        assert line.split(":")[2].isdigit()
        assert key in line
        assert "allowed is" in line


def test_check_reads_the_profiles_too(tmp_path, capsys):
    (tmp_path / "own.yaml").write_text("id: own\nregisters: nonsense\n")
    assert main(["check", site_at(tmp_path, ("schneider_pm5xxx", "own.yaml"))]) == 1
    assert "own.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["check", "run", "keys"])
@pytest.mark.parametrize("text", [None, "", "{", "version: 1\nversion: 1\n", "- a\n", "\x00\xff"])
def test_a_file_that_is_no_site_is_refused_with_its_name_by_every_verb(verb, text, tmp_path, capsys):
    path = tmp_path / "broken.yaml"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    assert main([verb, str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "broken.yaml" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == ([path] if text is not None else []), "nothing is started, nothing is made"


def test_keys_are_made_once_for_the_controller_and_every_agent(tmp_path, capsys):
    path = site_at(tmp_path)
    assert main(["keys", path]) == 0
    keys = tmp_path / "keys"
    assert {file.stem for file in keys.glob("*.key")} == {"controller", "hall-a1", "hall-a2", "hall-a3", "hall-b1", "hall-b2", "rack-b3"}  # fmt: skip
    assert {file.stem for file in keys.glob("*.pub")} == {file.stem for file in keys.glob("*.key")}
    for file in keys.glob("*.key"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        load_private(file)
        load_public(file.with_suffix(".pub"))
    before = {file: file.read_bytes() for file in keys.iterdir()}
    assert main(["keys", path]) == 0
    assert {file: file.read_bytes() for file in keys.iterdir()} == before
    assert "PRIVATE" not in capsys.readouterr().out


def test_keys_that_cannot_be_written_are_an_error_of_one_line(tmp_path, capsys):
    (tmp_path / "keys").write_text("a file in the way")
    assert main(["keys", site_at(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert str(tmp_path / "keys") in err
    assert len(err.splitlines()) == 1


def test_schema_is_the_one_that_editors_are_given(capsys):
    assert main(["schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((DEMO.parent / "site.schema.json").read_text())


def test_run_without_keys_says_which_is_missing(tmp_path, capsys):
    assert main(["run", site_at(tmp_path)]) == 1
    assert "controller.key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("why", "change", "said"),
    [
        ("a password that is not there", ("port: 11883", "port: 11883\n  username: u\n  password_file: mqtt.secret"), "mqtt.secret"),
        ("a state folder that is a file", ("state: state ", "state: site.yaml "), "site.yaml"),
    ],
)  # fmt: skip
def test_run_refuses_what_it_cannot_use_before_anything_is_started(tmp_path, capsys, why, change, said):
    path = site_at(tmp_path, change)
    main(["keys", path])
    capsys.readouterr()
    assert main(["run", path]) == 1, why
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_a_key_that_others_may_read_is_refused(tmp_path, capsys):
    path = site_at(tmp_path)
    main(["keys", path])
    (tmp_path / "keys/controller.key").chmod(0o644)
    assert main(["run", path]) == 1
    assert "0600" in capsys.readouterr().err


def test_the_way_to_the_first_leases_imports_nothing_slow():
    slow = (
        "numba",
        "asyncua",
        "pymodbus",
        "fastapi",
        "uvicorn",
        "prometheus_client",
        "amqtt",
        "matplotlib",
        "simulators",
    )
    code = f"import sys, controller.cli, controller.commands.run, controller.daemon.start; print(*set({slow!r}) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE_S, check=True)
    assert done.stdout.split() == []


def runnable(tmp_path: Path, http_port: int) -> str:
    nobody = str(free_port())
    ports = [(port, nobody) for port in ("15020", "15021", "15022", "14840", "11883")]
    path = site_at(tmp_path, *ports, ("18420", str(http_port)))
    for name in ("authority", "operator", "viewer"):
        token = tmp_path / f"{name}.token"
        token.write_text(f"{name}-secret-3f9a1c0e7b2d4f86a5c1\n")
        token.chmod(0o600)
    main(["keys", path])
    main(["init", "--without-fleet", path])
    return path


def test_run_with_nobody_there_stays_up_until_sigterm_and_ends_with_0(tmp_path):
    """No broker, no meter, no surplus: the daemon comes up all the same, and its journal survives."""
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(DEADLINE_S)
        command = [sys.executable, "-m", "controller.cli", "run", runnable(tmp_path, free_port()), "--log-json"]
        daemon = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"NOTIFY_SOCKET": str(address)},
        )
        killer = threading.Timer(2 * DEADLINE_S, daemon.kill)
        killer.start()
        try:
            said = set()
            while not {"READY=1", "WATCHDOG=1"} <= said:
                said.add(systemd.recv(4096).decode())
            daemon.send_signal(signal.SIGTERM)
            out, err = daemon.communicate(timeout=DEADLINE_S)
        finally:
            killer.cancel()
            daemon.kill()
    assert daemon.returncode == 0, err
    events = [json.loads(line).get("event") for line in (out + err).splitlines()]
    assert "up" in events
    assert (tmp_path / "state/journal.db").exists()
    assert "secret" not in out + err


def test_run_refuses_an_address_that_is_taken(tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        path = runnable(tmp_path, taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "controller.cli", "run", path],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    assert done.returncode == 1
    assert str(taken_port(path)) in done.stderr
    assert "Traceback" not in done.stderr


def taken_port(path: str) -> int:
    return int(Path(path).read_text().split('listen: "127.0.0.1:')[1].split('"')[0])
