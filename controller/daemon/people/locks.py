"""Locks of people who work on a device or a node: each with a name and a reason, kept over restarts.

A lock counts at once and is then written down; it is lifted on the disk first, by whoever set it, or by two operators who ask for
that within a while of one another. Where a journal has lost records, locks may be among them: until an operator has stated that what is locked
is all, the site is not let up.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from controller.core.reasons import Code, Parameter, Reason
from controller.core.site import Site
from controller.core.snapshot import Lock
from controller.daemon.access import Principal
from controller.daemon.journal.chain import Record
from controller.daemon.journal.journal import STORED_S, Journal, Pending, RecordKind
from controller.daemon.orders.lock_certainty import LockCertainty
from controller.daemon.orders.refusal import Cause
from controller.daemon.people.refusal import WorkRefused
from drivers.clock import Clock, boottime_s
from drivers.nearest import nearest

_log = logging.getLogger(__name__)

#: Seconds within which a second operator has to agree that another one's lock is lifted.
AGREE_S: Final = 600.0
#: Of a site's devices, which stand by their names, so many on either side are looked at for one that was meant.
_BESIDE: Final = 1000
#: The name of a lock whose record cannot be understood.
_UNKNOWN: Final = "unknown"
#: What is locked where the site file has no such device and no such node any more: nobody knows where that person works.
_SITE: Final = Lock(id="", node=0, device=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalLock:
    """A lock on a device or a node, `subject`. `by`: the person, `token`: the operator's token that it was set with."""

    subject: str
    by: str
    token: str
    reason: str
    utc_s: float

    @property
    def id(self) -> str:
        """What names it and no other that is set at the same time."""
        return f"{self.subject} by {self.by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockAnswer:
    """`durable`: it is on the disk. `again`: it was so before. `agreed`: for a lock of another person, who wants it lifted so far."""

    lock: PersonalLock
    durable: bool
    again: bool = False
    agreed: tuple[str, ...] = ()

    @property
    def lifted(self) -> bool:
        """Whether it locks nothing any more."""
        return self.durable and not self.agreed


