"""The site file as the agents read it: their devices, their contactors, and no more."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from drivers.errors import ConfigError
from drivers.fleet import wire
from drivers.fleet.agent.contactor import contactor_of
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.catalogue import Model
from drivers.fleet.own_models import catalogue_beside
from drivers.quantities import QuantityError, QuantityKind, parse_quantity
from drivers.strict_yaml import plain_values
from simulators.world.devices import measured_by


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSite:
    """The devices of each agent by id, and the site's settle time in s; `protocol` is the MQTT version as written.

    `contactors`: the nodes of those devices that are contactors, by device.
    """

    id: str
    settle_s: float
    protocol: Literal["5", "3.1.1"]
    agents: Mapping[str, Mapping[str, LeasedDevice]]
    contactors: Mapping[str, str]


def read_fleet(path: Path) -> FleetSite:
    """Read a site file that `surplusd check` accepts; raises ConfigError for one that is no use to the agents."""
    try:
        raw = plain_values(path.read_text(encoding="utf-8"), str(path))
        agents: dict[str, dict[str, LeasedDevice]] = {}
        for agent, device_id, device in _devices(raw["fleet"], catalogue_beside(path, raw)):
            agents.setdefault(agent, {})[device_id] = device
        contactors = {}
        for agent, device_id, node in _contactors(raw["nodes"]):
            agents.setdefault(agent, {})[device_id] = contactor_of(_rating_w(node))
            contactors[device_id] = node["id"]
        return FleetSite(
            id=raw["site"],
            settle_s=parse_quantity(raw["grid"].get("settle", "15 s"), QuantityKind.TIME),
            protocol=raw["mqtt"].get("protocol", "5"),
            agents=agents,
            contactors=contactors,
        )
    except (OSError, KeyError, TypeError, AttributeError, QuantityError) as error:
        raise ConfigError(f"{path}: the fleet cannot use this site: {error!r}") from error


def _devices(fleet: Mapping[str, Any], models: Mapping[str, Model]) -> Iterator[tuple[str, str, LeasedDevice]]:
    for group in fleet.get("groups", ()):
        device = _device(group, models)
        for k in range(1, group["count"] + 1):
            yield group["agent"], f"{group['id']}-{k:03d}", device
    for entry in fleet.get("devices", ()):
        yield entry["agent"], entry["id"], _device(entry, models)


def _contactors(nodes: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for node in nodes:
        if (relay := node.get("contactor", {}).get("relay")) is not None:
            yield relay["agent"], relay["device"], node


def _rating_w(node: Mapping[str, Any]) -> float:
    limit = node.get("limit", "unlimited")
    return math.inf if limit == "unlimited" else parse_quantity(limit, QuantityKind.POWER)


def _device(entry: Mapping[str, Any], models: Mapping[str, Model]) -> LeasedDevice:
    model = models[entry["model"]]
    by = wire.MeasuredBy[measured_by(model).upper()]
    return LeasedDevice(
        model=model,
        failsafe_w=_failsafe_w(entry.get("failsafe", "off")),
        proof=wire.Proof.READ_BACK if by is wire.MeasuredBy.ESTIMATE else wire.Proof.BOTH,
        measured_by=by,
    )


def _failsafe_w(text: object) -> float:
    return 0.0 if text == "off" else parse_quantity(text, QuantityKind.POWER)
