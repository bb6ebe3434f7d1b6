"""A fleet whose devices speak their own protocols, led by ``surplusd agent run``: of each family so many devices, one agent a family."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from controller.demo.faults import Mishap
from drivers.devices.login import Login
from drivers.errors import ConfigError
from drivers.fleet.catalogue import load_catalogue
from drivers.quantities import QuantityKind, parse_quantity
from simulators.devices.served import SERVED
from simulators.world.devices import serial_of

Raw = dict[str, Any]
HELP: Final = (
    f"devices that speak their own protocols, e.g. luxos=60,vnish=20, instead of those of the site; {', '.join(SERVED)}"
)
_UNLIMITED_W: Final = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAgent:
    """An agent of real devices: its id, its file, and what the world serves for it, as ``ID=FAMILY:PORT``."""

    id: str
    file: Path
    serve: tuple[str, ...]


def parse_fleet(text: str) -> Mapping[str, int]:
    """Return how many devices of each family are wanted; a type for argparse, and raises its ArgumentTypeError."""
    wanted: dict[str, int] = {}
    for part in text.split(","):
        match = re.fullmatch(r"([a-z0-9-]+)=([1-9][0-9]{0,3})", part.strip())
        if match is None or match[1] not in SERVED or match[1] in wanted:
            raise argparse.ArgumentTypeError(
                f"found {part!r}, allowed is FAMILY=COUNT, each once; families: {', '.join(SERVED)}"
            )
        wanted[match[1]] = int(match[2])
    return wanted


def replace_fleet(raw: Raw, wanted: Mapping[str, int]) -> None:
    """Put these devices in place of the site's, where the nodes have the most room; the agents are called as the families."""
    room = _room_w(raw)
    groups: list[Raw] = []
    for family, count in wanted.items():
        model = load_catalogue()[SERVED[family].model]
        left, number = count, 0
        while left:
            node = max(room, key=lambda name: room[name])
            here = min(left, max(1, int(room[node] // model.max_w)))
            number, left, room[node] = number + 1, left - here, room[node] - here * model.max_w
            groups.append(
                {"id": f"{family}-{number}", "model": model.id, "count": here, "agent": family, "node": node, "failsafe": "off"}
            )  # fmt: skip
    raw["fleet"] = {"lease": raw["fleet"]["lease"], "groups": groups}


def own_agents(raw: Raw, wanted: Mapping[str, int], folder: Path, ports: Iterator[int]) -> tuple[OwnAgent, ...]:
    """Write the file of each agent, and the logins of its devices, into the folder."""
    return tuple(_own_agent(raw, family, folder, ports) for family in wanted)


def refuse_without_own_protocols(args: argparse.Namespace, own: Sequence[OwnAgent]) -> None:
    """Raise ConfigError for what the demo can do to its own simulated hardware alone."""
    if own and args.relays:
        raise ConfigError(
            "--relays: found with --fleet, whose agents do not know the world's relays; allowed is either"
        )
    jumps = [fault.name for fault in args.faults if fault.what is Mishap.CLOCK_JUMPS]
    if own and jumps:
        raise ConfigError(
            f"--fault: found {jumps[0]} with --fleet, whose agents have the machine's clock; allowed is either"
        )


def _own_agent(raw: Raw, family: str, folder: Path, ports: Iterator[int]) -> OwnAgent:
    served = SERVED[family]
    login = {} if served.login is None else {"login": str(_write_login(folder / f"{family}.login", served.login))}
    groups = [group for group in raw["fleet"]["groups"] if group["agent"] == family]
    ids = [f"{group['id']}-{number:03d}" for group in groups for number in range(1, group["count"] + 1)]
    placed = {id_: next(ports) for id_ in ids}
    devices = [
        {"id": id_, "family": family, "host": "127.0.0.1", "port": port, "serial": serial_of(id_), "model": served.model, **login}
        for id_, port in placed.items()
    ]  # fmt: skip
    mqtt = {key: raw["mqtt"][key] for key in ("host", "port", "protocol", "keys", "tls")}
    file = folder / f"{family}.agent.yaml"
    content = {
        "version": 1,
        "site": raw["site"],
        "agent": family,
        "settle": raw["grid"]["settle"],
        "mqtt": mqtt,
        "state": str(folder / "agents"),
        "devices": devices,
    }
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return OwnAgent(id=family, file=file, serve=tuple(f"{id_}={family}:{port}" for id_, port in placed.items()))


def _room_w(raw: Raw) -> dict[str, float]:
    """Return the rating of every node that has none below it."""
    parents = {node.get("parent") for node in raw["nodes"]}
    leaves = [node for node in raw["nodes"] if node["id"] not in parents]
    if not leaves:
        raise ConfigError("--fleet: found a site without nodes")
    return {node["id"]: _limit_w(node.get("limit", "unlimited")) for node in leaves}


def _limit_w(text: str) -> float:
    return _UNLIMITED_W if text == "unlimited" else parse_quantity(text, QuantityKind.POWER)


def _write_login(path: Path, login: Login) -> Path:
    lines = [f"username: {login.username}\n"] if login.username else []
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write("".join([*lines, f"password: {login.password}\n"]))
    return path
