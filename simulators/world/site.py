"""The site file as the world reads it: on its own, so that an error of the daemon's reader is no error of the judge."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from drivers.fleet.catalogue import Model
from drivers.fleet.own_models import catalogue_beside
from drivers.quantities import QuantityError, QuantityKind, parse_quantity
from drivers.strict_yaml import plain_values

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldDevice:
    """One device of the site: its model and the index of its node."""

    id: str
    model: Model
    node: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSite:
    """What the physics and the referee need to know; N nodes in the file's order, parents before their children.

    `parent` (N,): index, -1 for the root, which is node 0. `limit_w` (N,): own rating, inf for unlimited.
    `house_w` (N,): declared house load of the node itself, without that of the nodes below.
    `accuracy` (N,): worst class of the node's meters as a share, 0 without a meter.
    `feeder_rating_w`: R of the model ``headroom``. `frequency_hz`: the grid's nominal one. `contactors`: ids of the nodes with
    one.
    """

    id: str
    node_ids: tuple[str, ...]
    parent: I64
    limit_w: F64
    house_w: F64
    accuracy: F64
    devices: tuple[WorldDevice, ...]
    contract_w: float
    firm_w: float
    ramp_up_w_s: float
    settle_s: float
    lease_s: float
    feeder_rating_w: float
    frequency_hz: float = 50.0
    contactors: tuple[str, ...] = ()

    @property
    def fleet_w(self) -> float:
        """The sum of the signed maxima."""
        return float(sum(device.model.max_w for device in self.devices))


def read_site(path: Path) -> WorldSite:
    """Read a site file that `surplusd check` accepts; raises ConfigError for one that is no use to the world."""
    try:
        raw = plain_values(path.read_text(encoding="utf-8"), str(path))
        return _site(raw, catalogue_beside(path, raw))
    except (OSError, KeyError, TypeError, QuantityError) as error:
        raise ConfigError(f"{path}: the world cannot use this site: {error!r}") from error


def _site(raw: Mapping[str, Any], models: Mapping[str, Model]) -> WorldSite:
    nodes = _parents_first(raw["nodes"])
    ids = tuple(node["id"] for node in nodes)
    index = {name: i for i, name in enumerate(ids)}
    parent = np.array([index[node["parent"]] if "parent" in node else -1 for node in nodes])
    accuracy = np.zeros(len(ids))
    for meter in raw["meters"]:
        i = index[meter["node"]]
        accuracy[i] = max(accuracy[i], parse_quantity(meter["class"], QuantityKind.FRACTION))
    grid = raw["grid"]
    contract_w = _power(grid["contract"])
    return WorldSite(
        id=raw["site"],
        node_ids=ids,
        parent=parent,
        limit_w=np.array([_power(node.get("limit", "unlimited")) for node in nodes]),
        house_w=np.array([_power(node.get("house_load", "0 W")) for node in nodes]),
        accuracy=accuracy,
        devices=tuple(sorted(_devices(raw["fleet"], index, models), key=lambda device: device.id)),
        contract_w=contract_w,
        firm_w=_power(grid["firm"]),
        ramp_up_w_s=parse_quantity(grid["ramp_up"], QuantityKind.POWER_RATE),
        settle_s=parse_quantity(grid.get("settle", "15 s"), QuantityKind.TIME),
        lease_s=parse_quantity(raw["fleet"].get("lease", "30 s"), QuantityKind.TIME),
        frequency_hz=parse_quantity(grid.get("frequency", "50 Hz"), QuantityKind.FREQUENCY),
        contactors=tuple(node["id"] for node in nodes if "contactor" in node),
        feeder_rating_w=_power(raw["surplus"].get("rating", f"{2.0 * contract_w} W")),
    )


def _power(text: str) -> float:
    return math.inf if text == "unlimited" else parse_quantity(text, QuantityKind.POWER)


def _parents_first(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    placed: dict[str, dict[str, Any]] = {}
    waiting = nodes
    while waiting:
        placed |= {node["id"]: node for node in waiting if "parent" not in node or node["parent"] in placed}
        left = [node for node in waiting if node["id"] not in placed]
        if len(left) == len(waiting):
            raise ConfigError(f"nodes without a way to the root: {', '.join(node['id'] for node in left)}")
        waiting = left
    return list(placed.values())


def _devices(fleet: Mapping[str, Any], index: Mapping[str, int], models: Mapping[str, Model]) -> Iterator[WorldDevice]:
    for group in fleet.get("groups", ()):
        for k in range(1, group["count"] + 1):
            yield WorldDevice(id=f"{group['id']}-{k:03d}", model=models[group["model"]], node=index[group["node"]])
    for device in fleet.get("devices", ()):
        yield WorldDevice(id=device["id"], model=models[device["model"]], node=index[device["node"]])
