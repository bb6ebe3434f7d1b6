"""An agent's inventory against the site file: which of its devices are led, and what the two say differently.

The site file is the authority on a device; an inventory may only narrow it. So what both have is led up to the smaller
maximum, and the rest is named: a device that the agent lacks counts as never heard, one that the site file lacks is told 0, and
a contactor that it lacks is left as it is: opening it is a wish that nobody has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from controller.core.reasons import Code, Reason
from controller.core.site import F64, I64, Bool, Devices, Site, seen_s
from controller.daemon.fleet.relays import AgentRelay
from drivers.fleet.wire import CONTACTOR, LEAVE_W, Inventory, InventoryDevice

#: Devices that a reason names; the others are counted.
_NAMED: Final = 3
#: No device needs longer from a setpoint to the draw that follows it.
_LONGEST_S: Final = 3600.0
#: The most that counts, in signed maxima: of what a device runs on, and of what it draws.
_MOST_TIMES: Final = np.array([[1.0], [1.5]])


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentInventory:
    """What an agent has, for its n devices in the order of the site's columns, contactors behind them.

    `count`: devices that it lists. `row` (n,): where each stands among those, -1 if nowhere; `led` (n,): it stands there, `whole`:
    all do. `staying`: those that nothing takes down when the agent's machine is dead. `serials`: its devices by what the hardware calls itself. `strange`: rows of contactors that the site does not have. `max_w` (n,): the most that both allow, `off_w` of the site for one that is not led. `bound_w` (2, n): the most that
    counts of what a device runs on, and of what it draws, in either direction; who says more would only paralyse the site.
    `down_seen_s`, `up_seen_s` (n,): as in `FleetColumns`; a contactor has none.
    """

    id: str
    boot: str
    boottime_ms: int
    count: int
    row: I64
    led: Bool
    whole: bool
    strange: I64
    bound_w: F64
    staying: tuple[str, ...]
    serials: Mapping[str, str]
    max_w: F64
    down_seen_s: F64
    up_seen_s: F64
    differences: tuple[Reason, ...]

    def columns(self, values: NDArray[Any], missing: NDArray[Any]) -> NDArray[Any]:
        """Return columns of a report (c, devices) in the order of the site's (c, n); `missing` (c, 1) where it has no such device."""
        if self.whole:
            return values[:, self.row]
        mine = np.tile(missing, len(self.row))
        mine[:, self.led] = values[:, self.row[self.led]]
        return mine

    def setpoints_w(self, setpoint_w: F64) -> list[int]:
        """Return the watts (n,) of the site's columns in the order of the inventory; 0 for what the site does not have."""
        watts = np.zeros(self.count)
        watts[self.strange] = LEAVE_W
        watts[self.row[self.led]] = setpoint_w[self.led]
        if not np.isfinite(watts).all():
            raise ValueError("a setpoint is not finite")
        return watts.astype(np.int64).tolist()


