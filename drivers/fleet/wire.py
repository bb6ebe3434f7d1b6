"""The contract with the fleet: what stands in a message, byte for byte.

``surplus/v2/{site}/{agent}/set | report | inventory | status``. A `Set`, `Report` or `Inventory` is a 64-byte Ed25519
signature followed by the JSON body that it signs; a `Status` is a bare JSON body, information only, and never relaxes
anything. What a set and a report say of the devices are columns in the order of the agent's inventory: watts as an array,
all else as a text with one letter a device. ``docs/contract`` says the same to someone who builds an agent from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta
from nacl.exceptions import BadSignatureError

from drivers.errors import Refused
from drivers.fleet.keys import SIGNATURE_BYTES, PrivateKey, PublicKey

#: Version of the contract; every body carries it as ``v``.
VERSION: Final = 2
#: A longer payload is refused before anything is parsed.
MAX_PAYLOAD_BYTES: Final = 1 << 20
#: The longest lease that a set may ask for.
MAX_TTL_MS: Final = 120_000
#: How often an agent reports.
REPORT_MS: Final = 1000
#: Model of a contactor in an inventory; and what one is told that is to stay as it is, neither opened nor closed.
CONTACTOR: Final = "contactor"
LEAVE_W: Final = 1
#: The longest text, in characters.
MAX_TEXT: Final = 500
#: The longest head token, in characters.
MAX_HEAD: Final = 500
#: The most devices of one agent.
MAX_DEVICES: Final = 10_000

#: Integers stay exact in every JSON parser up to here.
_EXACT: Final = 2**53 - 1

Id = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
Counter = Annotated[int, Meta(ge=0, le=_EXACT)]
Watts = Annotated[int, Meta(ge=0, le=10_000_000)]
MeasuredWatts = Annotated[int, Meta(ge=-10_000_000, le=10_000_000)]
#: Alarms of one report, the first by device id; and characters of a serial number.
MAX_ALARMS: Final = 100
MAX_SERIAL: Final = 100
Milliseconds = Annotated[int, Meta(ge=0, le=86_400_000)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
#: What the controller's journal ends with, signed by the controller: opaque to an agent.
Head = Annotated[str, Meta(min_length=1, max_length=MAX_HEAD)]
#: Names the devices of an inventory: the agent makes it, and makes another one whenever anything in `devices` changes.
InventoryId = Annotated[str, Meta(pattern="^[0-9a-f]{16,64}$")]


class Follow(StrEnum):
    """How far a device has followed its setpoint; the letters of a report's `state`.

    Only `PROVEN` and `STOPPED` say that it draws no more than `applied_w`.
    """

    GRANTED = "g"  # not commanded yet
    COMMANDED = "c"  # a command is under way
    ACCEPTED = "a"  # it has said yes, and nothing shows it yet
    REFUSED = "r"  # it has said no
    UNKNOWN = "u"  # nobody knows whether the command has arrived
    SETTLING = "s"  # it runs on its setpoint and still has time to show it in watts
    PROVEN = "p"  # it has been seen to run on it
    DRIFTED = "d"  # it was proven, and runs on something else now
    DEFIANT = "x"  # told more than once, it still draws more than it was told
    LOST = "l"  # it does not answer
    STOPPED = "o"  # brought down by sleep, stop or relay, and seen to be down


class Proof(StrEnum):
    """What has shown that a device runs on `applied_w`; the letters of a report's `proof`."""

    NONE = "n"
    READ_BACK = "r"  # it names the setpoint that it runs on
    WATTS = "w"  # something that measures shows it
    BOTH = "b"


class MeasuredBy(StrEnum):
    """What stands behind `measured_w`; the letters of a report's `measured_by`. An estimate alone never proves."""

    NOTHING = "n"
    ESTIMATE = "e"
    PSU = "u"
    PDU = "d"
    METER = "m"


class Activity(StrEnum):
    """What a device says that it is doing; the letters of a report's `activity`."""

    OFF = "o"
    STARTING = "s"
    RUNNING = "r"
    STOPPING = "t"
    UNKNOWN = "n"


def _letters(letters: type[StrEnum]) -> Any:
    return Meta(pattern=f"^[{''.join(letters)}]*$", max_length=MAX_DEVICES)


class Resting(StrEnum):
    """Whether a device that had to be brought down may not run yet; the letters of a report's `rests`."""

    NO = "n"
    YES = "r"


class DeviceAlarm(StrEnum):
    """What a person has to look at, of a device that answers."""

    POOLS_CHANGED = "pools_changed"  # it has other pools than before it was told something, and is told no more
    MOVED = "moved"  # something else than the agent has it draw more than it was told, again and again


class Presence(StrEnum):
    """Whether an agent is there; `OFFLINE` is its will."""

    ONLINE = "online"
    OFFLINE = "offline"


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A body takes no field that it does not know."""


class AlarmedDevice(_Strict, frozen=True):
    """A device, and what a person has to look at there."""

    device: Id
    alarm: DeviceAlarm


class Echo(_Strict, frozen=True):
    """An agent's clock as the agent last reported it: an id that is new at each start, and its CLOCK_BOOTTIME."""

    boot: Annotated[str, Meta(min_length=1, max_length=64)]
    boottime_ms: Counter


