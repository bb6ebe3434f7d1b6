"""How old and how good the values of an OPC UA server are.

- The age must not depend on how far two wall clocks differ. With every heartbeat comes the server's own CurrentTime, which
  maps its UTC to our boottime clock; SourceTimestamp goes through that map and is never later than arrival. Servers
  refresh CurrentTime once a second, or once in ten, so only its moves count, and the largest of the last offsets is the
  nearest.
- A value may be Good and yet old. Servers stamp either every scan or changes only; which, the server does not tell. By
  default a Good answer is as old as the read that brought it; with `source_max_age_s` an older SourceTimestamp makes the
  value uncertain and as old as its stamp. A stamp that is off by more than a day says nothing of the age, and is told.
- A change that arrives after a read has overtaken it is dropped.
- An object has one value that counts, its power, and others. The others ride along with it: a counter without a value
  makes no meter lost.
"""

from __future__ import annotations

import logging
import math
import reprlib
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Final

from asyncua import ua

from drivers.clock import Clock
from drivers.errors import DriverLoss
from drivers.meters.opcua.points import Point
from drivers.meters.opcua.status import CODE, WAITING, Meaning, meaning
from drivers.meters.opcua.wire import Value
from drivers.meters.sessions import Watched
from drivers.readings import Loss, Publish, Quality, Sample

log = logging.getLogger(__name__)

#: A server whose CurrentTime stands still for longer is not running, unless it refreshes it as seldom as this.
STANDSTILL_S: Final = 5.0
#: So many times the longest distance between two moves are waited for, up to a limit; the limit too before it is known.
REFRESHES: Final = 2.5
LONGEST_STANDSTILL_S: Final = 30.0
#: A stamp that is so far from the server's own time is wrong, or is that of a value that has not moved since.
ABSURD_S: Final = 86_400.0
#: Heartbeats without a change after which a value is read: one that comes at every heartbeat is never read as well.
SILENT: Final = 1.25
#: Moves of the server's clock that the map of the server's clock looks back on.
OFFSETS: Final = 10
#: For how long after a connection a server may wait for its own field before that is a loss.
WAITING_S: Final = 30.0
#: So many different things are told of a point.
MOST_TOLD: Final = 20
#: Age from which another quantity no longer rides along with the power.
RIDES_S: Final = 5.0


class Clockwork:
    """Our boottime clock, and the map from the server's UTC to it; what is known of the server's clock outlives a session."""

    def __init__(self, clock: Clock) -> None:
        self.now = clock
        self.began_s = clock()
        self._offsets_s: deque[float] = deque(maxlen=OFFSETS)
        self._server_time: datetime | None = None
        self._moved_s = -math.inf
        #: How long it has stood between two moves, as far as was seen; None where nothing is known of it yet.
        self._refresh_s: float | None = None
        self._stood_s = 0.0
        self._moves = 0

    def begin(self) -> None:
        """Begin a session: the map is made anew, and the distance to the next move is none of the server's."""
        self.began_s = self.now()
        self._offsets_s.clear()
        self._moves = 0

    def hear(self, server_time: object, at_s: float) -> None:
        """Take the server's CurrentTime as it was `at_s`; raises DriverLoss where it stands still or is none."""
        if not isinstance(server_time, datetime):
            raise DriverLoss("the server does not tell its CurrentTime")
        if server_time != self._server_time:
            self._move(server_time, at_s)
        self._stood_s = at_s - self._moved_s
        if self._stood_s > self._patience_s:
            raise DriverLoss(f"the server's clock stands still at {server_time}")
        if not self._offsets_s:
            self._offsets_s.append(server_time.timestamp() - at_s)

    def _move(self, server_time: datetime, at_s: float) -> None:
        if self._moves > 1:  # the first is that of the connection, and may come at any time between two
            self._refresh_s = max(self._refresh_s or 0.0, self._stood_s)
        self._moves += 1
        self._server_time, self._moved_s = server_time, at_s
        self._offsets_s.append(server_time.timestamp() - at_s)

    @property
    def _patience_s(self) -> float:
        """For how long the server's clock may stand still."""
        if self._refresh_s is None:
            return LONGEST_STANDSTILL_S
        return min(LONGEST_STANDSTILL_S, max(STANDSTILL_S, REFRESHES * self._refresh_s))

    def off_s(self, value: Value, at_s: float) -> float:
        """Return how far the stamp of a value is behind the server's own time; 0 where it has none."""
        if value.source_s is None or not self._offsets_s:
            return 0.0
        return at_s + max(self._offsets_s) - value.source_s

    def source_s(self, value: Value, latest_s: float) -> float:
        """Return when the source took the value, on our clock; `latest_s` where it does not say or says later."""
        if value.source_s is None or not self._offsets_s:
            return latest_s
        return min(latest_s, value.source_s - max(self._offsets_s))