def hold_against(
    site: Site, models: Sequence[str], mine: I64, inventory: Inventory, relays: Sequence[AgentRelay] = ()
) -> AgentInventory:
    """Return the inventory of an agent whose devices have the columns `mine`; `models` (D,): as in the site file.

    Its contactors, the `relays`, come behind its devices.
    """
    ids = [*(site.devices.ids[i] for i in mine.tolist()), *(relay.device for relay in relays)]
    place = {device.id: k for k, device in enumerate(inventory.devices)}
    row = np.array([place.get(id_, -1) for id_ in ids], dtype=np.int64)
    led = row >= 0
    signed_w = np.concatenate([site.devices.max_w[mine], [relay.closed_w for relay in relays]])
    max_w = np.where(led, signed_w, np.concatenate([site.devices.off_w[mine], np.zeros(len(relays))]))
    told_w = np.array([device.max_w for device in inventory.devices], dtype=np.float64)
    max_w[led] = np.minimum(max_w[led], told_w[row[led]])
    both = [(i, inventory.devices[k]) for i, k in zip(mine.tolist(), row.tolist(), strict=False) if k >= 0]
    return AgentInventory(
        id=inventory.inventory,
        boot=inventory.echo.boot,
        boottime_ms=inventory.echo.boottime_ms,
        count=len(inventory.devices),
        row=row,
        led=led,
        whole=bool(led.all()),
        strange=_strange(inventory, ids),
        bound_w=signed_w * _MOST_TIMES,
        staying=tuple(d.id for d in inventory.devices if d.dead_man is None and d.model != CONTACTOR),
        serials={device.serial: device.id for device in inventory.devices if device.serial is not None},
        max_w=max_w,
        down_seen_s=_longer_s(site.devices.down_seen_s[mine], [device.down_ms for device in inventory.devices], row),
        up_seen_s=_longer_s(site.devices.up_seen_s[mine], [device.up_ms for device in inventory.devices], row),
        differences=(
            *_named(Code.DEVICES_MISSING, inventory.agent, [id_ for id_ in ids if id_ not in place]),
            *_named(Code.DEVICES_UNDECLARED, inventory.agent, sorted(place.keys() - set(ids))),
            *_differing(site.devices, models, inventory.agent, both),
            *_relays_differing(relays, inventory.agent, inventory.devices),
        ),
    )


def _longer_s(declared_s: F64, said_ms: Sequence[int], row: I64) -> F64:
    """Return the longer times: who says a shorter one than the site file would have a proof too early."""
    mine = row[: len(declared_s)]
    longer_s, led = declared_s.copy(), mine >= 0
    said_s = np.minimum(np.array(said_ms, dtype=np.float64)[mine[led]] / 1000.0, _LONGEST_S)
    longer_s[led] = np.maximum(declared_s[led], seen_s(said_s))
    return longer_s


def shared(agent: str, mine: AgentInventory, others: Mapping[str, AgentInventory]) -> tuple[Reason, ...]:
    """Return a reason for each other agent that has hardware of this one, too, whatever either calls it."""
    return tuple(
        Reason(Code.DEVICES_SHARED, agent, {"other": other, **name_some([mine.serials[one] for one in both])})
        for other, theirs in others.items()
        if (both := sorted(mine.serials.keys() & theirs.serials.keys(), key=lambda one: mine.serials[one]))
    )


def _strange(inventory: Inventory, ids: Sequence[str]) -> I64:
    rows = [k for k, device in enumerate(inventory.devices) if device.model == CONTACTOR and device.id not in ids]
    return np.array(rows, dtype=np.int64)


def _relays_differing(relays: Sequence[AgentRelay], agent: str, devices: Sequence[InventoryDevice]) -> Iterator[Reason]:
    there = {device.id: device for device in devices}
    for relay in relays:
        if relay.device in there:
            yield from _relay_differing(relay, agent, there[relay.device])


def _relay_differing(relay: AgentRelay, agent: str, device: InventoryDevice) -> Iterator[Reason]:
    """Report a contactor that is no switch between 0 and the node's rating, or that the end of a lease would open."""
    closed_w = str(int(relay.closed_w))
    declared = {"model": CONTACTOR, "max_w": closed_w, "off_w": "0", "failsafe_w": closed_w, "ranges": closed_w}
    said = _said(device)
    for fact, allowed in declared.items():
        if said[fact] != allowed:
            figures = {"fact": fact, "found": said[fact], "allowed": allowed}
            yield Reason(Code.DEVICES_DIFFER, agent, {**figures, **name_some([device.id])})


def name_some(ids: Sequence[str]) -> dict[str, str | int]:
    """Return the parameters of a reason about these devices: some by name, the others counted."""
    return {"devices": ", ".join(ids[:_NAMED]), "more": max(0, len(ids) - _NAMED)}


