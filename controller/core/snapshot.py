"""All that the core sees in one tick. It cannot change during the tick, and a recording of snapshots replays a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from controller.core.reasons import Reason
from controller.core.site import F64, I8, Bool


class Grade(IntEnum):
    """How far a source itself stands behind a sample; the order is from best to worst."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSample:
    """What a meter, or the source of the surplus, has shown.

    `values`: quantity to its value in the unit that its name carries. `invalid`: quantity to why its value was dropped.
    `notes`: quantity to what a person should know about a value that is used. `taken_s`, `arrived_s`: CLOCK_BOOTTIME.
    """

    source: str
    values: Mapping[str, float]
    grade: Grade
    taken_s: float
    arrived_s: float
    invalid: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLoss:
    """A meter, or the source of the surplus, did not answer; `error` in the driver's words."""

    source: str
    error: str
    at_s: float


class Measurer(IntEnum):
    """What stands behind a device's measured watts; an estimate alone never proves."""

    NOTHING = 0
    ESTIMATE = 1
    PSU = 2
    PDU = 3
    METER = 4


class Followed(IntEnum):
    """How far a device has followed its setpoint. Only `PROVEN` and `STOPPED` say that it draws no more than is applied."""

    GRANTED = 0  #: not commanded yet
    COMMANDED = 1  #: a command is under way
    ACCEPTED = 2  #: it has said yes, and nothing shows it yet
    REFUSED = 3  #: it has said no
    UNKNOWN = 4  #: nobody knows whether the command has arrived
    SETTLING = 5  #: it runs on its setpoint and still has time to show it in watts
    PROVEN = 6  #: it has been seen to run on it
    DRIFTED = 7  #: it was proven, and runs on something else now
    DEFIANT = 8  #: told more than once, it still draws more than it was told
    LOST = 9  #: it does not answer
    STOPPED = 10  #: brought down by sleep, stop or relay, and seen to be down


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetColumns:
    """What the agents (A,) and their devices (D,) reported last.

    `heard_s`: when the newest report arrived, ``-inf`` if never. `echo`: the agent's clock is known, so that it can be
    given a lease. `confirmed_s`: the time of the newest decision whose setpoints the agent says it has taken, ``-inf`` if
    none of this controller's; what each device does of it, `follow` says.
    `applied_w`: the setpoint that the device runs on as far as its agent knows. `measured_w`: what it draws, NaN where nobody
    says, and `measured_by` (`Measurer`) what measured it. `follow` (`Followed`): how far it has followed. `max_w`: the most
    that its agent says it may be told to draw, which only narrows the signed maximum. `rests`: its agent had to bring it down, and wakes
    it for nothing yet. `down_seen_s`, `up_seen_s`: as in `Devices`,
    by the longer of the times that the site file and the agent say.
    """

    heard_s: F64
    echo: Bool
    confirmed_s: F64
    applied_w: F64
    measured_w: F64
    measured_by: I8
    follow: I8
    rests: Bool
    max_w: F64
    down_seen_s: F64
    up_seen_s: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLimit:
    """One accepted curtailment order on one node, a limit with a beginning and perhaps an end.

    `id`: unique at the site. `node`: index into the tree. `limit_w`: the cap, constant until the next `revision`. `reduce_by_w`: the
    cap is worked out when it comes into force, that much below what the node draws then; `limit_w` is ``inf`` until it is known.
    `starts_utc_s`, `ends_utc_s`: Unix seconds; ``inf`` as the end means until released.
    `ramp_w_s`: how fast the order asks the node to come down, ``inf`` for at once.
    `begun`: it has been in force before, so that a wall clock set back cannot suspend it.
    """

    id: str
    node: int
    limit_w: float
    starts_utc_s: float
    ends_utc_s: float
    ramp_w_s: float
    begun: bool
    revision: int = 1
    reduce_by_w: float | None = None


class Position(IntEnum):
    """Where a contactor is, as it is read back."""

    UNKNOWN = 0
    OPEN = 1
    CLOSED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactorNow:
    """What is known of a contactor now.

    `fault`: why it cannot be read or told, empty while it can. `held`: the order that whoever switches it holds, which says
    nothing of its contact.
    """

    position: Position
    fault: str = ""
    held: Position = Position.UNKNOWN

    @property
    def seems_open(self) -> bool:
        """Whether it is open as far as can be read."""
        return self._seems(Position.OPEN)

    @property
    def seems_closed(self) -> bool:
        """Whether it is closed as far as can be read."""
        return self._seems(Position.CLOSED)

    def _seems(self, position: Position) -> bool:
        return self.position is position or (self.position is Position.UNKNOWN and self.held is position)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """A person wants the contactor of a node (index into the tree) closed; each has an `id` of its own."""

    id: str
    node: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """People work on a node with all below it, or on one device of that node (indexes): it is off until they unlock it."""

    id: str
    node: int
    device: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmedMeter:
    """A person says that a meter (index into the meters) shows what is so, while others of its node are silent.

    `under_w`: by meter of its node, what each had shown less than the largest of them when the person said so.
    """

    id: str
    meter: int
    by: str
    under_w: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One tick's inputs. `now_s` is CLOCK_BOOTTIME; `utc_s` labels and schedules only.

    `utc_trusted`: orders may end by it. `utc_latest_s`: the latest UTC that it may really be, by whichever clock is ahead.
    `heard`: what the sources have said since the last tick, in the order of its arrival. `link_lost_s`: since when the link
    to the broker is down, ``inf`` while it stands. `orders_unsure`: why orders may have been lost, None where none were.
    `locks_unsure`: why locks of people at work may have been. `stopped`: that an operator wants all at failsafe. `second_controller`: that another one leads the same agents, None where none is known of.
    `contactors` (C,): in the order of the site's. `resets`: those that no decision has named yet. `confirmed`: meters that
    people have confirmed, until a decision says that it is over.
    """

    now_s: float
    utc_s: float
    utc_trusted: bool
    heard: tuple[SourceSample | SourceLoss, ...]
    fleet: FleetColumns
    link_lost_s: float
    orders: tuple[OrderLimit, ...]
    orders_unsure: Reason | None
    contactors: tuple[ContactorNow, ...] = ()
    resets: tuple[Reset, ...] = ()
    second_controller: Reason | None = None
    locks: tuple[Lock, ...] = ()
    confirmed: tuple[ConfirmedMeter, ...] = ()
    locks_unsure: Reason | None = None
    stopped: Reason | None = None
    utc_latest_s: float = float("-inf")