class Item:
    """One variable that is watched for a point.

    `factor`: from its raw value to the SI unit of `quantity`, sign and scale included. `polled`: the server tells no changes
    of it, so that it is read at the pace of its point.
    """

    __slots__ = (
        "asked_s", "factor", "handle", "heard_s", "newest_s", "node", "point", "polled", "quantity", "server_handle",
    )  # fmt: skip

    def __init__(self, *, point: PointWatch, quantity: str, node: ua.NodeId, factor: float) -> None:
        self.point = point
        self.quantity = quantity
        self.node = node
        self.factor = factor
        self.handle = 0
        self.server_handle: int | None = None
        self.polled = False
        self.asked_s = -math.inf
        #: When a value was last taken, and from when that value is.
        self.heard_s = -math.inf
        self.newest_s = -math.inf

    def poll(self, why: str) -> None:
        """Have it read at the pace of its point, since the server tells no changes of it."""
        self.polled = True
        self.point.polled(self.quantity, why)

    def due(self, now_s: float, heartbeat_s: float, grain_s: float) -> bool:
        """Tell whether it is to be read; whoever asks comes again after `grain_s`."""
        if self.polled:
            return now_s - self.asked_s >= self.point.point.publish_interval_s - grain_s / 2
        return now_s - self.heard_s >= SILENT * heartbeat_s

    def change(self, value: Value, clockwork: Clockwork, arrived_s: float) -> None:
        """Take a change; one that a read has overtaken is old news."""
        meant, off_s = self._meaning(value, clockwork, arrived_s)
        now = meant.quality is Quality.BAD or (
            meant.quality is Quality.GOOD and off_s > ABSURD_S and self.point.point.source_max_age_s is None
        )
        taken_s = arrived_s if now else clockwork.source_s(value, arrived_s)
        if taken_s > self.newest_s:
            self._take(value, meant, meant.quality, taken_s, arrived_s)

    def confirm(self, value: Value, clockwork: Clockwork, started_s: float, arrived_s: float) -> None:
        """Take the answer to a read that was asked at `started_s`."""
        self.asked_s = started_s
        middle_s = (started_s + arrived_s) / 2
        meant, _ = self._meaning(value, clockwork, middle_s)
        quality, taken_s, source_s = meant.quality, middle_s, clockwork.source_s(value, middle_s)
        oldest_s = middle_s - (self.point.point.source_max_age_s or math.inf)
        if quality is Quality.UNCERTAIN or (quality is Quality.GOOD and source_s < oldest_s):
            quality, taken_s = Quality.UNCERTAIN, source_s
        self._take(value, meant, quality, taken_s, arrived_s)

    def _meaning(self, value: Value, clockwork: Clockwork, at_s: float) -> tuple[Meaning, float]:
        """Return what the status means, with a note of a stamp that cannot be, and how far that is behind."""
        meant, off_s = meaning(value.status), clockwork.off_s(value, at_s)
        if value.source_s is None or abs(off_s) <= ABSURD_S or meant.why is not None:
            return meant, off_s
        note = "; ".join(filter(None, (meant.note, _stamped(value.source_s, off_s))))
        return meant._replace(note=note), off_s

    def _take(self, value: Value, meant: Meaning, quality: Quality, taken_s: float, arrived_s: float) -> None:
        self.heard_s, self.newest_s = arrived_s, taken_s
        number, why = _number(value.raw, self.factor) if meant.why is None else (None, meant.why)
        self.point.take(self, number, why, meant.note, quality, taken_s, waiting=value.status & CODE == WAITING)