def _named(code: Code, agent: str, ids: Sequence[str]) -> list[Reason]:
    return [Reason(code, agent, name_some(ids))] if ids else []


def _differing(
    devices: Devices, models: Sequence[str], agent: str, both: Sequence[tuple[int, InventoryDevice]]
) -> list[Reason]:
    """Return a reason for each fact that the two say differently, with what they say of the first such device.

    Most devices of an agent are alike, in the site file and in the inventory: two that are so differ alike.
    """
    found: dict[str, list[tuple[str, str, str]]] = {}
    known: dict[object, list[tuple[str, str, str]]] = {}
    for (i, device), facts in zip(both, _facts(devices, [i for i, _ in both]), strict=True):
        alike = models[i], facts, _told(device)
        differences = known.get(alike)
        if differences is None:
            declared, said = _declared(devices, models[i], i), _said(device)
            differences = [(fact, said[fact], declared[fact]) for fact in said if said[fact] != declared[fact]]
            known[alike] = differences
        for fact, said_so, declared_so in differences:
            found.setdefault(fact, []).append((device.id, said_so, declared_so))
    return [
        Reason(
            Code.DEVICES_DIFFER,
            agent,
            {"fact": fact, "found": cases[0][1], "allowed": cases[0][2], **name_some([id_ for id_, *_ in cases])},
        )
        for fact, cases in found.items()
    ]


def _facts(devices: Devices, rows: Sequence[int]) -> Iterator[tuple[object, ...]]:
    """Yield of each of these devices all that `_declared` is made of, but for the model."""
    index = np.array(rows, dtype=np.int64)
    columns = (devices.failsafe_w, devices.up_s, devices.down_s, devices.mode_start, devices.mode_start[1:])
    for failsafe_w, up_s, down_s, first, end in zip(*(column[index].tolist() for column in columns), strict=True):
        modes = devices.mode_w[first:end].tobytes(), devices.mode_continuous[first:end].tobytes()
        yield *modes, failsafe_w, up_s, down_s


def _told(device: InventoryDevice) -> tuple[object, ...]:
    """Return all that `_said` is made of."""
    ranges = tuple([(one.from_w, one.to_w) for one in device.ranges])
    return device.model, device.max_w, device.off_w, device.failsafe_w, ranges, device.up_ms, device.down_ms


def _said(device: InventoryDevice) -> Mapping[str, str]:
    return {
        "model": device.model,
        "max_w": str(device.max_w),
        "off_w": str(device.off_w),
        "failsafe_w": str(device.failsafe_w),
        "ranges": _joined([(one.from_w, one.to_w) for one in device.ranges]),
        "up_ms": str(device.up_ms),
        "down_ms": str(device.down_ms),
    }


def _declared(devices: Devices, model: str, i: int) -> Mapping[str, str]:
    rows = slice(devices.mode_start[i], devices.mode_start[i + 1])
    watts, continuous = devices.mode_w[rows].astype(int).tolist(), devices.mode_continuous[rows].tolist()
    ranges = [(low if free else high, high) for (low, high), free in zip(pairwise(watts), continuous[1:], strict=True)]
    return {
        "model": model,
        "max_w": str(watts[-1]),
        "off_w": str(watts[0]),
        "failsafe_w": str(int(devices.failsafe_w[i])),
        "ranges": _joined(ranges),
        "up_ms": str(round(1000 * devices.up_s[i])),
        "down_ms": str(round(1000 * devices.down_s[i])),
    }


def _joined(ranges: Sequence[tuple[int, int]]) -> str:
    """Return ranges in words, such as ``1400-3500`` or ``1080 1916 2794``; those that touch are one."""
    whole: list[tuple[int, int]] = []
    for low, high in ranges:
        if whole and low <= whole[-1][1]:
            whole[-1] = whole[-1][0], max(high, whole[-1][1])
        else:
            whole.append((low, high))
    return " ".join(str(low) if low == high else f"{low}-{high}" for low, high in whole)
