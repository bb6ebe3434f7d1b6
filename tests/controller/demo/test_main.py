"""The launcher over all real parts but the daemon, for which `fake_daemon.py` stands in."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.demo import main as demo
from controller.demo.children import Child
from controller.demo.earnings import Books
from controller.site.compile import compile_site
from controller.site.load import load
from tests.waiting import DEADLINE_S

Options = Callable[..., argparse.Namespace]
FAKE = Path(__file__).with_name("fake_daemon.py")


def open_books(path: Path) -> Books:
    site_file = load(path)
    return Books(site=compile_site(site_file), currency=site_file.economics.tariff.currency)


@pytest.fixture
def fake_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    real = demo.processes_of

    def processes_of(setup, args, **more):
        words = [sys.executable, str(FAKE), str(setup.daemon_file), f"{setup.world[0]}:{setup.world[1]}"]
        return [
            Child(part.name, words, part.log) if part.name == "surplusd" else part for part in real(setup, args, **more)
        ]

    monkeypatch.setattr(demo, "processes_of", processes_of)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))


@pytest.mark.usefixtures("fake_daemon")
def test_a_run_from_the_first_process_to_the_verdict_with_faults_and_contactors(
    tmp_path: Path, options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run has them all: to start the parts of one costs far more than to run them."""
    result, picture, kept = tmp_path / "run.json", tmp_path / "run.png", tmp_path / "kept"
    faults = ("--fault=ignores-lowering:30@0s+1s", "--fault=agents-hang:hall-a1@1s", "--relays=30")
    contactors = ("--contactor=pdu-b2", "--contactor=feeder-b:agent", "--fault=contactor-silent:pdu-b2@0s+1s")
    written = (f"--json={result}", f"--plot={picture}", f"--keep={kept}")
    status = demo.run(options("--for=3s", "--fleet=simulated", *faults, *contactors, *written), open_books=open_books)
    printed = capsys.readouterr().out
    raw = json.loads(result.read_text())
    assert set(raw["events"]) == {
        "30 of 208 devices ignore lowering from 0:00",
        "30 of 208 devices are well again from 0:01 (ignores-lowering)",
        "1 of 7 agents hang from 0:01: hall-a1",
        "1 of 2 contactors never answer from 0:00: pdu-b2",
        "1 of 2 contactors are well again from 0:01 (contactor-silent): pdu-b2",
    }
    assert raw["trips"] == []
    assert "agent-hall-a1 (" in printed
    assert "contactors (" in printed
    assert status == (0 if raw["passed"] else 1)
    assert raw["passed"] is raw["referee"]["passed"]
    assert 3.0 <= raw["referee"]["seconds"] < 6.0
    assert raw["referee"]["offered_raw_wh"] > raw["referee"]["used_raw_wh"] > 0.0
    assert raw["daemon"] == {"mode": "normal", "site_w": 5e4, "envelope_w": 1e5, "tick_p99_s": 0.005}
    miner_per_h = 200.0 * 0.05 / 24.0 - 3.5 * 0.04
    assert raw["earnings"]["earned"] == pytest.approx(miner_per_h * raw["earnings"]["seconds"] / 3600.0)
    assert raw["earnings"]["decided"] == pytest.approx(raw["earnings"]["seconds"] / 1e3)
    assert (raw["earnings"]["currency"], raw["earnings"]["silent_s"]) == ("USD", 0.0)
    assert "USD in " in printed
    assert picture.stat().st_size > 1000
    assert "no order in this run" in printed
    assert printed.count("open http://127.0.0.1:") == 1
    assert printed.count(f"surplusd status --site {kept}/site.yaml ") == 1
    assert ("PASSED" if raw["passed"] else "FAILED") in printed
    assert {path.stem for path in kept.glob("*.log")} >= {"world", "meters", "scada", "broker", "fleet", "surplusd"}


@pytest.mark.parametrize("word", ["--fault=silent:300@1s", "--fault=silent@9s", "--relays=nobody"])
def test_a_fault_or_a_relay_of_nobody_is_refused_before_anything_starts(
    word: str, options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.run(options("--for=3s", word)) == 1
    captured = capsys.readouterr()
    assert "allowed is" in captured.err
    assert "starting" not in captured.out


def test_a_bad_recording_is_refused_before_anything_starts(
    tmp_path: Path, options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "some.csv"
    recording.write_text("time,load\n2026-01-01T00:00:00,1\n2026-01-01T00:15:00,oops\n")
    assert demo.run(options("--for=60s", f"--surplus-csv={recording}", "--column=load")) == 1
    captured = capsys.readouterr()
    assert f"surplusd demo: {recording}:3: column 'load': found 'oops', allowed is a number" in captured.err
    assert "starting" not in captured.out


def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    options: Options, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    assert demo.run(options("--plot=run.png")) == 1
    assert "amqtt and matplotlib is not installed: pip install 'surplusd[demo,plot]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--for=60"], ["--for=-1s"], ["--for=soon"], ["--model=other"], ["--broker=here"], ["--fault=lazy@1s"]]
)
def test_a_wrong_option_says_what_is_allowed(words: list[str], options: Options) -> None:
    with pytest.raises(SystemExit):
        options(*words)


def test_heavy_parts_are_imported_only_when_they_are_used() -> None:
    code = "import sys, controller.demo.main; print(*[m for m in ('matplotlib','amqtt') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=DEADLINE_S)
    assert done.stdout.strip() == ""
