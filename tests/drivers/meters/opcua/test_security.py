"""Certificates in real handshakes: what is trusted connects, everything else never does and says why."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.crypto import security_policies
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from drivers.errors import DriverLoss
from drivers.meters.opcua import connect
from drivers.meters.opcua.certificates import CertificatePair, make, retire, rotate
from drivers.meters.opcua.connect import Door, _check_password, _split, presented_certificates
from drivers.meters.opcua.driver import watch_forever
from drivers.meters.opcua.points import POLICIES, Security, Server
from drivers.meters.opcua.trust import thumbprint
from drivers.readings import Loss, Sample
from simulators.substation.opcua_server import Scada
from tests.drivers.meters.opcua.serving import Authority, Made, endpoint, point, server, serving, shows
from tests.drivers.meters.opcua.serving import make as certify
from tests.drivers.meters.watching import Seen, running


class Site:
    """Our own certificate, a trust list, and an authority whose certificates lie elsewhere."""

    def __init__(self, folder: Path) -> None:
        for name in ("elsewhere", "trusted"):
            (folder / name).mkdir()
        self.elsewhere, self.trusted = folder / "elsewhere", folder / "trusted"
        self.own = CertificatePair(folder / "site.pem", folder / "site-key.pem")
        make(self.own, "urn:surplusd:test")
        self.authority = Authority(self.elsewhere)

    def trust(self, *made: Made) -> None:
        for each in made:
            (self.trusted / each.path.name).write_bytes(each.path.read_bytes())

    def trust_issuer(self, *revoked: Made, days: float = 30) -> None:
        self.trust(self.authority.root)
        (self.trusted / "authority.crl").write_bytes(self.authority.revoke(*revoked, days=days))

    def server(
        self,
        at: str,
        policy: str = "Basic256Sha256",
        trusted: Path | None = None,
        mode: str = "SignAndEncrypt",
        user: Made | None = None,
    ) -> Server:
        security = Security(
            policy=policy,
            certificate=self.own.certificate,
            private_key=self.own.private_key,
            trusted=trusted or self.trusted,
            mode=mode,
        )
        pair = CertificatePair(user.path, user.key_path) if user else None
        return server(at, security=security, timeout_s=3.0, user=pair)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


async def connects(site: Site, scada: Scada, **changes) -> None:
    seen = Seen()
    async with running(watch_forever(site.server(scada.endpoint, **changes), (point(),), seen)):
        await seen.until(shows(500_000.0))


async def refused(site: Site, scada: Scada, says: str = "", **changes) -> str:
    """Return why no session came about, twice in a row; `says`: pattern of the first reason, after any time-out."""
    seen = Seen()
    async with running(watch_forever(site.server(scada.endpoint, **changes), (point(),), seen)):
        told = await seen.until(lambda each: isinstance(each, Loss) and re.search(says, each.reason) is not None)
        await seen.loss(after=len(seen))
        assert not any(isinstance(each, Sample) for each in seen)
    return told.reason


def shown(made: Made) -> Scada:
    return Scada(endpoint=endpoint(), certificate=made.path, private_key=made.key_path)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_server_that_signs_only_connects_with_every_policy_where_the_site_file_says_so(site, policy):
    async def scenario() -> None:
        scada = shown(made := site.authority.issue("scada"))
        scada.modes = ("Sign",)
        site.trust(made)
        async with serving(scada):
            await connects(site, scada, policy=policy, mode="Sign")
            reason = await refused(site, scada, policy=policy)
            assert f"offers no {policy} SignAndEncrypt, only" in reason

    asyncio.run(scenario())


def test_users_log_in_by_their_certificates_and_nobody_else(site):
    async def scenario() -> None:
        scada = shown(made := site.authority.issue("scada"))
        user, stranger = certify(site.elsewhere, "user"), certify(site.elsewhere, "stranger")
        scada.users = frozenset({user.path.read_bytes()})
        site.trust(made)
        async with serving(scada):
            await connects(site, scada, user=user)
            assert "BadUserAccessDenied" in await refused(site, scada, "BadUserAccessDenied", user=stranger)
            forged = Made(user.certificate, stranger.key, user.path, stranger.key_path)
            assert "BadIdentityTokenInvalid" in await refused(site, scada, "BadIdentityToken", user=forged)
            await refused(site, scada, "BadIdentityTokenRejected|BadIdentityTokenInvalid")
            gone = Made(user.certificate, user.key, user.path.with_name("gone.der"), user.key_path)
            assert "gone.der cannot be read" in await refused(site, scada, "cannot be read", user=gone)

    asyncio.run(scenario())


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("by_issuer", [False, True])
def test_what_is_trusted_connects_with_every_policy(site, policy, by_issuer):
    async def scenario() -> None:
        made = site.authority.issue("scada")
        if by_issuer:
            site.trust_issuer()
        else:
            site.trust(made)
        scada = shown(made)
        async with serving(scada):
            await connects(site, scada, policy=policy)

    asyncio.run(scenario())


def test_a_single_file_is_a_trust_list_of_one(site):
    async def scenario() -> None:
        made, other = certify(site.elsewhere, "scada"), certify(site.elsewhere, "other")
        scada = shown(made)
        async with serving(scada):
            await connects(site, scada, trusted=made.path)
            reason = await refused(site, scada, "is unknown", trusted=other.path)
            assert thumbprint(made.certificate) in reason

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("issue", "trust", "reason"),
    [
        ({}, "nothing", "CN=scada .* is unknown: neither it nor its issuer is in the trust list"),
        ({}, "revoked", "CN=scada .* is revoked"),
        ({}, "itself, revoked", "CN=scada .* is revoked"),
        ({"days": (-30, -1)}, "issuer", "CN=scada .* has expired on 20"),
        ({"days": (-30, -1)}, "itself", "CN=scada .* has expired on 20"),
        ({"days": (1, 30)}, "itself", "CN=scada .* is not valid before 20.*is the clock of this machine right"),
        ({"hosts": ("192.0.2.7",)}, "issuer", r"is for another host: it names 192\.0\.2\.7, not 127\.0\.0\.1"),
        ({"usage": ExtendedKeyUsageOID.CLIENT_AUTH}, "issuer", "is not one of a server"),
        ({}, "broken list", "broken.crl in the trust list is neither a certificate nor a revocation list"),
        ({}, "forged list", "the revocation list of CN=authority is not signed by an issuer"),
        ({}, "no folder", "the trust list .* cannot be read"),
    ],
)
def test_what_is_not_trusted_never_connects_and_says_why(site, issue, trust, reason):
    made = site.authority.issue("scada", **issue)
    if "itself" in trust:
        site.trust(made)
    if trust in {"issuer", "broken list"}:
        site.trust_issuer()
    if "revoked" in trust:
        site.trust_issuer(made)
    if trust == "broken list":
        (site.trusted / "broken.crl").write_bytes(b"\x30\x00")
    if trust == "forged list":
        site.trust(site.authority.root)
        (site.elsewhere / "forger").mkdir()
        forger = Authority(site.elsewhere / "forger")
        (site.trusted / "forged.crl").write_bytes(forger.revoke())
    if trust == "no folder":
        site.trusted.rmdir()

    async def scenario() -> None:
        scada = shown(made)
        async with serving(scada):
            await refused(site, scada, reason)

    asyncio.run(scenario())


def test_a_certificate_that_is_revoked_while_it_is_in_use_ends_the_session(site, monkeypatch):
    monkeypatch.setattr("drivers.meters.opcua.connect.TRUST_AGAIN_S", 0.1)
    made = site.authority.issue("scada")
    site.trust_issuer()

    async def scenario() -> None:
        scada, seen = shown(made), Seen()
        async with serving(scada), running(watch_forever(site.server(scada.endpoint), (point(),), seen)):
            await seen.until(shows(500_000.0))
            assert not any(isinstance(each, Loss) for each in seen)
            site.trust_issuer(made)
            await seen.loss("is revoked")
            after = len(seen)
            await seen.loss(after=after)
            assert not any(isinstance(each, Sample) for each in seen[after:])

    asyncio.run(scenario())


def test_a_certificate_of_an_authority_that_only_looks_like_ours_is_unknown(site):
    (site.elsewhere / "false").mkdir()
    made = Authority(site.elsewhere / "false").issue("scada")
    site.trust_issuer()

    async def scenario() -> None:
        scada = shown(made)
        async with serving(scada):
            await refused(site, scada, "is unknown")

    asyncio.run(scenario())


def test_who_shows_a_trusted_certificate_without_its_key_never_connects(site):
    made, other = certify(site.elsewhere, "scada"), certify(site.elsewhere, "other")
    site.trust(made)

    async def scenario() -> None:
        scada = Scada(endpoint=endpoint(), certificate=made.path, private_key=other.key_path)
        async with serving(scada):
            assert await refused(site, scada)

    asyncio.run(scenario())


def test_a_revocation_list_that_should_have_been_renewed_is_told_and_serves(site, caplog):
    made = site.authority.issue("scada")
    site.trust_issuer(days=-1)

    async def scenario() -> None:
        scada = shown(made)
        async with serving(scada):
            await connects(site, scada)

    asyncio.run(scenario())
    assert "the revocation list of CN=authority is older than it should be" in caplog.text


def test_a_server_without_the_policy_and_a_client_without_security_are_refused(site):
    async def scenario() -> None:
        scada = Scada(endpoint=endpoint())
        async with serving(scada):
            await refused(site, scada, "offers no Basic256Sha256 SignAndEncrypt, only None None")
        made = certify(site.elsewhere, "scada")
        scada, seen = shown(made), Seen()
        async with serving(scada), running(watch_forever(server(scada.endpoint), (point(),), seen)):
            assert (await seen.loss()).reason
            assert not any(isinstance(each, Sample) for each in seen)

    asyncio.run(scenario())


def test_a_certificate_that_names_no_application_uri_or_is_none_is_a_loss_that_says_so(site):
    async def scenario() -> None:
        made = certify(site.elsewhere, "scada")
        site.trust(made)
        scada = shown(made)
        async with serving(scada):
            site.own.certificate.write_text("not a certificate")
            await refused(site, scada, "site.pem is no certificate in PEM")
            nameless = certify(site.elsewhere, "nameless", uri=None).certificate
            site.own.certificate.write_bytes(nameless.public_bytes(Encoding.PEM))
            await refused(site, scada, "names no application URI")
            past = certify(site.elsewhere, "past", uri="urn:surplusd:test", days=(-30, -1)).certificate
            site.own.certificate.write_bytes(past.public_bytes(Encoding.PEM))
            told = await refused(site, scada, "our own certificate")
            assert "has expired on 20" in told
            site.own.certificate.unlink()
            await refused(site, scada, "cannot be read: No such file")

    asyncio.run(scenario())


def test_a_rotated_certificate_is_used_at_the_next_connection_and_the_old_until_the_server_trusts_it(site, caplog):
    async def scenario() -> None:
        made = certify(site.elsewhere, "scada")
        site.trust(made)
        scada, seen = shown(made), Seen()
        scada.trusted_clients = {site.own.load().public_bytes(Encoding.DER)}
        async with serving(scada):
            async with running(watch_forever(site.server(scada.endpoint), (point(),), seen)):
                await seen.until(shows(500_000.0))
                rotate(site.own)
            after = len(seen)
            async with running(watch_forever(site.server(scada.endpoint), (point(),), seen)):
                await seen.until(shows(500_000.0), after=after)
            assert "does not trust" in caplog.text
            scada.trusted_clients = {site.own.load().public_bytes(Encoding.DER)}  # a person accepts the new one
            caplog.clear()
            await connects(site, scada)
            assert "does not trust" not in caplog.text
            retire(site.own)
            await connects(site, scada)

    asyncio.run(scenario())


def test_a_client_that_nobody_has_accepted_yet_is_told_so(site):
    async def scenario() -> None:
        made = certify(site.elsewhere, "scada")
        site.trust(made)
        scada = shown(made)
        scada.trusted_clients = set()
        async with serving(scada):
            await refused(site, scada, "BadCertificateUntrusted")

    asyncio.run(scenario())


def test_a_certificate_that_ends_soon_is_told(site, caplog):
    async def scenario() -> None:
        made = certify(site.elsewhere, "scada", days=(-1, 7.5))
        site.trust(made)
        scada = shown(made)
        async with serving(scada):
            await connects(site, scada)

    asyncio.run(scenario())
    assert "the server's certificate CN=scada" in caplog.text
    assert "ends in 7 days" in caplog.text
    assert "site.pem ends" not in caplog.text


def test_what_a_server_presents_can_be_looked_at_before_it_is_trusted(site):
    async def scenario() -> None:
        made = certify(site.elsewhere, "scada")
        scada = shown(made)
        async with serving(scada):
            (certificate,) = await presented_certificates(server(scada.endpoint), "Basic256Sha256", "SignAndEncrypt")
            assert certificate == made.certificate

    asyncio.run(scenario())


def test_what_follows_a_certificate_is_left_alone_and_what_is_none_is_refused(site):
    """Some servers fill up with zeros."""
    der = certify(site.elsewhere, "scada").certificate.public_bytes(Encoding.DER)
    assert [each.subject for each in _split(der + der + bytes(7))] == 2 * [_split(der)[0].subject]
    for nonsense in (b"", bytes(40), b"\x30\x82\x00\x08nonsense", der[:200]):
        with pytest.raises(DriverLoss, match="presents a certificate that is none"):
            _split(nonsense)


@pytest.mark.parametrize(
    ("mode", "token", "password", "refused"),
    [
        ("Sign", "None", "secret", True),
        ("Sign", "Basic256Sha256", "secret", False),
        ("Sign", "None", None, False),
        ("SignAndEncrypt", "None", "secret", False),
    ],
)
def test_a_password_is_never_sent_where_anybody_may_read_it(mode, token, password, refused):
    policies = {"None": security_policies.SecurityPolicyNone, "Basic256Sha256": SecurityPolicyBasic256Sha256}
    endpoint = ua.EndpointDescription(
        SecurityMode=ua.MessageSecurityMode[mode], SecurityPolicyUri="http://x#Basic256Sha256"
    )
    endpoint.UserIdentityTokens = [
        ua.UserTokenPolicy(TokenType=ua.UserTokenType.UserName, SecurityPolicyUri=policies[token].URI)
    ]
    asked = server("opc.tcp://127.0.0.1:1/", username="u", password=password)
    if not refused:
        _check_password(asked, endpoint)
        return
    with pytest.raises(DriverLoss, match="wants the password unencrypted over Basic256Sha256 Sign"):
        _check_password(asked, endpoint)


def test_no_session_is_begun_where_the_password_would_be_readable(site, monkeypatch):
    made = certify(site.elsewhere, "scada")
    site.trust(made)
    offered = ua.EndpointDescription(
        SecurityMode=ua.MessageSecurityMode.Sign,
        SecurityPolicyUri=SecurityPolicyBasic256Sha256.URI,
        ServerCertificate=made.path.read_bytes(),
    )
    plain = security_policies.SecurityPolicyNone.URI
    offered.UserIdentityTokens = [ua.UserTokenPolicy(TokenType=ua.UserTokenType.UserName, SecurityPolicyUri=plain)]

    async def offer(*_: object) -> ua.EndpointDescription:
        return offered

    monkeypatch.setattr(connect, "_endpoint", offer)
    asked = replace(site.server("opc.tcp://127.0.0.1:1/", mode="Sign"), username="u", password="secret")

    async def scenario() -> None:
        async with Door(asked).open():
            """It is never open."""

    with pytest.raises(DriverLoss, match="wants the password unencrypted"):
        asyncio.run(scenario())
