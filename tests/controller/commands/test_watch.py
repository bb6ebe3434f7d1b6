"""`surplusd meter watch`: what a meter shows, live, until somebody ends it."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.cli import main
from controller.commands.meter.live_view import line
from controller.commands.meter.site_sources import sources
from controller.commands.meter.source_table import rows
from controller.site.load import load
from drivers.readings import Quality, Sample
from tests.controller.commands.substation import SOUND, Substation, site_file, unit
from tests.ports import free_port
from tests.waiting import DEADLINE_S, until


def site(substation: Substation, folder: Path, meter, *, timeout: str = "5 s") -> str:
    port = substation.serve(meter)
    modbus = f"{{host: 127.0.0.1, port: {port}, profile: schneider_pm5xxx, poll: 200 ms, timeout: {timeout}}}"
    return str(site_file(folder, {"main": modbus}, modbus))


@contextlib.contextmanager
def watching(path: str, name: str = "main", **options) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "controller.cli", "meter", "watch", name, "--file", path]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def test_on_a_pipe_a_line_a_reading_and_one_for_a_loss(substation: Substation, tmp_path: Path) -> None:
    meter = unit("schneider_pm5xxx")
    with watching(site(substation, tmp_path, meter)) as process:
        shown = process.stdout.readline()
        assert re.search(r"main  812\.5 kW  50 Hz  12\.3456 MWh  1\.2 kWh  age \d+\.\d s", shown), shown
        meter.faults.exception = 6
        told = next(line for line in process.stdout if "LOST" in line)
        assert "main  LOST  exception 6 (server device busy)" in told
        meter.asked.clear()
        until(lambda: len(meter.asked) >= 3, "the lost meter is asked again and again")
        meter.faults.exception = None
        # The fault may come or go between two requests of one poll: that line has some of the values.
        back = next(line for line in process.stdout if "LOST" in line or "812.5 kW" in line)
        assert "LOST" not in back, "a loss that lasts is told once"
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0
        assert process.stderr.read() == ""


def test_a_meter_that_is_lost_at_the_end_is_status_1(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = site(substation, tmp_path, unit("schneider_pm5xxx", mute=True), timeout="300 ms")
    assert main(["meter", "watch", "main", "--site", path, "--for", "1500 ms"]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert "LOST  " in out


def test_several_meters_are_watched_at_once_and_one_that_is_lost_is_status_1(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ports = [substation.serve(unit("schneider_pm5xxx")) for _ in range(2)]
    modbus = [f"{{host: 127.0.0.1, port: {port}, profile: schneider_pm5xxx, poll: 200 ms}}" for port in ports]
    gone = modbus[0].replace(str(ports[0]), str(free_port()))
    path = str(site_file(tmp_path, {"main": modbus[0], "check": modbus[1], "gone": gone}, modbus[0]))
    assert main(["meter", "watch", "main", "check", "--file", path, "--for", "1500 ms"]) == 0
    out = capsys.readouterr().out
    assert "  main  812.5 kW" in out
    assert "  check  812.5 kW" in out
    assert "gone" not in out
    assert main(["meter", "watch", "main", "gone", "--file", path, "--for", "1500 ms"]) == 1
    assert "  gone  LOST  " in capsys.readouterr().out
    capture = ["--capture", str(tmp_path / "c.txt")]
    assert main(["meter", "watch", "main", "check", "--file", path, *capture]) == 2
    assert "--capture: found 2 meters, allowed is one" in capsys.readouterr().err


def test_a_line_without_the_power_is_never_good(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meter = unit("schneider_pm5xxx", SOUND | {"active_power_w": float("nan")})
    assert main(["meter", "watch", "main", "--file", site(substation, tmp_path, meter), "--for", "1 s"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "50 Hz" in line]
    assert lines
    assert all("  no power  ! active power: " in line and "good" not in line for line in lines)


def test_the_surplus_is_watched_by_its_name(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = site(substation, tmp_path, unit("schneider_pm5xxx"))
    assert main(["meter", "watch", "surplus", "--file", path, "--for", "2 s"]) == 0
    assert "surplus  812.5 kW" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "gives", "in_line"),
    [
        ("direct", "surplus", "surplus  90 kW"),
        ("export", "export", "surplus  export  90 kW"),
        ("headroom\n  rating: 1 MW", "feeder load", "surplus  feeder load  90 kW"),
    ],
)
def test_what_the_source_of_the_surplus_shows_is_called_what_it_is(
    tmp_path: Path, model: str, gives: str, in_line: str
) -> None:
    modbus = "{host: 127.0.0.1, port: 1, profile: schneider_pm5xxx}"
    path = site_file(tmp_path, {"main": modbus}, modbus)
    path.write_text(path.read_text().replace("model: direct", f"model: {model}"))
    of_surplus = sources(load(path))["surplus"]
    assert of_surplus.complete is False
    shown = of_surplus.taken(
        Sample(meter="surplus", taken_at_s=1.0, arrived_at_s=1.0, values={"surplus_w": 90e3}, quality=Quality.GOOD), ()
    )
    assert [row[:3] for row in rows(shown, 1.0)] == [("surplus", gives, "90 kW")]
    assert in_line in line(shown, 1.0, "12:00:00")
    assert shown.complete


def test_a_name_that_is_not_there(substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = site(substation, tmp_path, unit("schneider_pm5xxx"))
    assert main(["meter", "watch", "mian", "--file", path]) == 1
    assert (
        "found no meter 'mian' in the site file, allowed is one of main (did you mean that?), surplus"
        in capsys.readouterr().err
    )


def test_on_a_terminal_the_table_is_drawn_anew(substation: Substation, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with watching(site(substation, tmp_path, unit("schneider_pm5xxx")), stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        end_s = time.monotonic() + DEADLINE_S
        while shown.count(b"\x1b[H\x1b[J") < 4 and time.monotonic() < end_s:
            shown += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):
            while os.read(ours, 4096):
                pass
        assert process.wait(DEADLINE_S) == 0
    os.close(ours)
    screen = shown.split(b"\x1b[H\x1b[J")[3].decode()
    assert "main  127.0.0.1:" in screen
    assert "(Ctrl-C ends)" in screen
    assert "voltage L-N     230.5 / 230.5 / 230.5 V" in screen


def test_what_it_answers_is_written_down_on_request(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, capture = site(substation, tmp_path, unit("schneider_pm5xxx")), tmp_path / "c.txt"
    assert main(["meter", "watch", "main", "--file", path, "--for", "1 s", "--capture", str(capture)]) == 0
    assert main(["meter", "test", "schneider_pm5xxx", "--capture", str(capture)]) == 0
    assert "812.5 kW" in capsys.readouterr().out
    assert main(["meter", "watch", "main", "--file", path, "--for", "1 s", "--capture", str(capture)]) == 1
    assert main(["meter", "watch", "nobody", "--file", path, "--capture", str(tmp_path / "d.txt")]) == 1
    assert "allowed is a meter on Modbus: main, surplus" in capsys.readouterr().err
