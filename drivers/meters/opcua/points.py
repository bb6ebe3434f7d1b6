"""What is watched, and where: servers and the points behind them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from asyncua import ua
from asyncua.ua.uaerrors import UaError

from drivers.errors import ConfigError
from drivers.meters.opcua.certificates import CertificatePair
from drivers.meters.opcua.units import UNITS

#: Policies that are not deprecated (OPC 10000-7).
POLICIES: Final = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
#: `Sign`: nobody can forge the messages, anybody on the way can read them.
MODES: Final = ("SignAndEncrypt", "Sign")

#: One name of a browse path: `nsu=URI;` where the namespace is another than before, `&` before a slash that belongs to it.
_STEP: Final = re.compile(r"/(?:nsu=([^;]+);)?(?!nsu=)((?:&.|[^/&])+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """Signed messages with mutual certificates, encrypted unless `mode` is ``Sign``.

    `trusted`: the one server certificate that is trusted, or a folder of them, of their issuers and of revocation lists.
    Own certificate and key end in ``.pem`` or ``.der``: asyncua tells the format by the name alone.
    """

    policy: str
    certificate: Path
    private_key: Path
    trusted: Path
    mode: str = "SignAndEncrypt"

    def __post_init__(self) -> None:
        """Raise ConfigError for what asyncua would misread."""
        if self.policy not in POLICIES:
            raise ConfigError(f"security policy: found {self.policy!r}, allowed is {', '.join(POLICIES)}")
        if self.mode not in MODES:
            raise ConfigError(f"security mode: found {self.mode!r}, allowed is {', '.join(MODES)}")
        for path in (self.certificate, self.private_key):
            if path.suffix not in {".pem", ".der"}:
                raise ConfigError(f"security: found {str(path)!r}, allowed is a file that ends in .pem or .der")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One endpoint, reached over one connection. `timeout_s`: for every step of connecting, and for every request.

    `heartbeat_s`: within which every value that does not move is read again. `password` is never shown. `user`: certificate
    and key by which the user logs in, instead of name and password; files as those of `Security`.
    """

    endpoint: str
    security: Security | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    user: CertificatePair | None = None
    heartbeat_s: float = 1.0
    timeout_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A variable of a server, or an object that follows the companion model ECM.

    `node`: ``nsu=URI;s=...`` (the namespace is looked up at every connect), ``ns=2;s=...``, or a browse path from the
    Objects folder, ``/nsu=URI;Feeder7/Power``. `quantity`: name under which the value, or an object's active power, is
    published, in W. `unit`: unit of the server's value, None where the server says it (EngineeringUnits). `unit_stated_as`:
    how the server calls it, quoted by a person who knows that this means `unit`. `scale`: factor of raw counts. `sign`: -1 where power into the site counts as negative. `publish_interval_s`: asked for changes, the
    server may make it longer; also between two reads of a value of which the server tells no changes. `source_max_age_s`: see `Clockwork`; None where the server stamps changes only.
    `suspect_after_s`: age at which the value would be doubted; a server that is slower is reported.
    """

    id: str
    node: str
    quantity: str = "active_power_w"
    unit: str | None = None
    unit_stated_as: str | None = None
    scale: float = 1.0
    sign: int = 1
    publish_interval_s: float = 0.2
    source_max_age_s: float | None = None
    suspect_after_s: float = math.inf

    def __post_init__(self) -> None:
        """Raise ConfigError for a unit that is none of power, and for a node that is neither node id nor browse path."""
        if self.unit is not None and self.unit not in UNITS["W"]:
            raise ConfigError(f"{self.id}.unit: found {self.unit!r}, allowed is {', '.join(UNITS['W'])}")
        parse_node(self.node, self.id)


@dataclass(frozen=True, slots=True)
class Step:
    """One name of a browse path in the namespace `uri`; the empty one is OPC UA's own."""

    uri: str
    name: str


def parse_node(text: str, where: str = "opcua") -> ua.NodeId | tuple[Step, ...]:
    """Return the node id (an ExpandedNodeId where it names a URI) or the browse path; raises ConfigError."""
    if text.startswith("/"):
        return _path(text, where)
    try:
        return ua.NodeId.from_string(text)
    except UaError as error:
        raise _not_a_node(text, where) from error


def _path(text: str, where: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise _not_a_node(text, where)
        uri = match[1] or (steps[-1].uri if steps else "")
        steps.append(Step(uri, re.sub("&(.)", r"\1", match[2])))
        at = match.end()
    return tuple(steps)


def _not_a_node(text: str, where: str) -> ConfigError:
    allowed = "nsu=URI;s=NAME, ns=2;s=NAME or a browse path /nsu=URI;NAME/NAME"
    return ConfigError(f"{where}.node: found {text!r}, allowed is {allowed}")