class Set(_Strict, frozen=True):
    """The controller's whole statement to one agent.

    Exactly one of `setpoints_w` (every device, in the order of the inventory that `inventory` names) and `same_as` (the
    setpoints of that sequence go on) is given. The lease ends at ``echo.boottime_ms + ttl_ms`` on the agent's clock; without a
    known `echo` nothing is raised and no lease is lengthened. `head`: what the controller's journal ends with, null while it
    has none.
    """

    v: Literal[2]
    site: Id
    agent: Id
    key: Id
    epoch: Counter
    seq: Counter
    ttl_ms: Annotated[int, Meta(ge=1, le=MAX_TTL_MS)]
    echo: Echo | None
    head: Head | None
    inventory: InventoryId
    setpoints_w: Annotated[list[Watts], Meta(max_length=MAX_DEVICES)] | None = None
    same_as: Counter | None = None

    def __post_init__(self) -> None:
        """Refuse a statement that says nothing, or two things."""
        if (self.setpoints_w is None) == (self.same_as is None):
            raise ValueError("exactly one of setpoints_w and same_as is allowed")


class Report(_Strict, frozen=True, omit_defaults=True):
    """What an agent holds now.

    `accepted_seq` is the newest sequence taken, `applied_seq` the newest one whose setpoints every device has been told that
    answers. `lease_left_ms` is 0 when no lease runs; `lapsed` when a lease end has taken a device down since it was last
    granted. `inventory` names the order of the columns: `applied_w` (the setpoint that the device runs on as far as the agent
    knows), `measured_w` (null: unknown), `measured_by`, `state` (`Follow`), `proof`, `activity`.
    `head_seen`, `head_stored`: that of the newest set taken, and the one that a restart would find; null: none.
    `refused` says why the last set was refused, null when it was accepted. `alarms`: left out where there is none. `rests`
    (`Resting`), one more column: a device that is stopped, and that no set wakes yet; left out where none rests.
    """

    v: Literal[2]
    site: Id
    agent: Id
    key: Id
    echo: Echo
    epoch: Counter
    accepted_seq: Counter
    applied_seq: Counter
    lease_left_ms: Annotated[int, Meta(ge=0, le=MAX_TTL_MS)]
    lapsed: bool
    inventory: InventoryId
    applied_w: Annotated[list[Watts], Meta(max_length=MAX_DEVICES)]
    measured_w: Annotated[list[MeasuredWatts | None], Meta(max_length=MAX_DEVICES)]
    measured_by: Annotated[str, _letters(MeasuredBy)]
    state: Annotated[str, _letters(Follow)]
    proof: Annotated[str, _letters(Proof)]
    activity: Annotated[str, _letters(Activity)]
    head_seen: Head | None
    head_stored: Head | None
    refused: Text | None
    alarms: Annotated[list[AlarmedDevice], Meta(max_length=MAX_ALARMS)] = []
    rests: Annotated[str, _letters(Resting)] = ""

    def __post_init__(self) -> None:
        """Refuse columns of different lengths."""
        letters = (self.measured_by, self.state, self.proof, self.activity, *((self.rests,) if self.rests else ()))
        if any(len(column) != len(self.applied_w) for column in (self.measured_w, *letters)):
            raise ValueError("the columns have different lengths, allowed is one entry a device in each")
        if any("\n" in column for column in letters):
            raise ValueError("a line break is no letter")  # a pattern that ends in $ lets one through


class Range(_Strict, frozen=True):
    """What a device may be set to while it runs: every power from `from_w` to `to_w`, one power where they are the same."""

    from_w: Watts
    to_w: Watts


class DeadMan(_Strict, frozen=True):
    """A device that falls to `falls_to_w` by itself when its agent's machine has been dead for `after_ms`."""

    after_ms: Milliseconds
    falls_to_w: Watts


class InventoryDevice(_Strict, frozen=True, omit_defaults=True):
    """One device.

    `max_w`: the most it may be told to draw. `off_w`: what it draws when off. `ranges`: what it may be set to, ascending.
    `up_ms`, `down_ms`: its time to come up and down. `failsafe_w`: where the end of a lease takes it at most.
    `proof`: the best that can show that it has followed. `measured_by`: what measures its watts.
    `dead_man`: null where nothing takes it down when the agent's machine is dead. `serial`: what the hardware calls itself, its
    serial number or MAC; left out where it is not known.
    """

    id: Id
    model: Id
    max_w: Watts
    off_w: Watts
    ranges: Annotated[list[Range], Meta(max_length=1000)]
    up_ms: Milliseconds
    down_ms: Milliseconds
    failsafe_w: Watts
    proof: Proof
    measured_by: MeasuredBy
    dead_man: DeadMan | None
    serial: Annotated[str, Meta(min_length=1, max_length=MAX_SERIAL)] | None = None

    def __post_init__(self) -> None:
        """Refuse a name that ends in a line break, which a pattern that ends in $ lets through."""
        if self.id[-1] == "\n" or self.model[-1] == "\n":
            raise ValueError("a name ends in a line break")


