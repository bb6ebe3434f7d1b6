"""From the site file's OPC UA sources to drivers: one for each server, however many meters stand behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from controller.daemon.meters.supervision import Driver
from controller.daemon.secret import read_secret
from controller.site.sources import OpcuaSecurity, OpcuaSource
from drivers.meters.opcua.certificates import CertificatePair
from drivers.meters.opcua.driver import watch_forever
from drivers.meters.opcua.points import Point, Security, Server
from drivers.meters.profiles import REQUIRED
from drivers.readings import Publish

#: At least so many of them fit into the age at which a value is doubted.
_HEARTBEATS: Final = 3


def server_drivers(
    sources: Mapping[str, OpcuaSource],
    quantities: Mapping[str, str],
    suspect_after_s: Mapping[str, float],
    publish: Publish,
) -> tuple[Driver, ...]:
    """Return a driver for every server.

    `quantities`: names under which a source's value is published, where it is another than a meter's power;
    `suspect_after_s`: age at which a source's value is doubted. Raises ConfigError.
    """
    points: defaultdict[Server, list[Point]] = defaultdict(list)
    for name, source in sources.items():
        points[server_of(source)].append(_point(name, source, quantities.get(name, REQUIRED), suspect_after_s[name]))
    return tuple(
        Driver(
            sources=tuple(point.id for point in mine),
            run=partial(watch_forever, _in_time(server, mine), tuple(mine), publish),
            reads=(_in_time(server, mine), tuple(mine)),
        )
        for server, mine in points.items()
    )


def _in_time(server: Server, points: Sequence[Point]) -> Server:
    """Return the server with a heartbeat that lets no value that stands still grow suspect."""
    soonest_s = min(point.suspect_after_s for point in points)
    return replace(server, heartbeat_s=min(server.heartbeat_s, soonest_s / _HEARTBEATS))


def server_of(source: OpcuaSource) -> Server:
    """Return the server of a source; sources with the same address, login and time-out share it."""
    return Server(
        endpoint=source.endpoint,
        security=_security(source.security),
        username=source.username,
        password=read_secret(source.password_file) if source.password_file else None,
        user=_user(source),
        timeout_s=source.timeout_s,
    )


def _user(source: OpcuaSource) -> CertificatePair | None:
    if source.user_certificate is None or source.user_private_key is None:
        return None
    return CertificatePair(source.user_certificate, source.user_private_key)


def _security(security: OpcuaSecurity | None) -> Security | None:
    if security is None:
        return None
    return Security(
        policy=security.policy,
        certificate=security.certificate,
        private_key=security.private_key,
        trusted=security.trust or security.server_certificate or Path(),
        mode=security.mode,
    )


def _point(name: str, source: OpcuaSource, quantity: str, suspect_after_s: float) -> Point:
    return Point(
        id=name,
        node=source.node,
        quantity=quantity,
        unit=source.unit,
        unit_stated_as=source.unit_stated_as,
        scale=source.scale,
        sign=source.sign,
        publish_interval_s=source.publish_interval_s,
        source_max_age_s=source.source_max_age_s,
        suspect_after_s=suspect_after_s,
    )
