"""Sites for judges and gap tables.

Random ones: site, transformers, feeders, PDUs, devices. Every limit is drawn at 0.6-1.0 of the most that the devices
below can draw, so levels bind in turn and everything off always fits.
"""

from __future__ import annotations

import numpy as np

from controller.core.site import F64, I64, Bool, Devices, Tree
from drivers.fleet.catalogue import load_catalogue

#: USD per TH/s and hour, USD per Wh.
HASHPRICE = 0.05 / 24.0
TARIFF = 0.04 / 1000.0
_OFF_W = 25.0
_MINERS = ("antminer-s21", "antminer-s19k-pro", "antminer-s19-xp", "whatsminer-m60s")


def random_site(
    seed: int,
    devices: int,
    per_pdu: int,
    *,
    modes: int = 7,
    onoff: bool = False,
    continuous: float = 0.0,
    pdus_per_feeder: int = 16,
    feeders_per_transformer: int = 8,
) -> tuple[Tree, Devices]:
    """Return a site of `devices` devices in `per_pdu` a PDU; the same seed gives the same site.

    `modes` counts off; `onoff` is two modes. `continuous`: share of devices that may run at every power between their
    lowest running mode and their highest. 30 % of the devices are not concave at zero (a start costs more than it
    earns, so the hull leaves out their lowest modes).
    """
    random = np.random.default_rng(seed)
    watts, value, between = _devices(random, devices, 2 if onoff else modes, continuous)
    parent, above = _tree(devices, (per_pdu, pdus_per_feeder, feeders_per_transformer))
    pdus = -(-devices // per_pdu)
    node = (parent.size - pdus) + np.arange(devices) // per_pdu
    mode_count = np.full(devices, watts.shape[1])
    fleet = fleet_of(node, mode_count, watts.ravel(), value.ravel(), between.ravel())
    load_w = np.bincount(node, weights=fleet.max_w, minlength=parent.size)
    for level in above:
        load_w += np.bincount(parent[level], weights=load_w[level], minlength=parent.size)
    tree = Tree(
        ids=tuple(f"n{k:06d}" for k in range(parent.size)),
        parent=parent,
        limit_w=np.floor(load_w * random.uniform(0.6, 1.0, parent.size)),
        house_w=np.zeros(parent.size),
    )
    return tree, fleet


def catalogue_site(pdus: int, *, per_pdu: int = 40) -> tuple[Tree, Devices]:
    """Return a site of the catalogue's miners: PDUs of one model each, limited to 90 % of what its devices can draw."""
    models = [load_catalogue()[_MINERS[k % len(_MINERS)]] for k in range(pdus) for _ in range(per_pdu)]
    modes = [mode for model in models for mode in model.modes]
    watts = np.array([mode.watts for mode in modes])
    hashrate = np.array([mode.hashrate_ths for mode in modes])
    value = np.where(hashrate > 0.0, hashrate * HASHPRICE - watts * TARIFF, 0.0)
    mode_count = np.array([len(model.modes) for model in models])
    node = 1 + np.arange(len(models)) // per_pdu
    fleet = fleet_of(node, mode_count, watts, value, np.array([mode.continuous for mode in modes]))
    limit_w = np.bincount(node, weights=0.9 * fleet.max_w).astype(np.float64)
    limit_w[0] = np.inf
    tree = Tree(
        ids=tuple(f"n{k}" for k in range(pdus + 1)),
        parent=np.append(-1, np.zeros(pdus, dtype=np.int64)),
        limit_w=limit_w,
        house_w=np.zeros(pdus + 1),
    )
    return tree, fleet


def _tree(devices: int, groups: tuple[int, int, int]) -> tuple[I64, list[slice]]:
    """Return the parents, and the levels below the site from the lowest up."""
    counts = [-(-devices // groups[0])]
    for group in groups[1:]:
        counts.insert(0, -(-counts[0] // group))
    parents, levels, above, first = [np.array([-1])], [], 0, 1
    for count, group in zip(counts, (counts[0], groups[2], groups[1]), strict=True):
        parents.append(above + np.arange(count) // group)
        levels.append(slice(first, first + count))
        above, first = first, first + count
    return np.concatenate(parents).astype(np.int64), levels[::-1]


def _devices(random: np.random.Generator, devices: int, modes: int, continuous: float) -> tuple[F64, F64, Bool]:
    """Return watts, value and continuity (D, modes)."""
    rated_w = random.uniform(2000.0, 5500.0, devices)
    joule_per_th = random.uniform(15.0, 35.0, devices)
    bend = random.uniform(0.7, 0.95, devices)[:, None]
    idle = np.where(random.random(devices) < 0.3, random.uniform(0.2, 0.35, devices), 0.0)[:, None]
    share = np.linspace(0.4, 1.0, modes - 1)[None, :] if modes > 2 else np.ones((1, 1))
    share = np.clip(share + random.uniform(-0.04, 0.04, (devices, modes - 1)) * (share < 1.0), 0.36, 1.0)
    watts = np.concatenate([np.full((devices, 1), _OFF_W), np.round(rated_w[:, None] * share)], axis=1)
    hashrate = (rated_w / joule_per_th)[:, None] * ((share - idle) / (1.0 - idle)) ** bend
    value = np.concatenate([np.zeros((devices, 1)), hashrate * HASHPRICE - watts[:, 1:] * TARIFF], axis=1)
    between = np.zeros((devices, modes), dtype=np.bool_)
    between[:, 2:] = (random.random(devices) < continuous)[:, None]
    return watts, value, between


def fleet_of(node: I64, mode_count: I64, mode_w: F64, mode_value: F64, mode_continuous: Bool) -> Devices:
    count = node.size
    mode_start = np.append(0, np.cumsum(mode_count))
    zeros = np.zeros(count)
    return Devices(
        ids=tuple(f"d{k:07d}" for k in range(count)),
        node=node.astype(np.int64),
        agent=np.zeros(count, dtype=np.int64),
        failsafe_w=mode_w[mode_start[:-1]],
        tolerance=zeros,
        down_s=zeros,
        up_s=zeros,
        min_up_s=zeros,
        min_down_s=zeros,
        settle_s=zeros,
        start_cost=zeros,
        change_cost=zeros,
        protected=np.zeros(count, dtype=np.bool_),
        restarts=np.zeros(count, dtype=np.bool_),
        report_error=zeros,
        steady=np.ones(count, dtype=np.bool_),
        mode_start=mode_start,
        mode_w=mode_w,
        mode_value=mode_value,
        mode_continuous=mode_continuous,
    )
