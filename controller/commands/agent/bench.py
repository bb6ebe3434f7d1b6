"""The controller that an agent is held against: what it says is kept, what it is sent is made by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, Self, TypeVar

from msgspec.structs import replace

from controller.daemon.fleet.broker import MakeLink
from drivers.clock import boottime_s
from drivers.errors import Refused
from drivers.fleet import wire
from drivers.fleet.head import JournalHead, seal
from drivers.fleet.keys import CONTROLLER, PrivateKey, PublicKey
from drivers.fleet.wire import Inventory, Leaf, Presence, Report, Set

#: What an agent may take to answer, on a bench with everything near by.
ANSWER_S: Final = 1.0
_T = TypeVar("_T")


class CheckFailed(Exception):
    """The agent did otherwise: the text says what was expected, and what was seen."""


class Bench:
    """A link to the agent, the newest of all that it has said, and what is wrong with the rest."""

    def __init__(self, *, site: str, agent: str, make_link: MakeLink, key: PrivateKey, agent_key: PublicKey) -> None:
        """`key`: the controller's."""
        self.site, self.agent, self.key = site, agent, key
        self._keys = {agent: agent_key}
        self._changed = threading.Condition()
        self.report: Report | None = None
        self.inventory: Inventory | None = None
        self.presence: Presence | None = None
        self.kept: dict[Leaf, bool] = {}
        self.reports: list[tuple[float, Report]] = []
        self.complaints: list[str] = []
        self.epoch, self.seq = 0, 0
        topics = tuple(wire.topic(site, agent, leaf) for leaf in (Leaf.REPORT, Leaf.INVENTORY, Leaf.STATUS))
        self._link = make_link(self._on_message, self._on_connection, topics)
        self._up = False

    def __enter__(self) -> Self:
        """Connect."""
        self._link.start()
        self.wait(lambda: self._up or None, 10.0, "a link to the broker")
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the devices to the end of their leases."""
        self._link.stop()

    def _on_connection(self, up: bool) -> None:
        with self._changed:
            self._up = up
            self._changed.notify_all()

    def _on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        with self._changed:
            try:
                self._take(wire.parse_topic(topic, self.site)[1], payload, retained)
            except Refused as refusal:
                self.complaints.append(f"{topic}: {refusal}")
            self._changed.notify_all()

    def _take(self, leaf: Leaf, payload: bytes, retained: bool) -> None:
        self.kept[leaf] = retained
        if leaf is Leaf.REPORT:
            self.report = wire.open_report(payload, self._keys, site=self.site, agent=self.agent)
            self.reports.append((boottime_s(), self.report))
        elif leaf is Leaf.INVENTORY:
            self.inventory = wire.open_inventory(payload, self._keys, site=self.site, agent=self.agent)
        else:
            self.presence = wire.open_status(payload, site=self.site, agent=self.agent).state

    def wait(self, look: Callable[[], _T | None], within_s: float, expected: str) -> _T:
        """Return what `look` finds once it does; CheckFailed after `within_s`."""
        with self._changed:
            found = look()
            end_s = boottime_s() + within_s
            while found is None:
                left_s = end_s - boottime_s()
                if left_s <= 0:
                    raise CheckFailed(f"expected {expected} within {within_s:g} s, seen {self.seen()}")
                self._changed.wait(left_s)
                found = look()
            return found

    def seen(self) -> str:
        """Return what the agent has said last, in words."""
        said = self.report
        if said is None:
            return f"no report{'; ' + self.complaints[-1] if self.complaints else ''}"
        lapsed = ", lapsed" if said.lapsed else ""
        return (
            f"{said.epoch}/{said.accepted_seq} accepted, applied {said.applied_w[:5]}{lapsed}, refused: {said.refused}"
        )

    def until(self, holds: Callable[[Report], bool], expected: str, within_s: float = ANSWER_S) -> Report:
        """Return the newest report once it is as expected."""
        return self.wait(lambda: self.report if self.report and holds(self.report) else None, within_s, expected)

    def after(self, at_s: float) -> Report:
        """Return a report that arrived so late that it knows of all that was sent before `at_s`."""
        settled_s = at_s + 0.2
        return self.wait(
            lambda: next((report for heard_s, report in self.reports[-1:] if heard_s >= settled_s), None),
            3.0,
            "a report every second",
        )

    def statement(self, **changes: Any) -> Set:
        """Return the next statement: everything off, with the newest echo, unless told otherwise."""
        if self.inventory is None or self.report is None:
            raise CheckFailed("expected an inventory and a report first, seen none")
        self.seq += 1
        base = Set(
            v=2, site=self.site, agent=self.agent, key=CONTROLLER, epoch=self.epoch, seq=self.seq, ttl_ms=30_000,
            echo=self.report.echo, head=self.head(self.seq), inventory=self.inventory.inventory,
            setpoints_w=[0] * len(self.inventory.devices),
        )  # fmt: skip
        if changes.get("same_as") is not None:
            changes["setpoints_w"] = None
        return replace(base, **changes)

    def head(self, seq: int) -> str:
        """Return a head that differs from statement to statement."""
        return seal(
            JournalHead(journal="0" * 16, epoch=self.epoch, seq=seq, utc_s=0, hash="0" * 64),
            site=self.site,
            key=self.key,
        )

    def send(self, payload: bytes, *, retain: bool = False) -> float:
        """Send bytes to the agent and return when."""
        if not self._link.publish(wire.topic(self.site, self.agent, Leaf.SET), payload, retain=retain, expiry_s=30.0):
            raise CheckFailed("expected a link to the broker, seen none")
        return boottime_s()

    def state(self, **changes: Any) -> Set:
        """Send a statement and return it."""
        body = self.statement(**changes)
        self.send(wire.sign(body, self.key))
        return body

    def accepted(self, body: Set) -> Report:
        """Return the report that says that a statement is taken."""
        return self.until(
            lambda report: (report.epoch, report.accepted_seq) == (body.epoch, body.seq) and report.refused is None,
            f"{body.epoch}/{body.seq} to be accepted, and a report of it at once",
        )