class LockDesk:
    """Takes locks and lifts them; `locks`, `held` and `unsure` are one attribute read each, all else may wait for the disk."""

    def __init__(
        self,
        *,
        site: Site,
        journal: Journal,
        certainty: LockCertainty,
        utc: Callable[[], float],
        clock: Clock = boottime_s,
    ) -> None:
        """Replay the journal. `certainty`: whether it has all locks."""
        self._certainty = certainty
        self._site, self._journal, self._utc, self._clock = site, journal, utc, clock
        self._one = threading.Lock()
        self._places = _places(site)
        self._pending: dict[str, Pending] = {}
        self._lifting: list[PersonalLock] = []
        self._agreed: dict[str, dict[str, tuple[str, float]]] = {}
        self.held: tuple[PersonalLock, ...] = ()
        self.locks: tuple[Lock, ...] = ()
        self._swap(_replay(journal, site))
        self._tell_of_gone_subjects()

    def lock(self, subject: str, by: str, reason: str, operator: Principal, within_s: float = STORED_S) -> LockAnswer:
        """Lock a device or a node; it counts from the next tick on, whether or not the disk takes it, which has `within_s` for that.

        WorkRefused: there is no such device or node.
        """
        if subject not in self._places:
            raise self._unknown(subject, operator)
        wanted = PersonalLock(subject=subject, by=by, token=operator.name, reason=reason, utc_s=self._utc())
        with self._one:
            known = self._find(wanted.id)
            # One that is being lifted is over as soon as the disk has that: this is another one, and behind it on the disk.
            if any(known is lifted for lifted in self._lifting):
                known = None
            if known is None:
                self._agreed.pop(wanted.id, None)
                self._pending[wanted.id] = self._journal.post(RecordKind.LOCK, _to_body(wanted))
                self._swap((*(lock for lock in self.held if lock.id != wanted.id), wanted))
        if known is None:
            _log.warning("%s is locked by %s: %s", subject, by, reason, extra=_facts("locked", wanted))
        return LockAnswer(lock=known or wanted, durable=self.durable(wanted.id, within_s), again=known is not None)

    def unlock(self, subject: str, by: str, of: str, operator: Principal) -> LockAnswer:
        """Lift the lock of the person `of`; of another than the one who asks, once two operators want it.

        WorkRefused: there is no such lock. JournalUnusable: it stays.
        """
        with self._one:
            known = self._find(PersonalLock(subject=subject, by=of, token="", reason="", utc_s=0.0).id)
            if known is None:
                parameters: dict[str, Parameter] = {"lock": subject, "of": of, "held": self._named(subject)}
                raise WorkRefused(Cause.UNKNOWN, Reason(Code.LOCK_UNKNOWN, operator.name, parameters))
            agreed = (by,) if (by, operator.name) == (known.by, known.token) else self._agree(known, by, operator)
            if agreed is None:
                names = tuple(sorted(name for name, _ in self._agreed[known.id].values()))
                return LockAnswer(lock=known, durable=False, agreed=names)
            body = {"subject": known.subject, "by": known.by, "lifted_by": sorted(agreed), "utc_s": self._utc()}
            # Behind the lock on the disk, and before one that is set meanwhile; whoever locks does not wait for it.
            unlocking = self._journal.offer(RecordKind.UNLOCK, body)
            self._lifting.append(known)
        try:
            unlocking.stored()
            with self._one:
                self._forget(known)
        finally:
            with self._one:
                self._lifting.remove(known)
        _log.warning("%s is unlocked by %s", known.id, " and ".join(sorted(agreed)), extra=_facts("unlocked", known))
        return LockAnswer(lock=known, durable=True)

    @property
    def unsure(self) -> Reason | None:
        """Why locks may be missing, until an operator has stated that what is locked is all; None where none can be."""
        return self._certainty.reason

    def state(self, by: str, reason: str, operator: Principal) -> tuple[PersonalLock, ...]:
        """Take the word of a person that what is locked now is all, on the disk first, and return it.

        JournalUnusable: the doubt stays. WorkRefused: it stays too, for it has begun since, and the word, which is on record, knew nothing of it.
        """
        with self._one:
            held = self.held
            body = {"by": by, "token": operator.name, "reason": reason, "locks": [lock.id for lock in held]}
            # Behind the locks that it speaks of, on the disk too.
            stating = self._journal.offer(
                RecordKind.LOCKS_STATED, body | {"utc_s": self._utc(), "epoch": self._journal.epoch}
            )
        record = stating.stored()
        with self._one:
            self._certainty.learn(record.kind, record.body)
        extra = {"event": "locks_stated", "by": by}
        _log.warning("%s states that %d locks are all: %s", by, len(held), reason, extra=extra)
        if (doubt := self.unsure) is not None:
            raise WorkRefused(Cause.CONFLICT, doubt)
        return held

    def durable(self, lock_id: str, timeout_s: float = 0.0) -> bool:
        """Return whether a lock is on the disk, after waiting for the first attempt."""
        pending = self._pending.get(lock_id)
        return pending is None or pending.durable(timeout_s)

    def _forget(self, lock: PersonalLock) -> None:
        """Let a lock be over, unless it was set anew meanwhile."""
        if any(lock is held for held in self.held):
            self._agreed.pop(lock.id, None)
            self._pending.pop(lock.id, None)
            self._swap(held for held in self.held if held is not lock)

    def _agree(self, lock: PersonalLock, by: str, operator: Principal) -> tuple[str, ...] | None:
        """Note that an operator wants another one's lock lifted; return who agreed once two do, with tokens of their own."""
        since_s = self._clock() - AGREE_S
        fresh = {token: said for token, said in self._agreed.get(lock.id, {}).items() if said[1] >= since_s}
        self._agreed[lock.id] = fresh | {operator.name: (by, self._clock())}
        names = {name for name, _ in self._agreed[lock.id].values()}
        if min(len(names), len(self._agreed[lock.id])) >= 2:
            return tuple(names)
        _log.warning("%s wants %s lifted", by, lock.id, extra=_facts("unlock_wanted", lock))
        return None

    def _tell_of_gone_subjects(self) -> None:
        for held in self.held:
            if held.subject not in self._places:
                extra = _facts("lock_subject_gone", held)
                _log.error(
                    "%s locks the whole site: the site file has no %s any more", held.id, held.subject, extra=extra
                )

    def _find(self, lock_id: str) -> PersonalLock | None:
        return next((lock for lock in self.held if lock.id == lock_id), None)

    def _named(self, subject: str) -> str:
        return ", ".join(lock.by for lock in self.held if lock.subject == subject) or "nobody"

    def _unknown(self, subject: str, operator: Principal) -> WorkRefused:
        nodes, devices = self._site.tree.ids, self._site.devices.ids
        place = bisect_left(devices, subject)
        near = nearest((*nodes, *devices[max(0, place - _BESIDE) : place + _BESIDE]), subject)
        first = () if near is None else (f"{near} (did you mean that?)",)
        parameters = {"lock": subject, "nodes": ", ".join((*first, *(node for node in nodes if node != near)))}
        return WorkRefused(Cause.UNKNOWN, Reason(Code.LOCK_SUBJECT_UNKNOWN, operator.name, parameters))

    def _swap(self, held: Iterable[PersonalLock]) -> None:
        self.held = tuple(held)
        self.locks = tuple(replace(self._places.get(lock.subject, _SITE), id=lock.id) for lock in self.held)


