"""What a demo stands on: a folder with keys, tokens and the site file, its addresses on free ports."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from controller.demo.contactors import WantedContactor, add_contactors
from controller.demo.own_protocols import NONE_OWN, OwnAgent, WantedFleet, name_models, own_agents, replace_fleet
from drivers.errors import ConfigError
from drivers.fleet.keys import CONTROLLER, make_keys
from drivers.strict_yaml import plain_values

LOOPBACK: Final = "127.0.0.1"
#: What the simulated SCADA shows for each surplus model.
SCADA_VARIABLES: Final = {"direct": "Grid.Surplus", "export": "Grid.Export", "headroom": "Grid.FeederLoad"}
FEEDER_RATING: Final = "2 MW"
#: How long a node with a contactor may draw too much, where the user says nothing else.
TRIP_AFTER_S: Final = 30.0
#: Below those that Linux gives to connections (32768 and up), so that none is taken before the demo listens on it.
_PORTS: Final = range(22_000, 32_768)

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What the user wants otherwise than in the site file; None leaves it as it is.

    `broker`: host and port of a broker that runs already. `contactors`: of nodes that have none in the file, which trip after
    `trip_after_s`. `fleet`: what speaks its own protocol. `relays`: the devices with a relay before them, which is a coil
    on Modbus where the device speaks its own protocol. `spoil`: changes what the daemon alone is told, so that a
    wrong configuration can be shown to fail.
    """

    model: str | None = None
    broker: tuple[str, int] | None = None
    protocol: str | None = None
    http_port: int | None = None
    contactors: tuple[WantedContactor, ...] = ()
    trip_after_s: float = TRIP_AFTER_S
    spoil: Callable[[Raw], None] | None = None
    fleet: WantedFleet = NONE_OWN
    relays: Callable[[Sequence[str]], Sequence[str]] = lambda _devices: ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSetup:
    """Where everything of one demo is.

    `site_file` is what the simulators read, `daemon_file` what the daemon reads: it names models whose times are those of the protocols that
    devices are led by. `root`: id of the root node. `model`: of the surplus.
    `meters`: ``NODE:PROFILE:PORT:UNIT`` of each; `contactors`: those on Modbus as the substation takes them; `scada`: the OPC UA
    endpoint;
    `agents`: their ids; `own`: those of them whose devices speak their own protocols;
    `relays`: those before devices, on Modbus as the substation takes them; `world`, `broker`, `http`: host and port.
    """

    folder: Path
    site_file: Path
    daemon_file: Path
    root: str
    model: str
    world: tuple[str, int]
    meters: tuple[str, ...]
    contactors: tuple[str, ...]
    scada: str
    agents: tuple[str, ...]
    broker: tuple[str, int]
    protocol: str
    http: tuple[str, int]
    own: tuple[OwnAgent, ...] = ()
    relays: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Return the daemon's HTTP address."""
        return f"http://{self.http[0]}:{self.http[1]}"

    def token_file(self, role: str) -> Path:
        """Return the file with the bearer token of a role."""
        return self.folder / f"{role}.token"


def prepare(folder: Path, site_text: str, options: DemoOptions) -> DemoSetup:
    """Write keys, tokens and site files into `folder`; raises ConfigError for a site that no demo can run."""
    try:
        raw: Raw = plain_values(site_text, "the demo cannot use this site")
        root, ports = next(node["id"] for node in raw["nodes"] if "parent" not in node), _free_ports()
        if options.fleet.counts:
            replace_fleet(raw, options.fleet.counts)
        add_contactors(raw, options.contactors, options.trip_after_s)
        _place(raw, folder, options, ports)
    except (KeyError, TypeError, StopIteration) as error:
        raise ConfigError(f"the demo cannot use this site: {error!r}") from error
    agents = _agents(raw)
    make_keys(folder / "keys", [CONTROLLER, *agents])
    for entry in raw["orders"]["tokens"]:
        _write_secret(Path(entry["token_file"]))
    relays = _relays(options.relays(_device_ids(raw)), next(ports))
    own = own_agents(raw, options.fleet, folder, ports, relays)
    is_led_otherwise = options.spoil is not None or any(agent.models for agent in own)
    setup = DemoSetup(
        folder=folder,
        own=own,
        relays=tuple(_wired(device, relay["modbus"]) for device, relay in relays.items()),
        site_file=folder / "site.yaml",
        daemon_file=folder / ("daemon.yaml" if is_led_otherwise else "site.yaml"),
        root=root,
        model=raw["surplus"]["model"],
        world=(LOOPBACK, next(ports)),
        meters=tuple(_meter(meter["node"], **meter["modbus"]) for meter in raw["meters"]),
        contactors=tuple(_coil(node["id"], **node["contactor"]["modbus"]) for node in _coiled(raw)),
        scada=raw["surplus"]["opcua"]["endpoint"],
        agents=tuple(agents),
        broker=(raw["mqtt"]["host"], raw["mqtt"]["port"]),
        protocol=raw["mqtt"]["protocol"],
        http=_split(raw["http"]["listen"]),
    )
    _write_site_files(setup, raw, options.spoil)
    return setup


