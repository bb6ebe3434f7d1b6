"""An acknowledged order that the disk loses over a restart: the site says so, and is not raised until its issuer has spoken."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from controller.daemon.journal.beginning import HEAD, JOURNAL
from tests.e2e.yard import Yard, until
from tests.waiting import DEADLINE_S

LIMIT_W = 20e3
_NUMBERS = itertools.count(1)


@pytest.fixture
def lost() -> str:
    """An order id of each test's own."""
    return f"lost-{next(_NUMBERS)}"


@pytest.fixture
def curtailed(yard: Yard, lost: str) -> Iterator[Yard]:
    """The site under an order of which every agent knows, with its daemon killed."""
    yard.calm()
    yard.order(lost, LIMIT_W)
    until(lambda: all(head_seq(yard, agent) == newest(yard) for agent in yard.site.agents), "all know", tell=yard.tell)
    yard.kill("surplusd")
    yield yard
    if yard.processes.children["surplusd"].ended() is None:
        assert (state(yard).code, state_locks(yard).code) == (200, 200)
    yard.calm()


def newest(yard: Yard) -> int:
    """Return the number of the newest record that matters, by the head beside the journal."""
    return int((yard.folder / "state" / HEAD).read_text().split(".")[3])


def head_seq(yard: Yard, agent: str) -> object:
    return yard.status()["agents"][agent]["head_stored_seq"]


def state(yard: Yard, *orders: dict):
    return yard.ask("/api/v1/orders/statement", {"orders": list(orders)})


def state_locks(yard: Yard):
    return yard.ask("/api/v1/locks/statement", {"by": "the shift", "reason": "asked everybody"}, role="operator")


def test_a_bit_of_the_write_ahead_log_flips_over_a_restart(curtailed: Yard, lost: str) -> None:
    # The first page of the log that has the order, not the newest.
    log = curtailed.folder / "state" / f"{JOURNAL}-wal"
    content = bytearray(log.read_bytes())
    content[content.index(lost.encode())] ^= 1
    log.write_bytes(content)
    curtailed.start("surplusd")
    told = curtailed.wait_mode("failsafe", "orders may be missing")
    assert "the head beside the journal knows of record" in told["orders_doubt"]
    samples = curtailed.watch_for(10.0)
    assert curtailed.mode() == "failsafe"
    assert all(later.site_w <= samples[0].site_w + 2e3 for later in samples), "nothing is raised"
    answer = curtailed.order(f"{lost}-another", 30e3)
    assert "orders may be missing" in answer.body["why"]
    assert answer.body["head"].count(".") == 6
    assert curtailed.mode() == "failsafe", "one order does not end it"
    stated = state(curtailed, {"id": lost, "limit_w": LIMIT_W})
    assert (stated.code, stated.body["orders_doubt"]) == (200, None)
    curtailed.wait_mode("failsafe", "locks of people at work may be missing")
    assert state_locks(curtailed).body["doubt"] is None
    curtailed.wait_mode("normal")
    assert [order["id"] for order in curtailed.orders() if order["state"] not in ("scheduled", "ended")] == [lost]
    assert curtailed.binding() == f"order:grid-authority/{lost}"


def test_journal_and_head_are_put_back_and_the_fleet_knows_better(curtailed: Yard, lost: str) -> None:
    curtailed.start("surplusd")
    curtailed.kill("surplusd")
    folder = curtailed.folder / "state"
    kept = curtailed.folder / "kept"
    shutil.copytree(folder, kept)
    curtailed.start("surplusd")
    curtailed.order(f"{lost}-2", 10e3)
    until(
        lambda: all(head_seq(curtailed, agent) == newest(curtailed) for agent in curtailed.site.agents),
        "all know", tell=curtailed.tell,
    )  # fmt: skip
    curtailed.kill("surplusd")
    for name in (JOURNAL, f"{JOURNAL}-wal", HEAD):
        shutil.copyfile(kept / name, folder / name)
    (folder / f"{JOURNAL}-shm").unlink()
    shutil.rmtree(kept)
    curtailed.start("surplusd")
    told = curtailed.wait_mode("failsafe", "orders may be missing")
    assert "agent " in told["orders_doubt"]
    stated = state(curtailed, {"id": lost, "limit_w": LIMIT_W}, {"id": f"{lost}-2", "limit_w": 10e3})
    assert (stated.code, stated.body["orders_doubt"]) == (200, None)
    assert state_locks(curtailed).code == 200
    until(lambda: curtailed.binding() == f"order:grid-authority/{lost}-2", "the smaller one binds", tell=curtailed.tell)


def test_the_state_folder_is_gone_and_only_init_makes_a_journal(curtailed: Yard, lost: str) -> None:
    folder = curtailed.folder / "state"
    folder.rename(curtailed.folder / "elsewhere")
    curtailed.start("surplusd")
    told = curtailed.wait_mode("failsafe", "orders may be missing")
    assert "surplusd init" in told["orders_doubt"]
    answer = curtailed.order(f"{lost}-3", 10e3)
    assert (answer.body["durable"], answer.body["head"]) == (False, None)
    assert curtailed.ask(f"/api/v1/orders/{lost}-3/release", {}).code == 503
    assert state(curtailed).code == 503
    assert not (folder / JOURNAL).exists()
    curtailed.kill("surplusd")
    command = [sys.executable, "-m", "controller.cli", "init", str(curtailed.setup.daemon_file)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=True)
    for agent in curtailed.site.agents:
        assert f"which agent {agent} has" in made.stdout, made
    curtailed.start("surplusd")
    curtailed.wait_mode("failsafe", "orders may be missing")
    assert state(curtailed, {"id": lost, "limit_w": LIMIT_W}).body["orders_doubt"] is None
    assert state_locks(curtailed).code == 200
    curtailed.wait_mode("normal")
    assert curtailed.binding() == f"order:grid-authority/{lost}"
