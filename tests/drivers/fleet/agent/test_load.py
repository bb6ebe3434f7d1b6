"""Three hundred devices, thirty of which hang for 2 s at every request, as a process against a real mosquitto."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from drivers.clock import boottime_s
from drivers.fleet.keys import CONTROLLER, load_private, load_public, make_keys
from drivers.fleet.wire import Follow, Report
from tests.brokers import mosquitto_broker
from tests.drivers.fleet.agent.loaded import AGENT, COUNT, IDS, S21, SILENT
from tests.drivers.fleet.fakes import FakeController
from tests.waiting import DEADLINE_S, until

#: What reading once a second, pacing 300 raises and a busy machine may add to a device's own time.
PACED_S = COUNT / 50 + 3.0


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[FakeController]:
    make_keys(tmp_path, [CONTROLLER, AGENT])
    keys = {AGENT: load_public(tmp_path / f"{AGENT}.pub")}
    with (
        mosquitto_broker(tmp_path) as broker,
        FakeController(broker.port, "5", load_private(tmp_path / f"{CONTROLLER}.key"), keys) as controller,
    ):
        command = [sys.executable, "-m", "tests.drivers.fleet.agent.loaded", str(broker.port), str(tmp_path)]
        controller.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        yield controller
        controller.process.kill()
        controller.process.communicate(timeout=DEADLINE_S)


def proven(report: Report, seq: int) -> bool:
    states = [state for k, state in enumerate(report.state) if k % (COUNT // SILENT)]
    return report.accepted_seq == seq and set(states) == {Follow.PROVEN}


@pytest.mark.alone
def test_thirty_devices_that_hang_delay_nothing_of_the_others(controller: FakeController) -> None:
    controller.report(lambda r: r.state.count(Follow.LOST) == SILENT and r.state.count(Follow.PROVEN) == COUNT - SILENT)
    took_s = {}
    for name, watts in (("up", 3500), ("down", 0)):
        sent_s = boottime_s()
        sent = controller.send(AGENT, setpoints=dict.fromkeys(IDS, watts))
        answer_s = until(lambda sent=sent: any(r.accepted_seq == sent.seq for r in controller.reports)) and boottime_s()
        controller.report(lambda r, sent=sent: proven(r, sent.seq), f"{name} proven")
        took_s[name] = boottime_s() - sent_s, answer_s - sent_s
    assert took_s["up"][0] < S21.up_s + PACED_S
    assert took_s["down"][0] < S21.down_s + 3.0, "what lowers is not paced"
    assert all(answer_s < 0.1 + 0.2 for _, answer_s in took_s.values()), took_s
    seen = [report.echo.boottime_ms for report in controller.reports]
    assert max(late - early for early, late in pairwise(seen)) < 1_200, "reports go on each second"
    controller.process.terminate()
    found = json.loads(controller.process.communicate(timeout=DEADLINE_S)[0])
    told = found.pop("told")
    sys.stdout.write(json.dumps(found | {"took_s": took_s}))  # pytest -s shows it
    # Each of the two setpoints, and off at the start, and no more: what answers is told once.
    assert set(told) <= {2, 3}
    assert found["turn_p99_ms"] <= 100
    assert found["gap_p99_ms"] <= 200
    assert found["core"] <= 0.25
    assert found["rss_mb"] <= 60
