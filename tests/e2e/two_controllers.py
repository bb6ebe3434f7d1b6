"""A clone of the controller comes up beside it, with the same keys, and goes again: what is seen of that, for a test and for `make verify`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Final

import yaml

from controller.daemon.journal.beginning import HEAD
from controller.demo.children import Child
from drivers.clock import boottime_s
from tests.brokers import BrokerProcess
from tests.e2e.yard import SITE, Sample, Yard, until, yard_over
from tests.ports import free_port
from tests.waiting import DEADLINE_S

#: So long that the start of a second one on a busy machine does not outlast it.
LEASE_S: Final = 20.0
#: How far above the contract the meter of the site may be: I1.
TOLERANCE: Final = 0.01
_SECOND: Final = "second_controller"


def two_over(broker: BrokerProcess, folder: Path) -> AbstractContextManager[Yard]:
    """A yard with leases of `LEASE_S`."""
    text, lease = SITE.read_text(encoding="utf-8"), "  lease: 5 s\n"
    assert text.count(lease) == 1
    return yard_over(broker, folder, text=text.replace(lease, f"  lease: {LEASE_S:.0f} s\n"))


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


def live_together(
    yard: Yard, both_s: float, figures: dict[str, object], is_alerted: Callable[[], bool] = lambda: True
) -> None:
    """Have both live for so long, and then one; AssertionError where one is not named or alerted, anything rises, or it is not led again."""
    set_w = sum(yard.calm(drawing=True).applied_w.values())
    log_before = (yard.folder / "surplusd.log").stat().st_size
    second = clone(yard)
    second.start()
    try:
        until(lambda: _SECOND in _reasons(yard), "the second one is named", tell=yard.tell)
        samples = yard.watch_for(both_s)
        figures["above_the_contract_s"] = _above_s(samples, yard.site.rules.contract_w)
        figures["most_set_w"], figures["set_before_w"] = max(sum(one.applied_w.values()) for one in samples), set_w
        lines = (yard.folder / "surplusd.log").read_text()[log_before:].splitlines()
        figures["log_lines"] = len(lines)
        assert figures["most_set_w"] <= set_w, "nothing rises"
        assert figures["above_the_contract_s"] == 0.0
        assert len(lines) < 30 + both_s, "the log is not filled"
        assert _SECOND in _reasons(yard), "and the metric that the alert looks at with it"
        until(is_alerted, "the alert fires", tell=yard.tell)
    finally:
        second.stop()
    gone_s = boottime_s()
    until(lambda: {yard.stored(agent)["epoch"] for agent in yard.site.agents} == {_epoch(yard)}, "it leads all again")
    figures["leads_again_s"] = boottime_s() - gone_s
    assert boottime_s() - gone_s < LEASE_S
    _speak(yard)


def _speak(yard: Yard) -> None:
    """The second one had a journal of its own: all is stated anew, and the site comes back."""
    told = yard.wait_mode("failsafe", "orders may be missing")
    assert "another journal" in told["orders_doubt"]
    assert yard.ask("/api/v1/orders/statement", {"orders": []}).body["orders_doubt"] is None
    word = {"by": "the shift", "reason": "nobody works there"}
    assert yard.ask("/api/v1/locks/statement", word, role="operator").body["doubt"] is None
    yard.wait_mode("normal", deadline_s=DEADLINE_S + LEASE_S)


def _reasons(yard: Yard) -> set[str]:
    return {reason["code"] for reason in yard.status()["reasons"]}


def _epoch(yard: Yard) -> int:
    """Return the epoch of the first controller, by the head beside its journal."""
    return int((yard.folder / "state" / HEAD).read_text().split(".")[2])


def _above_s(samples: list[Sample], limit_w: float) -> float:
    """Return for how long the site drew more than that."""
    return sum(late.at_s - early.at_s for early, late in pairwise(samples) if late.site_w > (1.0 + TOLERANCE) * limit_w)
