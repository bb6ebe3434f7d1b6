"""A command that is cut short says so, and leaves no traceback behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.cli import main
from tests.controller.commands.substation import Speaking, Substation, site_file, unit
from tests.losing import lose_a_cancellation
from tests.waiting import DEADLINE_S

SURPLUSD = [sys.executable, "-m", "controller.cli"]


def test_ctrl_c_while_a_meter_is_asked(substation: Substation) -> None:
    meter = Speaking(unit("schneider_pm5xxx"))
    command = [*SURPLUSD, "meter", "probe", "127.0.0.1", "--port", str(substation.serve(meter)), "--pause", "1 s"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        end_s = time.monotonic() + DEADLINE_S
        while len(meter.asked) < 2 and time.monotonic() < end_s:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out, err) == (1, "", "ended before it was done\n")


def test_ctrl_c_in_the_turn_that_brings_the_answer(
    substation: Substation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def identify(_: object) -> tuple[str, ...]:
        await lose_a_cancellation(lambda: signal.raise_signal(signal.SIGINT))
        return ()

    monkeypatch.setattr("controller.commands.meter.verdict.identify", identify)
    port = substation.serve(unit("schneider_pm5xxx"))
    assert main(["meter", "probe", "127.0.0.1", "--port", str(port)]) == 1
    assert capsys.readouterr() == ("", "ended before it was done\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("verb", ["probe", "test", "new", "watch", "check"])
def test_a_signal_while_a_meter_keeps_silent(tmp_path: Path, verb: str, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as meter:
        port = meter.getsockname()[1]
        modbus = f"{{host: 127.0.0.1, port: {port}, profile: schneider_pm5xxx, timeout: {DEADLINE_S:g} s}}"
        site = site_file(tmp_path, {"main": modbus}, modbus)
        patient = site.read_text().replace("suspect_after: 6 s, bad_after: 12 s", "suspect_after: 1 h, bad_after: 2 h")
        site.write_text(patient.replace("stale_after: 30 s", "suspect_after: 1 h\n  stale_after: 2 h"))
        at = ("127.0.0.1", "--port", str(port), "--timeout", f"{DEADLINE_S:g} s")
        words = {
            "probe": ("meter", "probe", *at),
            "test": ("meter", "test", "schneider_pm5xxx", "--host", *at),
            "new": ("meter", "new", str(tmp_path / "own.yaml"), "--like", "schneider_pm5xxx", "--host", *at),
            "watch": ("meter", "watch", "main", "--file", str(site), "--capture", str(tmp_path / "capture.txt")),
            "check": ("check", str(site), "--live", "--within", f"{DEADLINE_S:g} s"),
        }
        command = [*SURPLUSD, *words[verb]]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            meter.settimeout(DEADLINE_S)
            asked, _ = meter.accept()
            with asked:
                assert asked.recv(1)
                process.send_signal(number)
                _, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, err) == (1, "ended before it was done\n")


def test_a_reader_that_has_seen_enough() -> None:
    command = [*SURPLUSD, "meter", "profiles"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(DEADLINE_S) == 1


def test_the_end_of_the_answers(tmp_path) -> None:
    command = [*SURPLUSD, "meter", "new", str(tmp_path / "a.yaml")]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []
