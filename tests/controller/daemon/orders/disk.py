"""A site's memory of orders and locks on a disk that fails, with issuers and people that know what they were promised and agents that remember.

No sockets and no processes: the journal, the head beside it and what agents keep are held against each other by the code
of the daemon. A crash leaves the files as they stand.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from controller.daemon.access import Principal, Role
from controller.daemon.journal.beginning import HEAD, JOURNAL, begin
from controller.daemon.journal.head_file import HeadFile
from controller.daemon.orders.intake import OrderAnswer, OrderIntake
from controller.daemon.orders.memory import Memory
from controller.daemon.orders.records import EndedOrder, OrderKey
from controller.daemon.orders.request import OrderRequest, Statement
from controller.daemon.people.locks import LockDesk
from controller.daemon.utc import Utc
from drivers.fleet.head import JournalHead
from drivers.fleet.keys import PrivateKey
from tests.controller.north import make_site

NOW_S = 1_795_000_000.0
KEY = PrivateKey(bytes(range(32)))
ISSUERS = ("dso", "grid")
OPERATOR = Principal(name="desk", role=Role.OPERATOR)
SITE = make_site()
WAL = f"{JOURNAL}-wal"
#: In this order they are copied: what the head speaks of is in the journal before.
FILES = (HEAD, JOURNAL, WAL)


def issuer(name: str) -> Principal:
    return Principal(name=name, role=Role.AUTHORITY)


@dataclass
class Promises:
    """What issuers were told is durable: limits in force by id, and the ids that have ended; and people: the locks by id."""

    in_force: dict[str, tuple[str, float]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    locks: set[str] = field(default_factory=set)


class Disk:
    """The state folder of one site, its agents by what they keep, and what was promised."""

    def __init__(self, folder: Path, agents: int = 3) -> None:
        self.folder, self.utc_s = folder, NOW_S
        self.agents: list[JournalHead | None] = [None] * agents
        self.promises = Promises()
        self.memory: Memory | None = None
        self._copies = 0
        self._serial = 0

    # -- starts and ends

    def init(self, ends: Sequence[JournalHead] = ()) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        begin(self.folder / JOURNAL, self.head_file(), ends=ends, utc_s=self.utc_s)

    def head_file(self) -> HeadFile:
        return HeadFile(self.folder / HEAD, site=SITE.id, key=KEY)

    def start(self, *issuers: str) -> Memory:
        self.utc_s += 1.0
        self.memory = Memory(
            self.folder,
            SITE,
            key=KEY,
            issuers=frozenset(issuers or ISSUERS),
            utc=lambda: self.utc_s,
            retry_s=0.02,
        )
        self.witness = self.memory.witness(lambda _epoch: None)
        return self.memory

    def stop(self) -> None:
        if self.memory is not None:
            self.memory.close()
        self.memory = None

    def crash(self, *, writing: bool = False) -> None:
        """End as by `kill -9`: the files stay as they are now, with the write-ahead log that an orderly end takes in.

        `writing`: while records are on their way to the disk.
        """
        if self.memory.journal.id is not None:
            self.settle()
        if writing:
            for k in range(20):
                self.memory.journal.post("mode", {"k": k, "pad": "x" * 2000})
        kept = self.copy()
        self.stop()
        self.restore(kept)

    @contextmanager
    def running(self, *issuers: str) -> Iterator[Memory]:
        try:
            yield self.start(*issuers)
        finally:
            self.stop()

    # -- files

    def copy(self) -> Path:
        """Return a copy of the files as they stand now."""
        self._copies += 1
        kept = self.folder.with_name(f"{self.folder.name}-{self._copies}")
        kept.mkdir()
        for name in FILES:
            if (self.folder / name).exists():
                shutil.copyfile(self.folder / name, kept / name)
        return kept

    def restore(self, kept: Path, names: Collection[str] = FILES) -> None:
        """Put files of a copy in the place of those that stand there; what is not in the copy goes."""
        (self.folder / f"{JOURNAL}-shm").unlink(missing_ok=True)
        for name in names:
            (self.folder / name).unlink(missing_ok=True)
            if (kept / name).exists():
                shutil.copyfile(kept / name, self.folder / name)

    # -- orders

    def intake(self) -> OrderIntake:
        utc = Utc(utc_s=self.utc_s, trusted=True, doubt=None)
        return OrderIntake(site=SITE, book=self.memory.book, decision=lambda: None, utc=lambda: utc)

    def order(self, by: str = "grid", limit_w: float = 20e3, ends_at_s: float | None = None) -> OrderAnswer:
        self._serial += 1
        request = self.request(f"o-{self._serial}", limit_w, ends_at_s)
        answer = self.intake().accept(request, issuer(by))
        if answer.durable:
            self.promises.in_force[answer.id] = by, limit_w
        return answer

    def request(self, order_id: str, limit_w: float, ends_at_s: float | None = None) -> OrderRequest:
        ends_at = None if ends_at_s is None else datetime.fromtimestamp(ends_at_s, UTC).isoformat()
        return OrderRequest(id=order_id, limit_w=limit_w, ends_at=ends_at)

    def release(self, order_id: str) -> None:
        by, _ = self.promises.in_force[order_id]
        answer = self.intake().release(order_id, issuer(by))
        assert answer.durable
        del self.promises.in_force[order_id]
        self.promises.ended.add(order_id)

    def state(self, by: str) -> None:
        """Have an issuer list all that it was promised."""
        mine = {order_id: watts for order_id, (who, watts) in self.promises.in_force.items() if who == by}
        lost = mine.keys() & self._known_ended()
        for order_id in lost:
            # It is told that the id has ended, and asks for the same by a new one.
            self._serial += 1
            mine[f"o-{self._serial}"] = mine.pop(order_id)
            self.promises.in_force[f"o-{self._serial}"] = self.promises.in_force.pop(order_id)
        body = json.dumps({"orders": [{"id": order_id, "limit_w": watts} for order_id, watts in mine.items()]})
        self.intake().state(Statement.parse(body.encode(), by).orders, issuer(by))

    # -- locks

    def desk(self) -> LockDesk:
        """Return a desk with the locks that are on the disk now."""
        memory = self.memory
        return LockDesk(site=SITE, journal=memory.journal, certainty=memory.locks, utc=lambda: self.utc_s)

    def lock(self, by: str, subject: str = "feeder") -> None:
        answer = self.desk().lock(subject, by, "a new fan", OPERATOR)
        if answer.durable:
            self.promises.locks |= {answer.lock.id}

    def state_locks(self) -> None:
        """Have an operator set all locks that people were promised, and say that these are all."""
        desk = self.desk()
        for lock_id in sorted(self.promises.locks):
            subject, _, by = lock_id.partition(" by ")
            desk.lock(subject, by, "a new fan", OPERATOR)
        desk.state("the shift", "asked everybody", OPERATOR)

    def lost_locks(self) -> set[str]:
        """Return what was promised and is not locked."""
        return self.promises.locks - {lock.id for lock in self.desk().held}

    def locks_doubted(self) -> bool:
        return self.memory.locks.reason is not None

    def _known_ended(self) -> set[str]:
        return {entry.order.key.id for entry in self.memory.book.entries() if isinstance(entry, EndedOrder)}

    # -- agents

    def tell(self, agents: Collection[int]) -> None:
        """Have these agents take the head of now, as every set carries it."""
        head = self.memory.journal.newest_head()
        if head is not None:
            for a in agents:
                self.agents[a] = head

    def hear(self, agents: Collection[int]) -> None:
        """Have these agents report."""
        for a in agents:
            head = self.agents[a]
            if head is not None:
                self.witness.hear(f"agent {a}", head)

    def settle(self) -> None:
        """Wait until all that was posted is on the disk."""
        self.memory.journal.append("mode", {})

    # -- what must hold

    def limits(self) -> dict[str, float]:
        return {OrderKey.of(limit.id).id: limit.limit_w for limit in self.memory.book.limits()}

    def lost(self) -> dict[str, float]:
        """Return what was promised and does not limit the site."""
        limits = self.limits()
        return {id_: watts for id_, (_, watts) in self.promises.in_force.items() if limits.get(id_) != watts}

    def came_back(self) -> set[str]:
        """Return what has ended and limits the site all the same."""
        return self.limits().keys() & self.promises.ended

    def doubted(self) -> bool:
        return self.memory.book.unsure is not None


#: What a fault does to a file, which is there and not empty.
Spoil = Callable[[Path, Random], None]


def flip(path: Path, random: Random) -> None:
    content = bytearray(path.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.write_bytes(content)


def lose_byte(path: Path, random: Random) -> None:
    content = bytearray(path.read_bytes())
    del content[random.randrange(len(content))]
    path.write_bytes(content)


def cut(path: Path, random: Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: random.randrange(len(content))])


def empty(path: Path, _: Random) -> None:
    path.write_bytes(b"")


def remove(path: Path, _: Random) -> None:
    path.unlink()


SPOILS: dict[str, Spoil] = {"flip": flip, "lose_byte": lose_byte, "cut": cut, "empty": empty, "remove": remove}
