"""Makes vectors.json: which bytes must have which effect. What must happen is written here by hand, never worked out."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from drivers.fleet import wire
from drivers.fleet.head import JournalHead, seal
from drivers.fleet.keys import PrivateKey
from drivers.fleet.wire import Activity, Echo, Follow, Leaf, MeasuredBy, Proof, Range, topic

SITE: Final = "demo"
AGENT: Final = "hall-a"
BOOT: Final = "5f1c"
#: When the agent of each vector has started, and the echo that it has reported last.
START_MS: Final = 86_390_000
ECHO: Final = Echo(boot=BOOT, boottime_ms=86_400_000)
SETTLE_MS: Final = 15_000
TTL_MS: Final = 30_000
END_MS: Final = ECHO.boottime_ms + TTL_MS
NOW_MS: Final = 86_401_250

CONTROLLER: Final = PrivateKey(bytes(range(32)))
AGENT_KEY: Final = PrivateKey(bytes(range(32, 64)))
STRANGER: Final = PrivateKey(bytes(range(64, 96)))
EPOCH: Final = 3
HEAD: Final = seal(
    JournalHead(journal="c0ffee0123456789", epoch=EPOCH, seq=12, utc_s=1_790_000_000, hash="9f" * 32),
    site=SITE,
    key=CONTROLLER,
)

#: Off at 25 W, failsafe is off; and off at 30 W, 1080 or 2794 W, failsafe is 1080 W.
DEVICES: Final = (
    wire.InventoryDevice(
        id="s21-001", model="antminer-s21", max_w=3500, off_w=25, ranges=[Range(from_w=1400, to_w=3500)], up_ms=60_000,
        down_ms=10_000, failsafe_w=25, proof=Proof.BOTH, measured_by=MeasuredBy.PDU, dead_man=None,
    ),
    wire.InventoryDevice(
        id="s19-001", model="antminer-s19k-pro", max_w=2794, off_w=30,
        ranges=[Range(from_w=1080, to_w=1080), Range(from_w=2794, to_w=2794)], up_ms=60_000, down_ms=10_000,
        failsafe_w=1080, proof=Proof.BOTH, measured_by=MeasuredBy.PDU,
        dead_man=wire.DeadMan(after_ms=60_000, falls_to_w=0),
    ),
)  # fmt: skip
INVENTORY: Final = wire.inventory_id(DEVICES)
OFF: Final = [25, 30]
FULL: Final = [3500, 2794]
FAILSAFE: Final = [25, 1080]

_SET: Final = {
    "v": 2, "site": SITE, "agent": AGENT, "key": "controller", "epoch": EPOCH, "seq": 7, "ttl_ms": TTL_MS,
    "echo": {"boot": BOOT, "boottime_ms": ECHO.boottime_ms}, "head": HEAD, "inventory": INVENTORY, "setpoints_w": FULL,
    "same_as": None,
}  # fmt: skip
_REPORT: Final = {
    "v": 2, "site": SITE, "agent": AGENT, "key": AGENT, "echo": {"boot": BOOT, "boottime_ms": ECHO.boottime_ms},
    "epoch": EPOCH, "accepted_seq": 7, "applied_seq": 7, "lease_left_ms": 29_000, "lapsed": False, "inventory": INVENTORY,
    "applied_w": FULL, "measured_w": [3480, None], "measured_by": MeasuredBy.PDU + MeasuredBy.NOTHING,
    "state": Follow.PROVEN + Follow.SETTLING, "proof": Proof.BOTH + Proof.READ_BACK,
    "activity": Activity.RUNNING + Activity.STARTING, "head_seen": HEAD, "head_stored": None, "refused": None,
}  # fmt: skip

Steps = list[dict[str, Any]]


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps({k: v for k, v in body.items() if v is not ...}, separators=(",", ":")).encode()


def _signed(text: bytes, key: PrivateKey) -> bytes:
    return key.sign(text) + text


def a_set(*, key: PrivateKey = CONTROLLER, **changes: Any) -> bytes:
    """Return a set; a field that is ``...`` is left out."""
    return _signed(_json(_SET | changes), key)


def a_report(*, key: PrivateKey = AGENT_KEY, **changes: Any) -> bytes:
    """Return a report, as above."""
    return _signed(_json(_REPORT | changes), key)


def _step(payload: bytes | None, at_ms: int, **expected: Any) -> dict[str, Any]:
    text = None if payload is None else base64.b64encode(payload).decode()
    return {"at_ms": at_ms, "topic": topic(SITE, AGENT, Leaf.SET), "retained": False, "payload": text} | expected


def taken(
    payload: bytes, setpoints_w: list[int], end_ms: int | None, *, at_ms: int = NOW_MS, lapsed: Any = (False, False)
) -> dict[str, Any]:
    """Return a step whose set is accepted; `end_ms`: when the lease of the last device ends then, None: none runs."""
    return _step(
        payload, at_ms, accepted=True, rule=None, setpoints_w=setpoints_w, lease_end_ms=end_ms, lapsed=list(lapsed)
    )


def left(
    payload: bytes, rule: int, *, at_ms: int = NOW_MS, before: Any = (OFF, None, (True, True)), **more: Any
) -> dict[str, Any]:
    """Return a step whose set is refused by a rule of the list, so that all stays as `before`."""
    setpoints_w, end_ms, lapsed = before
    return (
        _step(
            payload, at_ms, accepted=False, rule=rule, setpoints_w=setpoints_w, lease_end_ms=end_ms, lapsed=list(lapsed)
        )
        | more
    )


def passes(at_ms: int, setpoints_w: list[int], end_ms: int | None, lapsed: Any) -> dict[str, Any]:
    """Return a step in which nothing arrives."""
    return _step(
        None, at_ms, accepted=None, rule=None, setpoints_w=setpoints_w, lease_end_ms=end_ms, lapsed=list(lapsed)
    )


LED: Final = (FULL, END_MS, (False, False))
FIRST: Final = taken(a_set(), FULL, END_MS)


def _flipped(payload: bytes, at: int) -> bytes:
    return payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]


def for_agents() -> dict[str, Steps]:
    """Return what an agent must do with sets, by name; each begins with a fresh agent that has nothing on its disk."""
    no_echo, later = a_set(echo=None), a_set(seq=8, setpoints_w=[1400, 30])
    renewed = a_set(seq=8, setpoints_w=None, same_as=7, echo={"boot": BOOT, "boottime_ms": 86_407_000})
    return {
        **_bad_bytes(),
        "a set with an echo grants": [FIRST],
        "a set without an echo raises nothing": [taken(no_echo, OFF, None, lapsed=(True, True))],
        "an echo of another start raises nothing": [
            taken(a_set(echo={"boot": "other", "boottime_ms": 1}), OFF, None, lapsed=(True, True))
        ],
        "a lease that is over on arrival raises nothing": [
            taken(a_set(), OFF, None, at_ms=END_MS, lapsed=(True, True))
        ],
        "a set that was under way for 15 s is a lease of 15 s": [taken(a_set(), FULL, END_MS, at_ms=86_415_000)],
        "watts between two powers are the lower one": [taken(a_set(setpoints_w=[2000, 2793]), [2000, 1080], END_MS)],
        "watts below the lowest range are off": [taken(a_set(setpoints_w=[1399, 0]), OFF, END_MS)],
        "watts above the maximum are the maximum": [taken(a_set(setpoints_w=[10_000_000, 5000]), FULL, END_MS)],
        "a retained set is never taken": [left(a_set(), 2, retained=True)],
        "the same set again is refused": [FIRST, left(a_set(), 3, before=LED)],
        "an older sequence is refused": [FIRST, left(a_set(seq=6, setpoints_w=[0, 0]), 3, before=LED)],
        "an older epoch is refused whatever its sequence": [FIRST, left(a_set(epoch=2, seq=900), 3, before=LED)],
        "a newer epoch begins its sequence anew": [FIRST, taken(a_set(epoch=4, seq=1, setpoints_w=[1400, 0]), [1400, 30], END_MS)],
        "an echo that is ahead of the clock is refused": [left(a_set(echo={"boot": BOOT, "boottime_ms": NOW_MS + 1}), 4)],
        "an echo of this very millisecond is no future": [
            taken(a_set(echo={"boot": BOOT, "boottime_ms": NOW_MS}), FULL, NOW_MS + TTL_MS)
        ],
        "another inventory is refused": [left(a_set(inventory="0" * 32), 5)],
        "another inventory is refused in a renewal, too": [
            FIRST, left(a_set(seq=8, setpoints_w=None, same_as=7, inventory="0" * 32), 5, before=LED)
        ],
        "too few setpoints are refused": [left(a_set(setpoints_w=[3500]), 6)],
        "too many setpoints are refused": [left(a_set(setpoints_w=[3500, 2794, 0]), 6)],
        "a renewal lengthens": [FIRST, taken(renewed, FULL, 86_437_000, at_ms=86_408_000)],
        "a renewal of nothing is refused": [left(a_set(setpoints_w=None, same_as=7, seq=8), 6)],
        "a renewal of another sequence is refused": [FIRST, left(a_set(seq=9, setpoints_w=None, same_as=8), 6, before=LED)],
        "a renewal of another epoch is refused": [FIRST, left(a_set(epoch=4, seq=8, setpoints_w=None, same_as=7), 6, before=LED)],
        "a renewal names what was spelled out, not the renewal before": [
            FIRST,
            taken(renewed, FULL, 86_437_000, at_ms=86_408_000),
            left(a_set(seq=9, setpoints_w=None, same_as=8), 6, at_ms=86_408_001, before=(FULL, 86_437_000, (False, False))),
        ],
        "a cut is taken at once": [FIRST, taken(later, [1400, 30], END_MS)],
        "a newer lease may end earlier": [FIRST, taken(a_set(seq=8, ttl_ms=5_000), FULL, 86_405_000)],
        "a set without an echo does not touch leases that run": [
            FIRST, taken(a_set(seq=8, echo=None, setpoints_w=[0, 0]), FULL, END_MS)
        ],
        "no device ends before the spread": [FIRST, passes(END_MS - 10_000, FULL, END_MS, (False, False))],
        "at the end each is at most at its failsafe watts": [FIRST, passes(END_MS, FAILSAFE, None, (True, True))],
        "the end of a lease never raises": [
            taken(a_set(setpoints_w=[0, 0]), OFF, END_MS), passes(END_MS, OFF, None, (True, True))
        ],
        "who did not know of the end undoes nothing": [
            FIRST,
            passes(END_MS, FAILSAFE, None, (True, True)),
            taken(a_set(seq=8, ttl_ms=120_000), FAILSAFE, 86_520_000, at_ms=END_MS + 10, lapsed=(True, True)),
        ],
        "who knows of the end grants anew": [
            FIRST,
            passes(END_MS, FAILSAFE, None, (True, True)),
            taken(a_set(seq=8, echo={"boot": BOOT, "boottime_ms": END_MS}), FULL, END_MS + TTL_MS, at_ms=END_MS + 10),
        ],
    }  # fmt: skip


def _bad_bytes() -> dict[str, Steps]:
    """Return the sets that break the rules of the bytes."""
    good = a_set()
    bad = {
        "an empty payload": b"",
        "a signature and nothing": good[:64],
        "no signature": good[64:],
        "a bit of the signature flipped": _flipped(good, 3),
        "a bit of the body flipped": _flipped(good, 90),
        "signed by a stranger": a_set(key=STRANGER),
        "signed by the agent itself": a_set(key=AGENT_KEY),
        "a key id that has not signed it": _signed(_json(_SET | {"key": "other"}), CONTROLLER),
        "for another agent": a_set(agent="hall-b"),
        "for another site": a_set(site="elsewhere"),
        "of version 1": a_set(v=1),
        "an unknown field": a_set(extra=1),
        "a field too few": a_set(ttl_ms=...),
        "a time to live of 0": a_set(ttl_ms=0),
        "a time to live that is too long": a_set(ttl_ms=120_001),
        "watts that are no integers": _signed(_json(_SET).replace(b"[3500,", b"[3500.0,"), CONTROLLER),
        "watts below zero": a_set(setpoints_w=[-1, 0]),
        "setpoints and a renewal": a_set(same_as=3),
        "neither setpoints nor a renewal": a_set(setpoints_w=None),
        "NaN": _signed(_json(_SET).replace(b"[3500,", b"[NaN,"), CONTROLLER),
        "something behind the body": _signed(_json(_SET) + b"{}", CONTROLLER),
        "a report where a set belongs": a_report(key=CONTROLLER),
    }
    return {f"refused: {name}": [left(payload, 1)] for name, payload in bad.items()}


def for_controllers() -> list[dict[str, Any]]:
    """Return reports and inventories, and whether a controller of that epoch takes them; each after the inventory."""
    inventory = {
        "v": 2, "site": SITE, "agent": AGENT, "key": AGENT, "echo": {"boot": BOOT, "boottime_ms": ECHO.boottime_ms},
        "inventory": INVENTORY, "devices": msgspec.to_builtins(list(DEVICES)),
    }  # fmt: skip
    twice = inventory | {"devices": [inventory["devices"][0]] * 2}
    cases = {
        "a report": (Leaf.REPORT, a_report(), True),
        "an inventory": (Leaf.INVENTORY, _signed(_json(inventory), AGENT_KEY), True),
        "a report signed by the controller": (Leaf.REPORT, a_report(key=CONTROLLER), False),
        "a report by another inventory": (Leaf.REPORT, a_report(inventory="0" * 32), False),
        "a column too short": (Leaf.REPORT, a_report(state="p"), False),
        "a letter that means nothing": (Leaf.REPORT, a_report(state="pz"), False),
        "letters in a list": (Leaf.REPORT, a_report(state=["p", "p"]), False),
        "a device that rests": (Leaf.REPORT, a_report(state="po", applied_w=[3500, 30], rests="nr"), True),
        "rests of another number of devices": (Leaf.REPORT, a_report(rests="n"), False),
        "rests by a letter that means nothing": (Leaf.REPORT, a_report(rests="ny"), False),
        "applied watts that are unknown": (Leaf.REPORT, a_report(applied_w=[3500, None]), False),
        "measured watts below zero": (Leaf.REPORT, a_report(measured_w=[-4, None]), True),
        "a report without a head": (Leaf.REPORT, a_report(head_seen=None), True),
        "a report without the field of the head": (Leaf.REPORT, a_report(head_seen=...), False),
        "a head that is too long": (Leaf.REPORT, a_report(head_seen="x" * 501), False),
        "a device listed twice": (Leaf.INVENTORY, _signed(_json(twice), AGENT_KEY), False),
        "an inventory without an id": (Leaf.INVENTORY, _signed(_json(inventory | {"inventory": ""}), AGENT_KEY), False),
        "a status": (Leaf.STATUS, wire.encode_status(wire.Status(v=2, site=SITE, agent=AGENT, state=wire.Presence.ONLINE)), True),
        "a status with a signature": (Leaf.STATUS, _signed(b'{"v":2}', AGENT_KEY), False),
    }  # fmt: skip
    return [
        {"name": name, "topic": topic(SITE, AGENT, leaf), "payload": base64.b64encode(payload).decode(), "taken": took}
        for name, (leaf, payload, took) in cases.items()
    ]


def render() -> str:
    """Return the text of vectors.json."""
    document = {
        "note": "Example keys: never use them. made by docs/contract/vectors.py",
        "keys": {
            "controller": CONTROLLER.public_key().raw.hex(),
            "agent": AGENT_KEY.public_key().raw.hex(),
            "agent_private": AGENT_KEY.seed.hex(),
        },
        "agent": {
            "site": SITE, "agent": AGENT, "boot": BOOT, "started_ms": START_MS, "settle_ms": SETTLE_MS,
            "inventory": INVENTORY, "devices": msgspec.to_builtins(list(DEVICES)),
        },
        "controller": {"epoch": EPOCH},
        "for_agents": [{"name": name, "steps": steps} for name, steps in for_agents().items()],
        "for_controllers": for_controllers(),
    }  # fmt: skip
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
