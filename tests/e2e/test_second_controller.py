"""A clone of the controller comes up beside it, with the same keys: the two are named, nothing rises, and one leads when one is left."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
import yaml

from controller.daemon.journal.beginning import HEAD
from controller.demo.children import Child
from drivers.clock import boottime_s
from tests.e2e.yard import Yard, until
from tests.ports import free_port
from tests.waiting import DEADLINE_S

LEASE_S = 20.0
#: How long both live: the longer time is that of `pytest -m slow`.
BOTH_S = [10.0, pytest.param(60.0, marks=pytest.mark.slow)]

pytestmark = pytest.mark.parametrize("yard", ["real"], indirect=True, scope="module")


def reasons(yard: Yard) -> set[str]:
    return {reason["code"] for reason in yard.status()["reasons"]}


def epoch(yard: Yard) -> int:
    """Return the epoch of the first controller, by the head beside its journal."""
    return int((yard.folder / "state" / HEAD).read_text().split(".")[2])


def clone(yard: Yard) -> Child:
    """Return a second daemon with a journal of its own."""
    raw = yaml.safe_load(yard.setup.daemon_file.read_text())
    raw |= {"state": "second-state", "http": {"listen": f"127.0.0.1:{free_port()}"}}
    file = yard.setup.daemon_file.with_name("second.yaml")
    file.write_text(yaml.safe_dump(raw, sort_keys=False))
    shutil.rmtree(yard.folder / "second-state", ignore_errors=True)
    command = [sys.executable, "-m", "controller.cli", "init", str(file)]
    subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=True)
    words = yard._argv["surplusd"]
    return Child(
        "second", [str(file) if word == str(yard.setup.daemon_file) else word for word in words], yard.folder / "2.log"
    )


@pytest.mark.parametrize("both_s", BOTH_S)
def test_f63_two_controllers_with_one_certificate_are_named_and_the_last_one_leads_within_a_lease(
    yard: Yard, both_s: float
) -> None:
    undo = yard.reconfigure(lambda raw: raw["fleet"].update(lease=f"{LEASE_S:.0f} s"))
    yard.calm()
    yard.renew()
    set_w = sum(yard.calm(drawing=True).applied_w.values())
    log_before = (yard.folder / "surplusd.log").stat().st_size
    second = clone(yard)
    undo()
    second.start()
    try:
        until(lambda: "second_controller" in reasons(yard), "the second one is named", tell=yard.tell)
        samples = yard.watch_for(both_s)
        assert all(sum(sample.applied_w.values()) <= set_w for sample in samples), "nothing rises"
        lines = (yard.folder / "surplusd.log").read_text()[log_before:].splitlines()
        assert len(lines) < 30 + both_s, "the log is not filled"
        assert "second_controller" in reasons(yard), "and the metric that the alert looks at with it"
    finally:
        second.stop()
    gone_s = boottime_s()
    until(lambda: {yard.stored(agent)["epoch"] for agent in yard.site.agents} == {epoch(yard)}, "it leads all again")
    assert boottime_s() - gone_s < LEASE_S
    told = yard.wait_mode("failsafe", "orders may be missing")
    assert "another journal" in told["orders_doubt"]
    assert yard.ask("/api/v1/orders/statement", {"orders": []}).body["orders_doubt"] is None
    word = {"by": "the shift", "reason": "nobody works there"}
    assert yard.ask("/api/v1/locks/statement", word, role="operator").body["doubt"] is None
    yard.wait_mode("normal", deadline_s=DEADLINE_S + LEASE_S)
