"""`surplusd agent verify` against our own agent, a process that drives simulated miners, over a real broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.cli import main
from drivers.clock import boottime_s
from tests.brokers import mosquitto_broker
from tests.e2e.yard import PLENTY, Yard, options
from tests.waiting import DEADLINE_S


def test_our_own_agent_does_all_that_the_contract_asks_of_any(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with mosquitto_broker(tmp_path) as broker:
        yard = Yard(tmp_path, broker, options(PLENTY, "--agents-apart"))
        world, agent = (yard.processes.children[name] for name in ("world", "agent-hall-1"))
        try:
            for child in (world, agent):
                child.start()
                child.wait_ready(boottime_s() + DEADLINE_S)
            status = main(["agent", "verify", str(yard.setup.daemon_file), "hall-1", "--kill", str(agent.pid)])
        finally:
            yard.close()
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if not line.startswith("passed")] == ["all checks passed"]
    assert status == 0
    assert len(told) == 21