def _free_ports() -> Iterator[int]:
    """Yield TCP ports of the loopback that nobody listens on now, none twice."""
    begin = secrets.randbelow(len(_PORTS))
    for port in (*_PORTS[begin:], *_PORTS[:begin]):
        if _is_free(port):
            yield port
    raise ConfigError(f"found no free port of {LOOPBACK}, allowed is one from {_PORTS[0]} to {_PORTS[-1]}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _place(raw: Raw, folder: Path, options: DemoOptions, ports: Iterator[int]) -> None:
    """Put every address on a free port of the loopback, and every file into the folder."""
    for meter in raw["meters"]:
        meter["modbus"] |= {"host": LOOPBACK, "port": next(ports)}
    for node in _coiled(raw):
        node["contactor"]["modbus"] |= {"host": LOOPBACK, "port": next(ports)}
    surplus = raw["surplus"]
    surplus["opcua"]["endpoint"] = f"opc.tcp://{LOOPBACK}:{next(ports)}/"
    if options.model is not None:
        _change_model(surplus, options.model)
    host, port = options.broker or (LOOPBACK, next(ports))
    raw["mqtt"] |= {"host": host, "port": port, "keys": str(folder / "keys")}
    raw["mqtt"]["protocol"] = options.protocol or raw["mqtt"]["protocol"]
    for entry in raw["orders"]["tokens"]:
        entry["token_file"] = str(folder / f"{entry['role']}.token")
    raw["http"]["listen"] = f"{LOOPBACK}:{options.http_port or next(ports)}"
    raw["state"] = str(folder / "state")


def _change_model(surplus: Raw, model: str) -> None:
    """Point the surplus at the variable of the SCADA that the model is about."""
    space, _, _ = surplus["opcua"]["node"].rpartition("s=")
    surplus["model"] = model
    surplus["opcua"]["node"] = f"{space}s={SCADA_VARIABLES[model]}"
    if model == "headroom":
        surplus.setdefault("rating", FEEDER_RATING)


def _meter(node: str, *, profile: str, port: int, unit: int, **_: object) -> str:
    return f"{node}:{profile}:{port}:{unit}"


def _coiled(raw: Raw) -> list[Raw]:
    """Return the nodes with a contactor on Modbus."""
    return [node for node in raw["nodes"] if "modbus" in node.get("contactor", {})]


def _coil(node: str, *, port: int, unit: int = 1, coil: int, closed: str, **more: Any) -> str:
    contact = f":{more['position']['input']}" if "position" in more else ""
    return f"{node}:{port}:{unit}:{coil}{contact}" + (":off" if closed == "off" else "")


def _device_ids(raw: Raw) -> list[str]:
    """Return the ids of all devices, in the order of the world."""
    groups = raw["fleet"].get("groups", ())
    grouped = [f"{group['id']}-{number:03d}" for group in groups for number in range(1, group["count"] + 1)]
    return sorted([*grouped, *(device["id"] for device in raw["fleet"].get("devices", ()))])


def _relays(devices: Sequence[str], port: int) -> Mapping[str, Raw]:
    """Return, by device, the relay before it as the file of an agent has it: coils of one unit."""
    coils = {
        device: {"host": LOOPBACK, "port": port, "coil": coil, "closed": "on"} for coil, device in enumerate(devices)
    }
    return {device: {"id": f"k-{device}", "modbus": coil} for device, coil in coils.items()}


def _wired(device: str, coil: Raw) -> str:
    return f"{device}:{coil['port']}:1:{coil['coil']}"


def _agents(raw: Raw) -> list[str]:
    fleet = raw["fleet"]
    relays = [node["contactor"]["relay"] for node in raw["nodes"] if "relay" in node.get("contactor", {})]
    return sorted({entry["agent"] for entry in [*fleet.get("groups", ()), *fleet.get("devices", ()), *relays]})


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def _write_site_files(setup: DemoSetup, raw: Raw, spoil: Callable[[Raw], None] | None) -> None:
    _write(setup.site_file, raw)
    name_models(raw, setup.own)
    if spoil is not None:
        spoil(raw)
    if setup.daemon_file != setup.site_file:
        _write(setup.daemon_file, raw)


def _write(path: Path, raw: Raw) -> None:
    path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")


def _write_secret(path: Path) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
