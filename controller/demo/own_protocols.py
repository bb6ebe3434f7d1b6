"""Devices of the demo that speak their own protocols, led by ``surplusd agent run``: those of some of its agents, or a fleet as wished."""

from __future__ import annotations

import argparse
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from controller.demo.faults import Mishap
from controller.demo.own_times import model_of, own_models
from drivers.devices.families import Family, LoginKind, load_families
from drivers.devices.login import Login
from drivers.errors import ConfigError
from drivers.fleet.catalogue import DeviceKind, load_catalogue
from drivers.quantities import QuantityKind, parse_quantity
from simulators.devices import nvml_library
from simulators.devices.job_switch import job_programs
from simulators.devices.served import EVERY_SERVED
from simulators.world.devices import mac_of, serial_of

Raw = dict[str, Any]
SIMULATED: Final = "simulated"
HELP: Final = (
    f"what the devices speak: `{SIMULATED}`, or e.g. luxos=60,vnish=20 in place of those of the site; by default some agents of the "
    f"site lead theirs by their own protocols; families: {', '.join(EVERY_SERVED)}"
)
#: The agents of the demo's site whose devices speak their own protocols where nothing else is said, and which, by model.
_OWN_AGENTS: Final = frozenset({"hall-a3", "hall-b1", "hall-b2"})
_SPOKEN: Final = {
    "antminer-s21": "braiins",
    "antminer-s19-xp": "vnish",
    "antminer-s19k-pro": "luxos",
    "whatsminer-m60s": "whatsminer-v3",
}
_UNLIMITED_W: Final = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFleet:
    """What is to speak its own protocol: `counts` of families in place of the site's fleet, or those of some `agents` of the site."""

    counts: Mapping[str, int] = field(default_factory=dict)
    agents: frozenset[str] = frozenset()


