"""The contract with the fleet: what stands in a message, byte for byte.

``surplus/v1/{site}/{agent}/set | report | inventory | status``. A `Set`, `Report` or `Inventory` is a 64-byte Ed25519
signature followed by the JSON body that it signs; a `Status` is a bare JSON body, information only, and never relaxes
anything. ``docs/contract`` says the same to someone who builds an agent from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from msgspec import Meta

from drivers.errors import Refused
from drivers.fleet.keys import PrivateKey, PublicKey

#: Version of the contract; every body carries it as ``v``.
VERSION: Final = 1
SIGNATURE_BYTES: Final = 64
#: A longer payload is refused before anything is parsed.
MAX_PAYLOAD_BYTES: Final = 1 << 20
#: The longest lease that a set may ask for.
MAX_TTL_MS: Final = 120_000
#: The longest text, in characters.
MAX_TEXT: Final = 500

#: Integers stay exact in every JSON parser up to here.
_EXACT: Final = 2**53 - 1

Id = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
Counter = Annotated[int, Meta(ge=0, le=_EXACT)]
Watts = Annotated[int, Meta(ge=0, le=10_000_000)]
MeasuredWatts = Annotated[float, Meta(ge=-10_000_000, le=10_000_000)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]


class DeviceState(StrEnum):
    """What the hardware says that a device is doing; `LOST` when it does not answer."""

    OFF = "off"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    LOST = "lost"


class Presence(StrEnum):
    """Whether an agent is there; `OFFLINE` is its will."""

    ONLINE = "online"
    OFFLINE = "offline"


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A body takes no field that it does not know."""


class Echo(_Strict, frozen=True):
    """An agent's clock as the agent last reported it: an id that is new at each start, and its CLOCK_BOOTTIME."""

    boot: Annotated[str, Meta(min_length=1, max_length=64)]
    boottime_ms: Counter


class Set(_Strict, frozen=True):
    """The controller's whole statement to one agent.

    Exactly one of `setpoints` (device to watts, every device of the agent) and `same_as` (the setpoints of that
    sequence go on) is given. The lease ends at ``echo.boottime_ms + ttl_ms`` on the agent's clock; without a known
    `echo` nothing is raised and no lease is lengthened.
    """

    v: Literal[1]
    site: Id
    agent: Id
    key: Id
    epoch: Counter
    seq: Counter
    ttl_ms: Annotated[int, Meta(ge=1, le=MAX_TTL_MS)]
    echo: Echo | None
    setpoints: dict[Id, Watts] | None = None
    same_as: Counter | None = None

    def __post_init__(self) -> None:
        """Refuse a statement that says nothing, or two things."""
        if (self.setpoints is None) == (self.same_as is None):
            raise ValueError("exactly one of setpoints and same_as is allowed")


class DeviceReport(_Strict, frozen=True):
    """One device: the watts that are applied now, the watts that it measures (null: unknown), its state."""

    setpoint_w: Watts
    measured_w: MeasuredWatts | None
    state: DeviceState


class Report(_Strict, frozen=True):
    """What an agent holds now.

    `accepted_seq` is the newest sequence taken, `applied_seq` the newest one whose setpoints the hardware has taken.
    `lease_left_ms` is 0 when no lease runs; `lapsed` when a lease end has taken a device down since it was last granted.
    `refused` says why the last set was refused, null when it was accepted.
    """

    v: Literal[1]
    site: Id
    agent: Id
    key: Id
    echo: Echo
    epoch: Counter
    accepted_seq: Counter
    applied_seq: Counter
    lease_left_ms: Annotated[int, Meta(ge=0, le=MAX_TTL_MS)]
    lapsed: bool
    devices: dict[Id, DeviceReport]
    refused: Text | None


class InventoryDevice(_Strict, frozen=True):
    """One device: its model, the most it may be told to draw, its residual watts when off, its failsafe watts."""

    model: Id
    max_w: Watts
    off_w: Watts
    failsafe_w: Watts


class Inventory(_Strict, frozen=True):
    """The devices of an agent."""

    v: Literal[1]
    site: Id
    agent: Id
    key: Id
    echo: Echo
    devices: dict[Id, InventoryDevice]


class Status(_Strict, frozen=True):
    """Whether an agent is there; unsigned."""

    v: Literal[1]
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


def topic(site: str, agent: str, leaf: Leaf | Literal["set", "report", "inventory", "status"]) -> str:
    """Return the topic of a message; `agent` may be ``+`` to subscribe to all agents of a site."""
    return f"surplus/v{VERSION}/{site}/{agent}/{leaf}"


def parse_topic(text: str, site: str) -> tuple[str, Leaf]:
    """Return agent and leaf of a topic of `site`; raises Refused for any other topic."""
    match text.split("/"):
        case ["surplus", "v1", found, agent, leaf] if found == site and leaf in tuple(Leaf):
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
        except InvalidSignature:
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