class Inventory(_Strict, frozen=True):
    """The devices of an agent, in the order of all columns; `inventory` names them."""

    v: Literal[2]
    site: Id
    agent: Id
    key: Id
    echo: Echo
    inventory: InventoryId
    devices: Annotated[list[InventoryDevice], Meta(max_length=MAX_DEVICES)]

    def __post_init__(self) -> None:
        """Refuse a device that is named twice."""
        if len({device.id for device in self.devices}) != len(self.devices):
            raise ValueError("a device is named twice")


class Status(_Strict, frozen=True):
    """Whether an agent is there; unsigned."""

    v: Literal[2]
    site: Id
    agent: Id
    state: Presence


Signed = TypeVar("Signed", Set, Report, Inventory)
_Body = TypeVar("_Body", Set, Report, Inventory, Status)


class Leaf(StrEnum):
    """The last level of a topic."""

    SET = "set"
    REPORT = "report"
    INVENTORY = "inventory"
    STATUS = "status"


def spread_ms(ttl_ms: int, settle_ms: int) -> int:
    """Return over how long before the end of its lease an agent takes its devices down, one after the other."""
    return min(settle_ms, ttl_ms // 3)


def inventory_id(devices: Sequence[InventoryDevice]) -> str:
    """Return a name for these devices: another one for any other devices, order, or facts of them."""
    return hashlib.sha256(msgspec.json.encode(devices)).hexdigest()[:32]


def topic(site: str, agent: str, leaf: Leaf | Literal["set", "report", "inventory", "status"]) -> str:
    """Return the topic of a message; `agent` may be ``+`` to subscribe to all agents of a site."""
    return f"surplus/v{VERSION}/{site}/{agent}/{leaf}"


def parse_topic(text: str, site: str) -> tuple[str, Leaf]:
    """Return agent and leaf of a topic of `site`; raises Refused for any other topic."""
    match text.split("/"):
        case ["surplus", "v2", found, agent, leaf] if found == site and leaf in tuple(Leaf):
            return agent, Leaf(leaf)
    raise Refused(f"the topic {text[:200]!r} is none of site {site}")


def sign(body: Signed, key: PrivateKey) -> bytes:
    """Return the payload of a body: signature, then JSON.

    Raises Refused where the body breaks the contract: what would be refused is not signed.
    """
    text = msgspec.json.encode(body)
    _decode(text, type(body))
    return key.sign(text) + text


def open_set(payload: bytes, keys: Mapping[str, PublicKey], *, site: str, agent: str) -> Set:
    """Return a set for `agent`; raises Refused with the reason. `keys` are the controller's, by key id."""
    return _open(payload, Set, keys, site, agent)


def open_report(payload: bytes, keys: Mapping[str, PublicKey], *, site: str, agent: str) -> Report:
    """Return a report of `agent`; raises Refused with the reason. `keys` are that agent's, by key id."""
    return _open(payload, Report, keys, site, agent)


def open_inventory(payload: bytes, keys: Mapping[str, PublicKey], *, site: str, agent: str) -> Inventory:
    """Return the inventory of `agent`; raises Refused with the reason. `keys` are that agent's, by key id."""
    return _open(payload, Inventory, keys, site, agent)


def encode_status(status: Status) -> bytes:
    """Return the payload of a status: bare JSON."""
    return msgspec.json.encode(status)


def open_status(payload: bytes, *, site: str, agent: str) -> Status:
    """Return the status of `agent`; raises Refused with the reason."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Refused(f"payload of {len(payload)} bytes, allowed are {MAX_PAYLOAD_BYTES}")
    return _addressed(_decode(payload, Status), site, agent)


def _open(payload: bytes, kind: type[Signed], keys: Mapping[str, PublicKey], site: str, agent: str) -> Signed:
    if not SIGNATURE_BYTES < len(payload) <= MAX_PAYLOAD_BYTES:
        raise Refused(f"payload of {len(payload)} bytes, allowed are {SIGNATURE_BYTES + 1} to {MAX_PAYLOAD_BYTES}")
    signature, text = payload[:SIGNATURE_BYTES], payload[SIGNATURE_BYTES:]
    signer = _signer(signature, text, keys)
    body = _addressed(_decode(text, kind), site, agent)
    if body.key != signer:
        raise Refused(f"the body names the key {body.key!r}, but {signer!r} signed it")
    return body


def _signer(signature: bytes, text: bytes, keys: Mapping[str, PublicKey]) -> str:
    for name, key in keys.items():
        try:
            key.verify(signature, text)
        except BadSignatureError:
            continue
        return name
    raise Refused("the signature is of no known key")


def _addressed(body: _Body, site: str, agent: str) -> _Body:
    if (body.site, body.agent) != (site, agent):
        raise Refused(f"the body is for {body.site}/{body.agent}, not for {site}/{agent}")
    return body


def _decode(text: bytes, kind: type[_Body]) -> _Body:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"no valid {kind.__name__.lower()}: {error}") from error
