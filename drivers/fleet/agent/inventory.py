"""The inventory of an agent: its devices as the controller is to know them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.wire import InventoryDevice, Range


def inventory_of(devices: Mapping[str, LeasedDevice]) -> list[InventoryDevice]:
    """Return the devices sorted by id, which is the order of all columns."""
    return [_entry(id_, devices[id_]) for id_ in sorted(devices)]


def _entry(id_: str, device: LeasedDevice) -> InventoryDevice:
    model = device.model
    return InventoryDevice(
        id=id_,
        model=model.id,
        max_w=device.at_most(device.max_w),
        off_w=model.off_w,
        ranges=_ranges(device),
        up_ms=round(1000 * model.up_s),
        down_ms=round(1000 * model.down_s),
        failsafe_w=device.at_most(device.failsafe_w),
        proof=device.proof,
        measured_by=device.measured_by,
        dead_man=device.dead_man,
        serial=device.serial,
    )


def _ranges(device: LeasedDevice) -> list[Range]:
    """Return what the device may be set to while it runs; modes that are joined by continuous ones are one range."""
    most_w = device.at_most(device.max_w)
    ranges: list[Range] = []
    for below, mode in pairwise(device.model.modes):
        to_w = min(int(mode.watts), most_w)
        if not mode.continuous:
            ranges += [Range(from_w=to_w, to_w=to_w)] if mode.watts <= most_w else []
        elif ranges and ranges[-1].to_w == int(below.watts):
            ranges[-1] = Range(from_w=ranges[-1].from_w, to_w=to_w)
        elif not ranges and device.model.off_w < to_w:  # continuous from off on
            ranges.append(Range(from_w=device.model.off_w + 1, to_w=to_w))
    return ranges
