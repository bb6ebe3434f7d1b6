"""What the wire costs the controller: one report in, one statement out, of an agent of 100 devices, beside version 1.

No report says what the one before it has said: all watts and one device's state are new in each.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any, Final

import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.daemon.fleet.reports import Reports
from controller.daemon.fleet.statements import Statements
from drivers.fleet import wire
from drivers.fleet.head import JournalHead, seal
from drivers.fleet.keys import PrivateKey
from drivers.fleet.wire import Echo, Leaf, sign
from tests.bench.fleet import read_site
from tests.bench.report import Row, Scale, show
from tests.bench.wire_v1 import DeviceV1, PathsV1, ReportV1, StateV1

_DEVICES: Final = 400
#: Calls in a row: the reports of some agents that come together.
_BURST: Final = 10
_AGENT: Final = "a0"
_ECHO: Final = Echo(boot="0" * 32, boottime_ms=86_400_000)
_COLUMNS: Final = {"path": "", "v1_us": ",.0f", "us": ",.0f", "signature_us": ",.0f", "ratio": ",.2f"}


def run(scale: Scale) -> list[Row]:
    """Measure both paths, each version in turn so that a busy machine slows both."""
    repeats = scale.pick(20, 200, 500)
    rows = [_row(*paths, repeats) for paths in _paths()]
    show("the wire to an agent of 100 devices, CPU of the controller: version 2 beside version 1", _COLUMNS, rows)
    return rows


def _row(name: str, old: Callable[[], Any], new: Callable[[], Any], bare: Callable[[], Any], repeats: int) -> Row:
    spent_us: tuple[list[float], ...] = ([], [], [])
    for _ in range(repeats):
        for call, times in zip((old, new, bare), spent_us, strict=True):
            begun_ns = time.thread_time_ns()
            for _ in range(_BURST):
                call()
            times.append((time.thread_time_ns() - begun_ns) / 1e3 / _BURST)
    old_us, new_us, bare_us = map(median, spent_us)
    return {"path": name, "v1_us": old_us, "us": new_us, "signature_us": bare_us, "ratio": new_us / old_us}


def _paths() -> list[tuple[str, Callable[[], Any], Callable[[], Any], Callable[[], Any]]]:
    site, key_v1 = read_site(_DEVICES), Ed25519PrivateKey.generate()
    key = PrivateKey(key_v1.private_bytes_raw())
    public = key.public_key()
    reports = Reports(
        site, dict.fromkeys(site.agents, public), controller=public, models=("",) * len(site.devices.ids), epoch=7
    )
    mine = reports.devices[0]
    ids = [site.devices.ids[i] for i in mine]
    watts = [2000 + k for k in range(len(ids))]
    token = seal(
        JournalHead(journal="0" * 16, epoch=7, seq=9, utc_s=1_790_000_000, hash="0" * 64), site=site.id, key=key
    )
    inventory = _inventory(site.id, ids)
    reports.take(_AGENT, Leaf.INVENTORY, sign(inventory, key), True, 0.0)
    said = [sign(_report(inventory, moved, token), key) for moved in _moving(watts)]
    said_v1 = [_report_v1(site.id, ids, moved, key_v1) for moved in _moving(watts)]
    statements, old = Statements(site=site.id, agent=_AGENT, epoch=7, ttl_s=30.0), PathsV1(ids, key_v1)
    reports.take(_AGENT, Leaf.REPORT, said[0], False, 0.0)
    setpoint_w = np.array(watts, dtype=np.float64)
    changing = [setpoint_w, setpoint_w + 1.0]

    def state() -> bytes:
        changing.reverse()
        view = reports.newest[0]
        body = statements.due(changing[0], view, view.echo, 1.0, token)
        assert body is not None
        done = sign(body, key)
        statements.sent(body, changing[0], 1.0, 1.0)
        return done

    signature, text, stated = said[0][:64], said[0][64:], state()[64:]
    return [
        (
            "report",
            _in_turns(lambda payload: old.take(payload, site.devices.ids, mine), said_v1),
            _in_turns(lambda payload: reports.take(_AGENT, Leaf.REPORT, payload, False, 0.0), said),
            lambda: public.verify(signature, text),
        ),
        ("statement", lambda: old.state(changing[0], changing[1], _ECHO), state, lambda: key.sign(stated)),
    ]


def _in_turns(take: Callable[[bytes], Any], payloads: list[bytes]) -> Callable[[], Any]:
    def take_next() -> None:
        payloads.reverse()
        take(payloads[0])

    return take_next


def _moving(watts: list[int]) -> tuple[list[int], list[int]]:
    return watts, [watt + 1 for watt in watts]


def _inventory(site: str, ids: list[str]) -> wire.Inventory:
    devices = [
        wire.InventoryDevice(
            id=id_, model="antminer-s21", max_w=3500, off_w=25, ranges=[], up_ms=0, down_ms=0, failsafe_w=25,
            proof=wire.Proof.BOTH, measured_by=wire.MeasuredBy.PDU, dead_man=None,
        )
        for id_ in reversed(ids)
    ]  # fmt: skip
    name = wire.inventory_id(devices)
    return wire.Inventory(v=2, site=site, agent=_AGENT, key=_AGENT, echo=_ECHO, inventory=name, devices=devices)


def _report(inventory: wire.Inventory, watts: list[int], token: str) -> wire.Report:
    count = len(watts)
    return wire.Report(
        v=2, site=inventory.site, agent=_AGENT, key=_AGENT, echo=_ECHO, epoch=7, accepted_seq=1, applied_seq=1,
        lease_left_ms=29_000, lapsed=False, inventory=inventory.inventory, applied_w=watts, measured_w=list(watts),
        measured_by="d" * count, state="p" * (count - 1) + "ps"[watts[0] % 2], proof="b" * count, activity="r" * count, head_seen=token,
        head_stored=token, refused=None,
    )  # fmt: skip


def _report_v1(site: str, ids: list[str], watts: list[int], key: Ed25519PrivateKey) -> bytes:
    devices = {
        id_: DeviceV1(setpoint_w=w, measured_w=w - 3.25, state=StateV1.RUNNING)
        for id_, w in zip(ids, watts, strict=True)
    }
    text = msgspec.json.encode(
        ReportV1(
            v=1, site=site, agent=_AGENT, key=_AGENT, echo=_ECHO, epoch=7, accepted_seq=1, applied_seq=1,
            lease_left_ms=29_000, lapsed=False, devices=devices, refused=None,
        )
    )  # fmt: skip
    return key.sign(text) + text
