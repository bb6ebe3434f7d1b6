"""The wire as it was in version 1, maps by device id in place of columns, signed by OpenSSL: what version 2 is measured against."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.core.site import F64, I64
from drivers.fleet.wire import Counter, Echo, Id, Text, Watts

_Measured = Annotated[float, msgspec.Meta(ge=-10_000_000, le=10_000_000)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class SetV1(_Strict, frozen=True):
    """A statement."""

    v: Literal[1]
    site: Id
    agent: Id
    key: Id
    epoch: Counter
    seq: Counter
    ttl_ms: Counter
    echo: Echo | None
    setpoints: dict[Id, Watts] | None = None
    same_as: Counter | None = None


class StateV1(StrEnum):
    """What a device does."""

    OFF = "off"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    LOST = "lost"


class DeviceV1(_Strict, frozen=True):
    """A device in a report."""

    setpoint_w: Watts
    measured_w: _Measured | None
    state: StateV1


class ReportV1(_Strict, frozen=True):
    """A report."""

    v: Literal[1]
    site: Id
    agent: Id
    key: Id
    echo: Echo
    epoch: Counter
    accepted_seq: Counter
    applied_seq: Counter
    lease_left_ms: Counter
    lapsed: bool
    devices: dict[Id, DeviceV1]
    refused: Text | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewV1:
    """What became of a report."""

    heard_s: float
    echo: Echo | None
    epoch: int
    accepted_seq: int
    applied_seq: int
    lapsed: bool
    lease_left_s: float
    online: bool
    refused: str | None
    applied_w: F64
    measured_w: F64
    max_w: F64
    states: tuple[StateV1, ...]


class PathsV1:
    """Both paths of the controller for one agent, as they were written."""

    def __init__(self, ids: list[str], key: Ed25519PrivateKey) -> None:
        """`ids` in the order of the site's columns; `key` signs both ways."""
        self._ids, self._key, self._public = ids, key, key.public_key()
        nothing = np.zeros(len(ids))
        self._view = ViewV1(
            heard_s=0.0, echo=None, epoch=0, accepted_seq=0, applied_seq=0, lapsed=False, lease_left_s=0.0, online=False,
            refused=None, applied_w=nothing, measured_w=nothing, max_w=nothing, states=(),
        )  # fmt: skip
        self._seq = 0

    def take(self, payload: bytes, site_ids: tuple[str, ...], mine: I64) -> ViewV1:
        """Verify, decode, and make columns of a report."""
        if not 64 < len(payload) <= 1 << 20:
            raise ValueError("too long")
        signature, text = payload[:64], payload[64:]
        self._public.verify(signature, text)
        report = msgspec.json.decode(text, type=ReportV1)
        ids = [site_ids[i] for i in mine]
        if report.devices.keys() != set(ids) or (report.site, report.agent, report.key) != ("bench", "a0", "a0"):
            raise ValueError("other devices")
        devices = [report.devices[id_] for id_ in ids]
        applied_w = np.array([device.setpoint_w for device in devices], dtype=np.float64)
        measured = [device.setpoint_w if device.measured_w is None else device.measured_w for device in devices]
        self._view = replace(
            self._view,
            heard_s=1.0,
            echo=report.echo,
            epoch=report.epoch,
            accepted_seq=report.accepted_seq,
            applied_seq=report.applied_seq,
            lapsed=report.lapsed,
            lease_left_s=report.lease_left_ms / 1000.0,
            online=True,
            refused=report.refused,
            applied_w=applied_w,
            measured_w=np.array(measured, dtype=np.float64),
            states=tuple(device.state for device in devices),
        )
        return self._view

    def state(self, setpoint_w: F64, before_w: F64, echo: Echo) -> bytes:
        """Make, check and sign a statement."""
        self._seq += 1
        if np.array_equal(setpoint_w, before_w):
            raise ValueError("nothing to say")
        watts = {id_: int(w) for id_, w in zip(self._ids, setpoint_w.tolist(), strict=True)}
        body = SetV1(
            v=1,
            site="bench",
            agent="a0",
            key="controller",
            epoch=7,
            seq=self._seq,
            ttl_ms=30_000,
            echo=echo,
            setpoints=watts,
        )
        text = msgspec.json.encode(body)
        msgspec.json.decode(text, type=SetV1)
        return self._key.sign(text) + text
