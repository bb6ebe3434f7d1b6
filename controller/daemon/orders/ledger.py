"""All orders in memory, by issuer and id: which are open, which have ended and how. No disk, no lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from controller.core.site import Site
from controller.core.snapshot import OrderLimit
from controller.daemon.journal.chain import Record
from controller.daemon.journal.journal import RecordKind
from controller.daemon.orders.records import EndedOrder, Ending, Entry, OpenOrder, OrderKey, from_body


class Ledger:
    """Orders in the sequence of their acceptance. `limits`: those of all open orders; swapped, never changed."""

    def __init__(self) -> None:
        self._entries: dict[OrderKey, Entry] = {}
        self._open: dict[OrderKey, OpenOrder] = {}
        self._issuers: dict[str, tuple[str, ...]] = {}
        self.limits: tuple[OrderLimit, ...] = ()

    def get(self, key: OrderKey) -> Entry | None:
        """Return the order of that name, None where there never was one."""
        return self._entries.get(key)

    def named(self, order_id: str) -> tuple[Entry, ...]:
        """Return the orders of all issuers that have this id."""
        return tuple(self._entries[OrderKey(issuer, order_id)] for issuer in self._issuers.get(order_id, ()))

    def newest(self, ended: int) -> tuple[Entry, ...]:
        """Return all open ones and so many of the others, those that were accepted last; the older ones are not gone through."""
        found: list[Entry] = []
        for entry in reversed(self._entries.values()):
            ended -= isinstance(entry, EndedOrder)
            if ended < 0:
                break
            found.append(entry)
        there = {id(entry) for entry in found}
        return (*(order for order in self._open.values() if id(order) not in there), *reversed(found))

    def open(self, issuer: str | None = None) -> tuple[OpenOrder, ...]:
        """Return the open ones, of all issuers or of one."""
        return tuple(order for order in self._open.values() if issuer in {None, order.by})

    def put(self, *orders: OpenOrder) -> None:
        """Take new orders, or the next revisions of some."""
        for order in orders:
            key = order.key
            if key not in self._entries:
                self._issuers[key.id] = (*self._issuers.get(key.id, ()), key.issuer)
            self._entries[key] = self._open[key] = order
        self._swap()

    def begin(self, key: OrderKey, revision: int, limit_w: float | None) -> None:
        """Note that an open order has come into force; `limit_w`: what it was worked out to, None where it said itself."""
        order = self._open.get(key)
        if order is not None and order.revision == revision:
            limit = replace(order.limit, begun=True)
            if limit_w is not None:
                limit = replace(limit, limit_w=limit_w, reduce_by_w=None)
            self.put(replace(order, limit=limit))

    def end(self, key: OrderKey, ending: Ending, utc_s: float, by: str) -> None:
        """Note that an open order has ended; one that has ended before stays as it ended."""
        self._end((key,), ending, utc_s, by)

    def replay(self, record: Record, site: Site) -> None:
        """Take in a record of the journal; KeyError, TypeError or ValueError where it is not understood.

        Where the order itself was lost to damage, there is nothing left to begin or to end.
        """
        body = record.body
        match record.kind:
            case RecordKind.ORDER:
                order = from_body(body, site)
                if order.key not in self._entries:
                    self.put(order)
            case RecordKind.ORDER_CHANGED:
                order = from_body(body, site)
                # Where the order itself was lost, its change is what is known of it.
                if not isinstance(self._entries.get(order.key), EndedOrder):
                    self.put(order)
            case RecordKind.ORDER_BEGUN:
                limit_w = body.get("limit_w")
                self.begin(self._key(body), int(body.get("revision", 1)), None if limit_w is None else float(limit_w))
            case RecordKind.ORDER_ENDED:
                self.end(self._key(body), Ending.EXPIRED, body["utc_s"], "schedule")
            case RecordKind.RELEASE:
                self.end(self._key(body), Ending.RELEASED, body["utc_s"], body["by"])
            case RecordKind.STATEMENT:
                self.end_all(body["by"], body["ends"], Ending.RELEASED, body["utc_s"], body["by"])
            case RecordKind.RETIRED:
                self.end_all(body["issuer"], body["ends"], Ending.RETIRED, body["utc_s"], ", ".join(body["by"]))

    def end_all(self, issuer: str, ids: list[str], ending: Ending, utc_s: float, by: str) -> None:
        """Note that several orders of one issuer have ended."""
        self._end((OrderKey(issuer, order_id) for order_id in ids), ending, utc_s, by)

    def _end(self, keys: Iterable[OrderKey], ending: Ending, utc_s: float, by: str) -> None:
        for key in keys:
            if (order := self._open.pop(key, None)) is not None:
                self._entries[key] = EndedOrder(order=order, ending=ending, ended_utc_s=utc_s, by=by)
        self._swap()

    def _key(self, body: Mapping[str, Any]) -> OrderKey:
        """Return whom a record is about. Older ones do not name the issuer: then no two orders had one id."""
        order_id = body["id"]
        if "issuer" in body:
            return OrderKey(body["issuer"], order_id)
        return OrderKey(next(iter(self._issuers.get(order_id, ("",)))), order_id)

    def _swap(self) -> None:
        self.limits = tuple(order.limit for order in self._open.values())
