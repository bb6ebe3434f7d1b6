"""A session with a server: discovery, trust, secure channel, login; and a closing that never hangs."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import CertProperties
from asyncua.ua.uaerrors import UaError
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from drivers.errors import DriverLoss
from drivers.meters.opcua.certificates import CertificatePair, identities
from drivers.meters.opcua.points import Security, Server
from drivers.meters.opcua.trust import check, describe, load_trust

# asyncua reports every step of every failed attempt; this driver tells a loss once, with its reason.
logging.getLogger("asyncua").setLevel(logging.CRITICAL)

log = logging.getLogger(__name__)

#: After how long a server may forget a session that we left without a word.
SESSION_TIMEOUT_S: Final = 30.0
#: How long the closing of a session may keep the next one waiting.
CLOSING_S: Final = 0.5
#: How often the trust list is read while a session lasts.
TRUST_AGAIN_S: Final = 60.0
#: Before the end of a certificate, every connection says so.
ENDS_SOON: Final = dt.timedelta(days=30)


class Door:
    """Opens session after session; with two own certificates, tries the older one where the server refuses the newer."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._presented: list[x509.Certificate] = []
        self._refused = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Client]:
        """Connect, and close however the block ends; raises DriverLoss with the reason."""
        client = _client(self.server)
        try:
            await self._connect(client)
            async with _said(self.server, timed=False):
                yield client
        finally:
            await close(client)

    async def _connect(self, client: Client) -> None:
        server = self.server
        if server.username is not None:
            client.set_user(server.username)
            client.set_password(server.password or "")
        if server.security is None:
            async with _said(server):
                await client.connect()
            return
        endpoint = await _endpoint(server, server.security.policy, server.security.mode)
        self._presented = _split(endpoint.ServerCertificate)
        self._check(server.security)
        _check_password(server, endpoint)
        own = identities(server.security.certificate, server.security.private_key)
        turn = self._refused % len(own)
        try:
            async with _said(server):
                await _secure(client, server.security, own[turn], self._presented[0])
                await _log_in(client, server.user)
                await client.connect()
        except DriverLoss as loss:
            if not isinstance(loss.__cause__, TimeoutError):
                self._refused += 1
            raise
        if turn:
            log.warning(
                "%s does not trust %s yet: connected with the one before it",
                server.endpoint,
                own[0].certificate,
                extra={"event": "certificate_not_trusted_yet", "endpoint": server.endpoint},
            )
        self._refused = 0

    async def guard(self) -> None:
        """See that the server of the open session stays trusted; raises UntrustedError when a person takes that back."""
        while True:
            await asyncio.sleep(TRUST_AGAIN_S)
            if self.server.security is not None:
                self._check(self.server.security)

    def _check(self, security: Security) -> None:
        host = Client(self.server.endpoint).server_url.hostname or ""
        check(self._presented[0], load_trust(security.trusted), host, self._presented[1:])


@asynccontextmanager
async def _said(server: Server, *, timed: bool = True) -> AsyncIterator[None]:
    """Turn what ends the block into a DriverLoss that says what happened; `timed`: within the server's time-out."""
    try:
        async with asyncio.timeout(server.timeout_s if timed else None):
            try:
                yield
            except asyncio.CancelledError as cancelled:
                # asyncua raises one of its own kind where an answer came as well, and asyncio.timeout (Python before 3.12)
                # takes only the plain one for its own.
                raise asyncio.CancelledError from cancelled
    except TimeoutError as error:
        raise DriverLoss(f"{server.endpoint} does not answer within {server.timeout_s:g} s") from error
    except (OSError, UaError, ValueError) as error:  # ValueError: a certificate or key that is none
        raise DriverLoss(f"{server.endpoint}: {error or type(error).__name__}") from error


async def presented_certificates(server: Server, policy: str, mode: str) -> list[x509.Certificate]:
    """Ask the server for the certificate of its endpoint with `policy` and `mode`; issuers that it sends along follow.

    Nobody answers for what is said here: the secure channel then proves that the server has the key.
    """
    return _split((await _endpoint(server, policy, mode)).ServerCertificate)


async def offered_endpoints(server: Server) -> list[ua.EndpointDescription]:
    """Return what the server offers to everybody who asks; raises DriverLoss."""
    client = _client(server)
    try:
        async with _said(server):
            return list(await client.connect_and_get_server_endpoints())
    finally:
        client.disconnect_socket()