class PointWatch:
    """What is known of one point; it lives longer than a session and tells each thing once."""

    def __init__(self, point: Point, publish: Publish) -> None:
        self.point = point
        self.items: list[Item] = []
        #: Why the point is not watched, None while it is.
        self.unresolved: str | None = "not looked up yet"
        self.lookup_s = -math.inf
        self._publish = publish
        self._watched = Watched(publish)
        self._told: set[str] = set()
        self._others: dict[str, tuple[float, float]] = {}
        self._invalid: dict[str, str] = {}
        self._notes: dict[str, str] = {}
        #: Quantity -> how the server serves it, where that is not as it was asked.
        self._manners: dict[str, str] = {}
        self._fresh: tuple[float | None, str | None, Quality, float, bool] | None = None

    def begin(self) -> None:
        """Forget what a former session brought."""
        self.items, self.unresolved, self.lookup_s = [], "not looked up yet", -math.inf
        self._manners.clear()
        self._forget()

    def _forget(self) -> None:
        self._others.clear()
        self._invalid.clear()
        self._notes.clear()
        self._fresh = None

    def take(
        self,
        item: Item,
        number: float | None,
        why: str | None,
        note: str | None,
        quality: Quality,
        taken_s: float,
        *,
        waiting: bool,
    ) -> None:
        """Take what an item brought; `publish` hands it over."""
        name = item.quantity
        if note is None:
            self._notes.pop(name, None)
        else:
            self._note(name, note)
        if name == self.point.quantity:
            self._fresh = (number, why, Quality.BAD if why else quality, taken_s, waiting)
        elif number is not None and quality is Quality.GOOD:
            self._invalid.pop(name, None)
            self._others[name] = (number, taken_s)
        else:
            self._invalid[name] = why or note or "the server says it is uncertain"

    def publish(self, clockwork: Clockwork, arrived_s: float) -> None:
        """Publish a sample where the value that counts has come."""
        if self._fresh is None:
            return
        (number, why, quality, taken_s, waiting), self._fresh = self._fresh, None
        name = self.point.quantity
        values = {} if number is None else {name: number}
        invalid = {} if why is None else {name: why}
        if number is not None:
            values |= {other: value for other, (value, at_s) in self._others.items() if at_s >= taken_s - RIDES_S}
            invalid |= self._invalid
            self._others.clear()
        sample = Sample(
            meter=self.point.id,
            values=values,
            quality=quality,
            taken_at_s=taken_s,
            arrived_at_s=arrived_s,
            invalid=invalid,
            notes=self._all_notes() if self._notes or self._manners else {},
        )
        # A server that has just started has no values yet; that is no loss of the meter.
        early = waiting and arrived_s - clockwork.began_s < WAITING_S
        (self._publish if early else self._watched)(sample)

    def _all_notes(self) -> dict[str, str]:
        manners = {
            name: "; ".join(filter(None, (self._notes.get(name), manner))) for name, manner in self._manners.items()
        }
        return self._notes | manners

    def lose(self, reason: str, at_s: float) -> None:
        """Say that the point is lost."""
        self._forget()
        self._watched(Loss(meter=self.point.id, reason=reason, at_s=at_s))

    @property
    def lost(self) -> bool:
        """Whether the newest that was said is a loss."""
        return self._watched.lost

    def slow(self, publishing_s: float, sampling_s: float) -> None:
        """Say so where the intervals that the server revised are too slow for the age at which the site doubts."""
        if publishing_s + sampling_s > self.point.suspect_after_s:
            self._serves(
                self.point.quantity,
                f"the server samples every {sampling_s:g} s and publishes every {publishing_s:g} s, "
                f"too slow for a value that is suspect after {self.point.suspect_after_s:g} s",
            )

    def polled(self, quantity: str, why: str) -> None:
        """Say that the server tells no changes of a quantity."""
        text = f"the server tells no changes ({why}): read every {self.point.publish_interval_s:g} s"
        self._serves(quantity, text)

    def _serves(self, quantity: str, manner: str) -> None:
        self._manners[quantity] = manner
        self.tell(manner)

    def tell(self, text: str) -> None:
        """Warn of something, once; of a server that says ever other things, of the first ones."""
        if text not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(text)
            fields = {"event": "meter_note", "meter": self.point.id, "reason": text}
            log.warning("meter %s: %s", self.point.id, text, extra=fields)

    def _note(self, name: str, note: str) -> None:
        if self._notes.get(name) != note:
            self._notes[name] = note
            self.tell(f"{name}: {note}")


def _stamped(source_s: float, off_s: float) -> str:
    """Return in words that a stamp cannot be the time at which the value was taken; the same words for a whole day."""
    day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=source_s)
    years = abs(off_s) / (365.25 * 86_400)
    apart = f"{years:.0f} years" if years >= 1.5 else f"{abs(off_s) / 86_400:.0f} days"
    which = "behind" if off_s > 0 else "ahead of"
    return (
        f"its source stamped it on {day:%Y-%m-%d}, {apart} {which} the server's clock: the clock of the source is wrong, or "
        "the value has not moved since"
    )


def _number(raw: object, factor: float) -> tuple[float | None, str | None]:
    """Return the finite value in its SI unit, or why there is none."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None, f"{reprlib.repr(raw)} is not a number"
    number = raw * factor
    return (number, None) if math.isfinite(number) else (None, f"{raw} is not finite")
