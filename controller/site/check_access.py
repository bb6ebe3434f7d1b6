"""Checks of who may speak with whom: tokens, logins, and connections that nothing protects."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

from controller.site.model import MqttSection, OrdersSection
from controller.site.problems import Loc, Problem, repeated, unless_one
from controller.site.sources import OpcuaSource
from controller.site.unknown import UNKNOWN

#: Where connections may go without protection.
LOOPBACK_ONLY = "none on loopback alone; elsewhere the certificates"

#: What a person must write to go without; the model takes it word by word.
UNPROTECTED = "anyone on this network may read and forge these values"


def token_problems(orders: OrdersSection) -> Iterator[Problem]:
    """Report names that stand twice, and anything but one token each."""
    yield from repeated((("orders", "tokens", index, "name"), token.name) for index, token in enumerate(orders.tokens))
    for index, token in enumerate(orders.tokens):
        choices = {"token_file": token.token_file, "token_sha256": token.token_sha256}
        yield from unless_one(("orders", "tokens", index), choices)


def mqtt_problems(mqtt: MqttSection) -> Iterator[Problem]:
    """Report half a login, and an open connection to another machine."""
    yield from login_problems(("mqtt",), mqtt.username, mqtt.password_file)
    if mqtt.tls is None and mqtt.host is not UNKNOWN and not is_loopback(mqtt.host):
        yield Problem(loc=("mqtt", "tls"), found=f"none for the host {mqtt.host}", allowed=LOOPBACK_ONLY)


def opcua_problems(loc: Loc, opcua: OpcuaSource) -> Iterator[Problem]:
    """Report half a login, two trust lists or none, and an open connection to another machine that nobody vouches for."""
    yield from login_problems(loc, opcua.username, opcua.password_file)
    yield from _user_problems(loc, opcua)
    security = opcua.security
    if security is None:
        yield from _unprotected_problems(loc, opcua)
        return
    if security is not UNKNOWN:
        choices = {"trust": security.trust, "server_certificate": security.server_certificate}
        yield from unless_one((*loc, "security"), choices)
    if opcua.unprotected is not None and opcua.unprotected is not UNKNOWN:
        yield Problem(loc=(*loc, "unprotected"), allowed="only beside security: none", at_key=True)


def _user_problems(loc: Loc, opcua: OpcuaSource) -> Iterator[Problem]:
    """Report half a certificate of a user, one beside a name, and one that nothing proves."""
    certificate = opcua.user_certificate
    if UNKNOWN in {certificate, opcua.user_private_key, opcua.username}:
        return
    if (certificate is None) != (opcua.user_private_key is None):
        allowed = "both user_certificate and user_private_key, or neither"
        yield Problem(loc=loc, found="half a certificate of a user", allowed=allowed, at_key=True)
    elif certificate is not None and opcua.username is not None:
        yield Problem(loc=(*loc, "user_certificate"), allowed="instead of username, not beside it", at_key=True)
    elif certificate is not None and opcua.security is None:
        yield Problem(
            loc=(*loc, "user_certificate"), allowed="only with security: the server's proves the key", at_key=True
        )


def _unprotected_problems(loc: Loc, opcua: OpcuaSource) -> Iterator[Problem]:
    if opcua.endpoint is UNKNOWN or opcua.unprotected is not None or is_loopback(_host(opcua.endpoint)):
        return
    allowed = f"{LOOPBACK_ONLY}, or beside it unprotected: {UNPROTECTED}"
    yield Problem(loc=(*loc, "security"), found=f"none for {opcua.endpoint}", allowed=allowed)


def login_problems(loc: Loc, username: str | None, password_file: Path | None) -> Iterator[Problem]:
    """Report half a login."""
    if (username is None) != (password_file is None):
        allowed = "both username and password_file, or neither"
        yield Problem(loc=loc, found="half a login", allowed=allowed, at_key=True)


def _host(endpoint: str) -> str:
    match = re.match(r"opc\.tcp://\[?([^]/]+?)]?(?::[0-9]+)?(?:/|$)", endpoint)
    return match[1] if match else endpoint


def is_loopback(host: str) -> bool:
    """Return whether an address or a name is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"
