"""What waits between the link and whoever judges it: of each agent the newest of each sort, so that nothing waits behind old reports.

The link's thread only puts messages down, and is never behind. One thread takes them up, agent after agent. While that is behind, a
report that waits is replaced by the next one of its agent: what is left out is always the older, it is counted, and told once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from typing import Final, Protocol, TypeAlias

from controller.daemon.fleet.broker import MakeLink
from drivers.clock import Clock, boottime_s
from drivers.fleet.link import Link, OnConnection
from drivers.fleet.wire import Leaf, topic

_log = logging.getLogger(__name__)

#: Reports that are left out within this time of others are told of with them.
_SAID_S: Final = 60.0


class OnHeard(Protocol):
    """Takes topic, payload, whether the broker sent it as retained, and when it arrived, where that is not now."""

    def __call__(self, name: str, payload: bytes, retained: bool, heard_s: float | None = None) -> None:
        """Take it."""


#: Makes the link of a fleet from its callbacks and subscriptions.
MakeFleetLink: TypeAlias = Callable[[OnHeard, OnConnection, tuple[str, ...]], Link]
_Message: TypeAlias = tuple[str, bytes, bool, float]


class Inbox:
    """A link of these agents of a site that takes messages in by a thread of its own. `shed`: reports left out for newer ones.

    What waited when the link was lost is never taken: its clocks are of before the loss.
    """

    def __init__(self, make_link: MakeLink, *, site: str, agents: Collection[str], clock: Clock = boottime_s) -> None:
        self.shed = 0
        self._make_link, self._clock = make_link, clock
        self._known = {topic(site, agent, leaf): (agent, leaf) for agent in agents for leaf in Leaf}
        self._shed_s = float("-inf")
        self._waiting: dict[str, dict[str, _Message]] = {}
        self._came = threading.Condition()
        self._handling = threading.Lock()
        self._losses = 0
        self._stopping = False

    def link(self, on_heard: OnHeard, on_connection: OnConnection, subscriptions: tuple[str, ...]) -> Link:
        """Be the link of these callbacks, which have messages and connections one after the other."""

        def tell(up: bool) -> None:
            if not up:
                self._forget()
            with self._handling:  # whatever is taken in now is of before
                on_connection(up)

        self._on_heard, self._link = on_heard, self._make_link(self.put, tell, subscriptions)
        self._thread = threading.Thread(target=self._run, name="fleet-inbox", daemon=True)
        return self

    def start(self) -> None:
        """Begin to connect, and to take messages in."""
        self._thread.start()
        self._link.start()

    def stop(self) -> None:
        """Send what was published, disconnect and end; what waits is not taken any more."""
        self._link.stop()
        with self._came:
            self._stopping = True
            self._came.notify()
        self._thread.join()

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1, expiry_s: float | None = None
    ) -> bool:
        """Hand a message to the connection; False, and nothing is kept, where there is none."""
        return self._link.publish(topic, payload, retain=retain, qos=qos, expiry_s=expiry_s)

    def put(self, name: str, payload: bytes, retained: bool) -> None:
        """Put a message down for the thread that takes them up; of topics that are none of these agents' only the newest waits."""
        agent, leaf = self._known.get(name, ("", Leaf.STATUS))
        with self._came:
            mine = self._waiting.setdefault(agent, {})
            before = mine.pop(leaf, None)
            mine[leaf] = name, payload, retained, self._clock()
            self._came.notify()
        if before is not None and leaf is Leaf.REPORT:
            self._note_shed()

    def _forget(self) -> None:
        with self._came:
            self._losses += 1
            self._waiting.clear()

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            losses, messages = taken
            for message in messages:
                with self._handling:
                    if losses == self._losses:
                        self._handle(message)

    def _handle(self, message: _Message) -> None:
        try:
            self._on_heard(*message)
        except Exception:  # noqa: BLE001  the next messages must not be lost with this one
            _log.exception("message dropped", extra={"event": "message_dropped", "topic": message[0]})

    def _next(self) -> tuple[int, list[_Message]] | None:
        """Wait for messages of an agent, and return them in the sequence of their arrival, None after `stop`."""
        with self._came:
            self._came.wait_for(lambda: self._stopping or self._waiting)
            if self._stopping:
                return None
            agent = next(iter(self._waiting))
            return self._losses, list(self._waiting.pop(agent).values())

    def _note_shed(self) -> None:
        self.shed += 1
        now_s, before_s = self._clock(), self._shed_s
        self._shed_s = now_s
        if now_s - before_s > _SAID_S:
            extra = {"event": "reports_shed"}
            _log.warning("the controller is behind: reports are left out where newer ones have come", extra=extra)
