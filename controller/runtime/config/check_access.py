"""Checks of who may speak with whom: tokens, logins, and connections that nothing protects."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from controller.runtime.config.model import Mqtt, OpcuaSource, Orders
from controller.runtime.config.problems import Loc, Problem, repeated, unless_one
from controller.runtime.config.unknown import UNKNOWN

_LOOPBACK_ONLY = "none on loopback alone; elsewhere the certificates"


def token_problems(orders: Orders) -> Iterator[Problem]:
    """Report names that stand twice, and anything but one token each."""
    yield from repeated((("orders", "tokens", index, "name"), token.name) for index, token in enumerate(orders.tokens))
    for index, token in enumerate(orders.tokens):
        choices = {"token_file": token.token_file, "token_sha256": token.token_sha256}
        yield from unless_one(("orders", "tokens", index), choices)


def mqtt_problems(mqtt: Mqtt) -> Iterator[Problem]:
    """Report half a login, and an open connection to another machine."""
    yield from _login_problems(("mqtt",), mqtt)
    if mqtt.tls is None and mqtt.host is not UNKNOWN and not _is_loopback(mqtt.host):
        yield Problem(loc=("mqtt", "tls"), found=f"none for the host {mqtt.host}", allowed=_LOOPBACK_ONLY)


def opcua_problems(loc: Loc, opcua: OpcuaSource) -> Iterator[Problem]:
    """Report half a login, and an open connection to another machine."""
    yield from _login_problems(loc, opcua)
    if opcua.security is None and opcua.endpoint is not UNKNOWN and not _is_loopback(_host(opcua.endpoint)):
        yield Problem(loc=(*loc, "security"), found=f"none for {opcua.endpoint}", allowed=_LOOPBACK_ONLY)


def _login_problems(loc: Loc, login: Mqtt | OpcuaSource) -> Iterator[Problem]:
    if (login.username is None) != (login.password_file is None):
        allowed = "both username and password_file, or neither"
        yield Problem(loc=loc, found="half a login", allowed=allowed, at_key=True)


def _host(endpoint: str) -> str:
    match = re.match(r"opc\.tcp://\[?([^]/]+?)]?(?::[0-9]+)?(?:/|$)", endpoint)
    return match[1] if match else endpoint


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"
