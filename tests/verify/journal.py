"""Random faults on disk and random kills: no acknowledged order may be lost silently.

2,000 faults on journal, head and comparison without sockets, 500 kills of a process under a flood of orders, and 100 faults on a
whole site of processes.
"""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Final

from controller.daemon.journal.beginning import HEAD, JOURNAL
from tests.brokers import amqtt_broker
from tests.controller.daemon.orders.disk import FILES, SPOILS
from tests.controller.daemon.orders.faults import story
from tests.controller.daemon.orders.kills import kill_once
from tests.e2e.yard import Yard, yard_over
from tests.waiting import until

FAULTS: Final = 2_000
KILLS: Final = 500
PROCESSES: Final = 100


def faults(count: int) -> list[str]:
    """Return the seeds of the faults that broke a promise, with what they did."""
    broken = []
    for seed in range(count):
        with tempfile.TemporaryDirectory() as folder:
            tale = story(seed, Path(folder))
        broken += [f"seed {seed}: {each}" for each in tale.broken]
    return broken


def kills(count: int) -> list[str]:
    """Return the seeds of the kills that broke a promise, with what they did."""
    broken = []
    for seed in range(count):
        with tempfile.TemporaryDirectory() as folder:
            broken += [f"seed {seed}: {each}" for each in kill_once(seed, Path(folder))]
    return broken


def processes(count: int, first: int = 0) -> list[str]:
    """Return the same for faults on a whole site, whose agents are processes of their own."""
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as folder, amqtt_broker() as broker, yard_over(broker, Path(folder)) as yard:
        for seed in range(first, first + count):
            broken += [f"process seed {seed}: {each}" for each in _one(yard, Random(seed), seed)]
    return broken


def _one(yard: Yard, random: Random, seed: int) -> list[str]:
    """Order, kill, spoil the disk, start again; then have the issuer speak, for the next fault."""
    state = yard.folder / "state"
    promised = {f"p-{seed}-{k}": random.choice((10e3, 20e3, 30e3)) for k in range(random.randint(1, 3))}
    for k, (order_id, limit_w) in enumerate(promised.items()):
        assert yard.order(order_id, limit_w).body["durable"]
        if k == 0:
            copies = {name: (state / name).read_bytes() for name in FILES if (state / name).exists()}
    until(lambda: _known(yard, state), "the fleet has the head", tell=yard.tell)
    yard.kill("surplusd", signal.SIGTERM if random.random() < 0.2 else signal.SIGKILL)
    told = _spoil(state, random, copies)
    yard.start("surplusd")
    until(lambda: _all_heard(yard), "all agents are heard", tell=yard.tell)
    status = yard.status()
    in_force = {
        order["id"]: order["limit_w"] for order in yard.orders() if order["state"] not in ("scheduled", "ended")
    }
    wrong = []
    if status["orders_doubt"] is None and any(in_force.get(id_) != watts for id_, watts in promised.items()):
        wrong.append(f"lost silently after {told}")
    if status["orders_doubt"] is not None and status["mode"] not in ("init", "failsafe"):
        wrong.append(f"doubted, and in mode {status['mode']} after {told}")
    _speak(yard, promised)
    return wrong


def _known(yard: Yard, state: Path) -> bool:
    newest = int((state / HEAD).read_text().split(".")[3])
    return all(agent["head_stored_seq"] == newest for agent in yard.status()["agents"].values())


def _all_heard(yard: Yard) -> bool:
    agents = yard.status()["agents"].values()
    return all(agent["online"] and agent["head_seq"] is not None for agent in agents)


def _spoil(state: Path, random: Random, copies: dict[str, bytes]) -> list[str]:
    (state / f"{JOURNAL}-shm").unlink(missing_ok=True)
    there = [name for name in FILES if (state / name).exists()]
    names, told = random.sample(there, random.randint(1, len(there))), []
    for name in names:
        spoil, path = random.choice([*sorted(SPOILS), "swap"]), state / name
        if spoil == "swap" and name in copies:
            path.write_bytes(copies[name])
        elif spoil in ("empty", "remove") or (spoil in SPOILS and path.stat().st_size):
            SPOILS[spoil](path, random)
        told.append(f"{spoil}: {name}")
    return told


def _speak(yard: Yard, promised: dict[str, float]) -> None:
    """Bring the site to where all is known and no order is in force."""
    if "surplusd init" in (yard.status()["orders_doubt"] or ""):
        yard.kill("surplusd")
        command = [sys.executable, "-m", "controller.cli", "init", str(yard.setup.daemon_file)]
        subprocess.run(command, check=True, capture_output=True)
        yard.start("surplusd")
        until(lambda: _all_heard(yard), "all agents are heard", tell=yard.tell)
    answer = yard.ask("/api/v1/orders/statement", {"orders": []})
    assert answer.code == 200, (answer, promised)
    assert answer.body["orders_doubt"] is None, answer
    word = {"by": "the shift", "reason": "nobody works there"}
    answer = yard.ask("/api/v1/locks/statement", word, role="operator")
    assert answer.body["doubt"] is None, answer


def report(out: Path) -> dict[str, str]:
    """Run all three, with what they broke in ``OUT/journal.json``."""
    logging.disable(logging.CRITICAL)
    try:
        broken = {"faults": faults(FAULTS), "kills": kills(KILLS), "processes": processes(PROCESSES)}
    finally:
        logging.disable(logging.NOTSET)
    (out / "journal.json").write_text(json.dumps(broken, indent=2) + "\n")
    return {name: "failed" if each else "passed" for name, each in broken.items()}