def _places(site: Site) -> Mapping[str, Lock]:
    """Return by its name what may be locked; a node comes before a device of the same name, for it is more."""
    nodes = enumerate(site.tree.ids)
    at = site.devices.node.tolist()
    devices = {name: Lock(id="", node=at[i], device=i) for i, name in enumerate(site.devices.ids)}
    return devices | {name: Lock(id="", node=n, device=None) for n, name in nodes}


def _replay(journal: Journal, site: Site) -> tuple[PersonalLock, ...]:
    """Return the locks that nobody has lifted; one that cannot be understood locks the site."""
    held: dict[str, PersonalLock] = {}
    for record in journal.records(RecordKind.LOCK, RecordKind.UNLOCK):
        try:
            if record.kind == RecordKind.UNLOCK:
                held.pop(f"{record.body['subject']} by {record.body['by']}", None)
            else:
                lock = _from_body(record.body)
                held[lock.id] = lock
        except (KeyError, TypeError, ValueError) as error:
            lock = _not_understood(record, site, error)
            held[lock.id] = lock
    return tuple(held.values())


def _not_understood(record: Record, site: Site, error: Exception) -> PersonalLock:
    _log.error("record %d: a lock that cannot be understood: %r", record.seq, error, extra={"event": "lock_unreadable"})
    why = f"record {record.seq} of the journal cannot be understood"
    return PersonalLock(subject=site.tree.ids[0], by=_UNKNOWN, token="", reason=why, utc_s=record.utc_s)


def _from_body(body: Mapping[str, Any]) -> PersonalLock:
    return PersonalLock(
        subject=str(body["subject"]),
        by=str(body["by"]),
        token=str(body["token"]),
        reason=str(body["reason"]),
        utc_s=float(body["utc_s"]),
    )


def _to_body(lock: PersonalLock) -> dict[str, Any]:
    return {
        "subject": lock.subject, "by": lock.by, "token": lock.token, "reason": lock.reason, "utc_s": lock.utc_s
    }  # fmt: skip


def _facts(event: str, lock: PersonalLock) -> dict[str, object]:
    return {"event": event, "subject": lock.subject, "by": lock.by}
