"""The devices of a fleet, groups taken apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controller.site.model import DeviceEntry, FleetSection, GroupEntry
from controller.site.problems import Loc
from controller.site.unknown import UNKNOWN
from drivers.fleet.catalogue import Model


@dataclass(frozen=True, slots=True)
class Load:
    """An entry of the fleet with its place in the file and the ids of its devices."""

    loc: Loc
    entry: GroupEntry | DeviceEntry
    ids: tuple[str, ...]


def loads(fleet: FleetSection) -> Iterator[Load]:
    """Return the groups, then the single devices, of a fleet."""
    for index, group in enumerate(fleet.groups):
        yield Load(("fleet", "groups", index), group, _group_ids(group))
    for index, device in enumerate(fleet.devices):
        yield Load(("fleet", "devices", index), device, () if device.id is UNKNOWN else (device.id,))


def _group_ids(group: GroupEntry) -> tuple[str, ...]:
    if group.id is UNKNOWN or group.count is UNKNOWN:
        return ()
    return tuple(f"{group.id}-{number:03d}" for number in range(1, group.count + 1))


def models_by_device(fleet: FleetSection) -> dict[str, str]:
    """Return the model of every device by its id, as the file gives it."""
    return {id_: load.entry.model for load in loads(fleet) for id_ in load.ids}


def declared_failsafe_w(failsafe: float | str, model: Model) -> float:
    """Return the failsafe watts of a device as the file gives them; ``off`` are its residual watts."""
    return float(model.off_w) if isinstance(failsafe, str) else failsafe
