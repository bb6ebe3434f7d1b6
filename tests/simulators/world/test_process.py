"""The world as a process, as the launcher starts it."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from simulators.worldlink import WorldClient
from tests.waiting import DEADLINE_S

SITE = str(files("configs").joinpath("demo.yaml"))


def world(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "simulators.world", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(number: signal.Signals) -> None:
    with world("--site-file", SITE, "--orders=1", "--seed=5") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready world at 127.0.0.1:")
        client = WorldClient("127.0.0.1", int(line.rsplit(":", 1)[1]))
        assert client.truth().node_w["pcc"] > 0.0
        client.close()
        process.send_signal(number)
        assert process.wait(DEADLINE_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--site-file", "nowhere.yaml"), "nowhere.yaml: the world cannot use this site"),
        (("--site-file", SITE, "--surplus-csv=nowhere.csv", "--column=x"), "nowhere.csv: cannot be read"),
        (("--site-file", SITE, "--listen=here"), "argument --listen"),
    ],
)
def test_what_is_not_usable_ends_it_with_the_reason(words: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    with world(*words) as process:
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode in {1, 2}
    assert reason in errors
    assert "Traceback" not in errors
