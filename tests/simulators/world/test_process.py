"""The world as a process, as the launcher starts it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from drivers.errors import Refused
from simulators.devicewire import DeviceWire
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


def test_only_the_devices_that_are_named_have_relays() -> None:
    async def ask(port: int) -> None:
        wire = DeviceWire("127.0.0.1", port, timeout_s=DEADLINE_S)
        await wire.relay("s21-a-001", closed=True)
        with pytest.raises(Refused, match="s21-b-001 has no relay"):
            await wire.relay("s21-b-001", closed=False)
        await wire.close()

    with world("--site-file", SITE, "--relays=s21-a-*,gpu-001") as process:
        assert process.stdout is not None
        asyncio.run(ask(int(process.stdout.readline().rsplit(":", 1)[1])))
        process.terminate()


def test_its_help_can_be_shown() -> None:
    with world("--help") as process:
        printed, errors = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, errors) == (0, "")
    assert "a share (15%)" in " ".join(printed.split())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--site-file", "nowhere.yaml"), "nowhere.yaml: the world cannot use this site"),
        (("--site-file", SITE, "--surplus-csv=nowhere.csv", "--column=x"), "nowhere.csv: cannot be read"),
        (("--site-file", SITE, "--listen=here"), "argument --listen"),
        (("--site-file", SITE, "--relays=nobody"), "found 'nobody', which is none of 208"),
    ],
)
def test_what_is_not_usable_ends_it_with_the_reason(words: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    with world(*words) as process:
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode in {1, 2}
    assert reason in errors
    assert "Traceback" not in errors
