"""`kill -9` at a random moment under a flood of orders and releases: nothing lost, nothing back, nothing twice, and no doubt.

A flood is a child of this process that has the daemon's own journal and book; it says on a pipe what it is about to release,
and what it was told is durable.
"""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections import Counter
from pathlib import Path
from random import Random

from controller.daemon.journal.journal import RecordKind
from drivers.errors import JournalUnusable
from tests.controller.daemon.orders.disk import Disk, issuer

SENDERS = 3
#: Orders of a sender that are open at once.
OPEN = 8


def kill_once(seed: int, folder: Path) -> list[str]:
    """Flood, kill and start again; return what must not be, in words."""
    random, disk = Random(seed), Disk(folder / "state")
    disk.init()
    said = _flood_and_kill(disk, random.uniform(0.0, 0.3), seed)
    promised = {order_id for word, order_id in said if word == "order"}
    begun = {order_id for word, order_id in said if word == "release"}
    released = {order_id for word, order_id in said if word == "released"}
    wrong = []
    with disk.running() as memory:
        limits = disk.limits()
        if lost := promised - begun - limits.keys():
            wrong.append(f"lost: {sorted(lost)}")
        if back := released & limits.keys():
            wrong.append(f"came back: {sorted(back)}")
        stored = Counter(record.body["id"] for record in memory.journal.records(RecordKind.ORDER))
        if twice := [order_id for order_id, times in stored.items() if times > 1]:
            wrong.append(f"twice: {twice}")
        if disk.doubted():
            wrong.append(f"doubted: {memory.book.unsure.parameters['why']}")
    return wrong


def _flood_and_kill(disk: Disk, after_s: float, seed: int) -> list[tuple[str, str]]:
    """Have a child flood, kill it so long after its first word, and return all that it has said."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Newer Pythons warn of the threads of whoever runs the tests; the child needs none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reading)
        _flood(disk, writing, seed)
        os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        first = pipe.readline()
        threading.Event().wait(after_s)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        lines = (first + pipe.read()).decode().splitlines()
    assert lines, "the flood has not begun"
    return [(word, order_id) for word, _, order_id in (line.partition(" ") for line in lines) if order_id]


def _flood(disk: Disk, pipe: int, seed: int) -> None:
    disk.start()
    os.write(pipe, b"begun\n")
    threads = [threading.Thread(target=_send, args=(disk, pipe, Random(seed * SENDERS + k), k)) for k in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _send(disk: Disk, pipe: int, random: Random, sender: int) -> None:
    """Order and release for as long as this process lives; a line of the pipe is short enough to come whole or not at all."""
    intake, by, mine = disk.intake(), issuer("grid"), []
    for number in range(1_000_000):
        if len(mine) == OPEN or (mine and random.random() < 0.4):
            order_id = mine.pop(random.randrange(len(mine)))
            os.write(pipe, f"release {order_id}\n".encode())
            try:
                intake.release(order_id, by)
            except JournalUnusable:
                continue
            os.write(pipe, f"released {order_id}\n".encode())
        else:
            order_id = f"s{sender}-{number}"
            answer = intake.accept(disk.request(order_id, 1000.0 * random.randrange(90)), by)
            if answer.durable:
                mine.append(order_id)
                os.write(pipe, f"order {order_id}\n".encode())
