"""A command that is cut short says so, and leaves no traceback behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from tests.controller.commands.substation import Speaking, Substation, unit
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