def policy_and_mode(endpoint: ua.EndpointDescription) -> str:
    """Return how an endpoint protects its messages, in words."""
    return f"{str(endpoint.SecurityPolicyUri).rpartition('#')[2]} {endpoint.SecurityMode.name.rstrip('_')}"


async def _endpoint(server: Server, policy: str, mode: str) -> ua.EndpointDescription:
    endpoints = await offered_endpoints(server)
    wanted = (getattr(security_policies, f"SecurityPolicy{policy}").URI, ua.MessageSecurityMode[mode])
    for endpoint in endpoints:
        if (endpoint.SecurityPolicyUri, endpoint.SecurityMode) == wanted and endpoint.ServerCertificate:
            return endpoint
    offered = sorted({policy_and_mode(each) for each in endpoints})
    raise DriverLoss(f"{server.endpoint} offers no {policy} {mode}, only {', '.join(offered) or 'nothing'}")


def _split(chain: bytes) -> list[x509.Certificate]:
    """Return the certificates that stand one after the other, each with its length in bytes 2 and 3.

    What follows the last is left alone: some servers fill up with zeros. Raises DriverLoss where the first is none.
    """
    found: list[x509.Certificate] = []
    while chain[:1] == b"\x30":
        size = int.from_bytes(chain[2:4], "big") + 4
        try:
            found.append(x509.load_der_x509_certificate(chain[:size]))
        except ValueError as error:
            raise DriverLoss(f"the server presents a certificate that is none: {error}") from error
        chain = chain[size:]
    if not found:
        raise DriverLoss("the server presents a certificate that is none")
    return found


def _check_password(server: Server, endpoint: ua.EndpointDescription) -> None:
    """Refuse to send a password that anybody on the way could read."""
    signed_only = endpoint.SecurityMode == ua.MessageSecurityMode.Sign
    plain = security_policies.SecurityPolicyNone.URI
    for token in endpoint.UserIdentityTokens if signed_only and server.password else ():
        if token.TokenType == ua.UserTokenType.UserName and token.SecurityPolicyUri == plain:
            raise DriverLoss(
                f"{server.endpoint} wants the password unencrypted over {policy_and_mode(endpoint)}: "
                "mode: SignAndEncrypt, or a certificate of the user"
            )


async def _log_in(client: Client, user: CertificatePair | None) -> None:
    """Have the session opened by the certificate of a user, where there is one."""
    if user is not None:
        user.load()  # says what is wrong with the file
        await client.load_client_certificate(str(user.certificate))
        await client.load_private_key(user.private_key)


def _client(server: Server) -> Client:
    client = Client(server.endpoint, timeout=server.timeout_s, watchdog_intervall=server.timeout_s)
    client.session_timeout = int(SESSION_TIMEOUT_S * 1000)
    client.name = client.description = "surplusd"
    return client


async def _secure(client: Client, security: Security, own: CertificatePair, presented: x509.Certificate) -> None:
    client.application_uri = own.application_uri()
    end = own.load().not_valid_after_utc
    if end < dt.datetime.now(dt.UTC):
        raise DriverLoss(
            f"our own certificate {own.certificate} has expired on {end:%Y-%m-%d}: surplusd certificates rotate"
        )
    _tell_of_end(str(own.certificate), end)
    _tell_of_end(f"the server's certificate {describe(presented)}", presented.not_valid_after_utc)
    await client.set_security(
        getattr(security_policies, f"SecurityPolicy{security.policy}"),
        certificate=own.certificate,
        private_key=own.private_key,
        server_certificate=CertProperties(presented.public_bytes(Encoding.DER), "der"),
        mode=ua.MessageSecurityMode[security.mode],
    )


def _tell_of_end(name: str, end: dt.datetime) -> None:
    left = end - dt.datetime.now(dt.UTC)
    if left < ENDS_SOON:
        log.warning(
            "%s ends in %d days, on %s",
            name,
            left.days,
            f"{end:%Y-%m-%d}",
            extra={"event": "certificate_ends", "certificate": name},
        )


async def close(client: Client) -> None:
    """Close politely for a moment, then plainly, in a task of its own: asyncua's closing swallows a cancellation."""
    closing = asyncio.create_task(client.disconnect())
    _, unfinished = await asyncio.wait({closing}, timeout=CLOSING_S)
    for task in unfinished:
        task.cancel()
    client.disconnect_socket()
