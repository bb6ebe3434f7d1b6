"""One random fault on disk at one random moment, by seed: no acknowledged order and no lock may be lost silently.

    PYTHONPATH=. .venv/bin/python -m tests.controller.daemon.orders.faults SEED

tells the story of one.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from controller.daemon.journal.beginning import JOURNAL
from tests.controller.daemon.orders.disk import FILES, ISSUERS, SPOILS, Disk

AGENTS = 4
PEOPLE = ("Ali", "Sara", "Omar")


@dataclass
class Story:
    """What happened, and what of it must not happen: empty where all held."""

    told: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    doubted: bool = False


def story(seed: int, folder: Path) -> Story:
    """Live through a few starts, a fault on disk, and what comes after it."""
    random, disk, tale = Random(seed), Disk(folder / "state", AGENTS), Story()
    disk.init()
    copies = [disk.copy()]
    try:
        for _ in range(random.randint(1, 3)):
            _live(disk, random, tale)
            copies.append(disk.copy())
            _end(disk, random)
            _look(disk, tale, faulty=False)
            copies.append(disk.copy())
            _end(disk, random)
        _spoil(disk, random, copies, tale)
        _look(disk, tale, faulty=True)
        _recover(disk, random, tale)
    finally:
        disk.stop()
    return tale


def _end(disk: Disk, random: Random) -> None:
    """End in order, or at a random moment."""
    way = random.random()
    if way < 0.3:
        disk.stop()
    else:
        disk.crash(writing=way < 0.6)


def _live(disk: Disk, random: Random, tale: Story) -> None:
    """Let issuers order, release and state, and every agent that is awake learn of it."""
    awake = sorted(random.sample(range(AGENTS), random.randint(1, AGENTS)))
    disk.start()
    disk.hear(awake)
    for _ in range(random.randint(1, 6)):
        if disk.promises.in_force and random.random() < 0.3:
            order_id = random.choice(sorted(disk.promises.in_force))
            disk.release(order_id)
            tale.told.append(f"{order_id} released")
        elif random.random() < 0.1:
            by = random.choice(ISSUERS)
            disk.state(by)
            tale.told.append(f"{by} stated")
        elif random.random() < 0.15:
            disk.lock(by := random.choice(PEOPLE))
            tale.told.append(f"locked by {by}")
        else:
            answer = disk.order(random.choice(ISSUERS), random.choice((0.0, 10e3, 20e3, 90e3)))
            tale.told.append(f"{answer.id} {answer.limit_w:.0f} W{'' if answer.durable else ', not durable'}")
        if random.random() < 0.3:
            disk.memory.journal.post("decision", {"pad": "x" * random.randrange(3000)})
        disk.settle()
        disk.tell(awake)
    tale.told.append(f"agents {awake} knew of it")


def _spoil(disk: Disk, random: Random, copies: Sequence[Path], tale: Story) -> None:
    there = [name for name in FILES if (disk.folder / name).exists()]
    names = random.sample(there, random.randint(1, len(there)))
    if random.random() < 0.25:
        number = random.randrange(len(copies))
        disk.restore(copies[number], names)
        tale.told.append(f"swapped with copy {number} of {len(copies)}: {names}")
        return
    for name in names:
        spoil, path = random.choice(sorted(SPOILS)), disk.folder / name
        if path.stat().st_size or spoil in ("empty", "remove"):
            SPOILS[spoil](path, random)
            tale.told.append(f"{spoil}: {name}")


def _look(disk: Disk, tale: Story, *, faulty: bool) -> None:
    """Start, hear every agent, and hold what the site knows against what was promised."""
    disk.start()
    disk.hear(range(AGENTS))
    tale.doubted = disk.doubted()
    if disk.doubted() != disk.locks_doubted():
        tale.broken.append("orders and locks are not doubted alike")
    if not disk.locks_doubted() and (gone := disk.lost_locks()):
        tale.broken.append(f"locks lost silently: {gone}")
    if disk.doubted():
        tale.told.append(f"doubted: {disk.memory.book.unsure.parameters['why']}")
        if not faulty:
            tale.broken.append("a doubt without a fault")
        return
    if lost := disk.lost():
        tale.broken.append(f"lost silently: {lost}")
    if back := disk.came_back():
        tale.broken.append(f"came back silently: {back}")


def _recover(disk: Disk, random: Random, tale: Story) -> None:
    """Have the issuers speak: then all is known, and stays so over a restart, whoever was away."""
    if disk.memory.journal.id is None:
        if not disk.doubted():
            tale.broken.append("without a journal, and no doubt")
        ends = tuple({head for head in disk.agents if head is not None})
        disk.stop()
        (disk.folder / JOURNAL).unlink(missing_ok=True)
        disk.init(ends=ends)
        disk.start()
    before = list(disk.agents)
    for by in random.sample(ISSUERS, len(ISSUERS)):
        if disk.doubted():
            disk.state(by)
    if disk.locks_doubted():
        disk.state_locks()
    disk.settle()
    away = random.sample(range(AGENTS), random.randint(0, AGENTS))
    disk.tell([a for a in range(AGENTS) if a not in away])
    disk.crash()
    disk.agents = [before[a] if a in away else head for a, head in enumerate(disk.agents)]
    disk.start()
    disk.hear(range(AGENTS))
    if disk.doubted():
        tale.broken.append(f"doubted after all had spoken: {disk.memory.book.unsure.parameters['why']}")
    if disk.locks_doubted() or disk.lost_locks():
        tale.broken.append(f"locks doubted after all were stated, or lost: {disk.lost_locks()}")
    if lost := disk.lost():
        tale.broken.append(f"lost after all had spoken: {lost}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        tale = story(int(sys.argv[1]), Path(folder))
    print(*tale.told, *(f"BROKEN: {each}" for each in tale.broken), sep="\n")  # noqa: T201


if __name__ == "__main__":
    main()