#: Nothing speaks its own protocol.
NONE_OWN: Final = WantedFleet()
#: What the demo has where nothing is said.
MIXED: Final = WantedFleet(agents=_OWN_AGENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAgent:
    """An agent of real devices: its id, its file, what the world serves for it, as ``ID=FAMILY:PORT``, and its environment.

    `models`: those of the demo's own that its devices are of, as a site file has them.
    """

    id: str
    file: Path
    serve: tuple[str, ...]
    environment: Mapping[str, str]
    models: Mapping[str, Raw] = field(default_factory=dict)


def parse_fleet(text: str) -> WantedFleet:
    """Return what the option's text wishes; a type for argparse, and raises its ArgumentTypeError."""
    if text == SIMULATED:
        return NONE_OWN
    wanted: dict[str, int] = {}
    for part in text.split(","):
        match = re.fullmatch(r"([a-z0-9-]+)=([1-9][0-9]{0,3})", part.strip())
        if match is None or match[1] not in EVERY_SERVED or match[1] in wanted:
            raise argparse.ArgumentTypeError(
                f"found {part!r}, allowed is {SIMULATED}, or FAMILY=COUNT, each once; families: {', '.join(EVERY_SERVED)}"
            )
        wanted[match[1]] = int(match[2])
    return WantedFleet(counts=wanted)


def replace_fleet(raw: Raw, wanted: Mapping[str, int]) -> None:
    """Put these devices in place of the site's, where the nodes have the most room; the agents are called as the families."""
    room = _room_w(raw)
    groups: list[Raw] = []
    for family, count in wanted.items():
        model = load_catalogue()[EVERY_SERVED[family].model]
        failsafe = f"{model.modes[1].watts:.0f} W" if model.kind is DeviceKind.GPU else "off"
        priority = {} if model.kind is DeviceKind.ASIC else {"priority": next(iter(raw["economics"]["gpu"]))}
        left, number = count, 0
        while left:
            node = max(room, key=lambda name: room[name])
            here = min(left, max(1, int(room[node] // model.max_w)))
            number, left, room[node] = number + 1, left - here, room[node] - here * model.max_w
            groups.append(
                {"id": f"{family}-{number}", "model": model.id, "count": here, "agent": family, "node": node, "failsafe": failsafe, **priority}
            )  # fmt: skip
    raw["fleet"] = {"lease": raw["fleet"]["lease"], "groups": groups}


def own_agents(
    raw: Raw, wanted: WantedFleet, folder: Path, ports: Iterator[int], relays: Mapping[str, Raw]
) -> tuple[OwnAgent, ...]:
    """Write the file of each agent, and the logins of its devices, into the folder. `relays`: before which device is which."""
    if not wanted.counts and not wanted.agents:
        return ()
    agents = wanted.counts or sorted(wanted.agents & {group["agent"] for group in raw["fleet"]["groups"]})
    return tuple(_own_agent(raw, agent, folder, ports, relays) for agent in agents)


def name_models(raw: Raw, own: Sequence[OwnAgent]) -> None:
    """Have a site file name the models of the demo's own for the devices of these agents."""
    agents = {agent.id for agent in own if agent.models}
    for group in raw["fleet"].get("groups", ()):
        if group["agent"] in agents:
            group["model"] = model_of(group["model"], _family_of(group["agent"], group))
    if models := {name: model for agent in own for name, model in agent.models.items()}:
        raw["models"] = models


def wanted_fleet(args: argparse.Namespace) -> WantedFleet:
    """Return what is to speak its own protocol; ConfigError for what the demo can do to its own simulated agents alone."""
    jumps = [fault.name for fault in args.faults if fault.what is Mishap.CLOCK_JUMPS]
    if not jumps:
        return args.fleet or MIXED
    if args.fleet is not None and args.fleet.counts:
        raise ConfigError(
            f"--fault: found {jumps[0]} with --fleet, whose agents have the machine's clock; allowed is either"
        )
    return NONE_OWN


def spoken(own: Sequence[OwnAgent]) -> Mapping[str, int]:
    """Return how many devices speak the protocol of which family."""
    families = [serve.partition("=")[2].partition(":")[0] for agent in own for serve in agent.serve]
    return dict(sorted(Counter(families).items()))


def _own_agent(raw: Raw, agent: str, folder: Path, ports: Iterator[int], relays: Mapping[str, Raw]) -> OwnAgent:
    groups = [group for group in raw["fleet"]["groups"] if group["agent"] == agent]
    of_machine = next(ports)  # GPUs of the agent's own machine are reached at one place
    devices: list[Raw] = []
    serve: list[str] = []
    for group in groups:
        family = _family_of(agent, group)
        for number in range(1, group["count"] + 1):
            id_ = f"{group['id']}-{number:03d}"
            port = of_machine if family.is_local else next(ports)
            jobs = {"jobs": job_programs(family.name, port, len(devices))} if family.kind is DeviceKind.GPU else {}
            relay = {"relay": f"k-{id_}"} if id_ in relays else {}
            devices.append(_device(id_, family, port, group, folder) | jobs | relay)
            serve.append(f"{id_}={family.name}:{port}")
    file = folder / f"{agent}.agent.yaml"
    models = own_models((group["model"], _family_of(agent, group)) for group in groups)
    mine = [relays[device["id"]] for device in devices if device["id"] in relays]
    content = {
        "version": 1,
        "site": raw["site"],
        "agent": agent,
        "settle": raw["grid"]["settle"],
        "mqtt": {key: raw["mqtt"][key] for key in ("host", "port", "protocol", "keys", "tls")},
        "state": str(folder / "agents"),
        "devices": devices,
        **({"relays": mine} if mine else {}),
        **({"models": dict(models)} if models else {}),
    }
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    has_gpus = any("gpus" in device for device in devices)
    environment = _nvml_environment(folder, of_machine) if has_gpus else {}
    return OwnAgent(id=agent, file=file, serve=tuple(serve), environment=environment, models=models)


def _family_of(agent: str, group: Raw) -> Family:
    return load_families()[agent if agent in EVERY_SERVED else _SPOKEN[group["model"]]]


def _device(id_: str, family: Family, port: int, group: Raw, folder: Path) -> Raw:
    served = EVERY_SERVED[family.name]
    device: Raw = {
        "id": id_,
        "family": family.name,
        "model": model_of(group["model"], family),
        "failsafe": group.get("failsafe", "off"),
    }
    if family.is_local:
        return device | {"gpus": [f"GPU-{serial_of(id_)}-0"]}
    if served.login is not None:
        device["login"] = str(_write_login(folder / f"{family.name}.login", served.login))
    name = (
        {"serial": serial_of(id_)}
        if served.by_serial or family.login is not LoginKind.OPTIONAL
        else {"mac": mac_of(id_)}
    )
    outlet = {} if served.outlet is None else {"outlet": served.outlet}
    tls = {"tls": {"plain": True}} if family.tls else {}
    return device | {"host": "127.0.0.1", "port": port, **name, **outlet, **tls}


def _nvml_environment(folder: Path, port: int) -> Mapping[str, str]:
    """Return what has a process find the simulated NVML, built in the folder; raises ConfigError without a compiler."""
    library = nvml_library.build(folder)
    return {"LD_LIBRARY_PATH": str(library.parent), nvml_library.PLACE: f"127.0.0.1:{port}"}


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
