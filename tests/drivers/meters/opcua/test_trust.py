"""Chains of issuers, and what a file of the trust list may be; the rest is tested in real handshakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from drivers.meters.opcua.trust import UntrustedError, check, load_trust
from tests.drivers.meters.opcua.serving import Authority, Made, make

HOST = "127.0.0.1"


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    (tmp_path / "trusted").mkdir()
    return tmp_path / "trusted"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def chain(tmp_path: Path, authority: Authority) -> tuple[Made, Made]:
    """Return an intermediate issuer and a server's certificate that it signed."""
    between = make(tmp_path, "between", issuer=authority.root, ca=True)
    return between, make(tmp_path, "scada", issuer=between)


def test_an_issuer_that_the_server_sends_along_leads_to_a_trusted_one(tmp_path, trusted, authority):
    between, scada = chain(tmp_path, authority)
    (trusted / "root.pem").write_bytes(authority.root.certificate.public_bytes(Encoding.PEM))
    check(scada.certificate, load_trust(trusted), HOST, [between.certificate])
    with pytest.raises(UntrustedError, match="is unknown"):
        check(scada.certificate, load_trust(trusted), HOST)


def test_an_issuer_that_is_revoked_makes_nothing_trusted(tmp_path, trusted, authority):
    between, scada = chain(tmp_path, authority)
    (trusted / "root.der").write_bytes(authority.root.path.read_bytes())
    (trusted / "root.crl").write_bytes(authority.revoke(between))
    with pytest.raises(
        UntrustedError, match=r"the issuer CN=between .* of the server's certificate CN=scada .* is revoked"
    ):
        check(scada.certificate, load_trust(trusted), HOST, [between.certificate])


def test_what_is_sent_along_is_never_trusted_for_itself(tmp_path, trusted, authority):
    between, scada = chain(tmp_path, authority)
    with pytest.raises(UntrustedError, match="is unknown"):
        check(scada.certificate, load_trust(trusted), HOST, [between.certificate, authority.root.certificate])
    alone = make(tmp_path, "alone")
    with pytest.raises(UntrustedError, match="is unknown"):
        check(alone.certificate, load_trust(trusted), HOST, [alone.certificate])


def test_a_server_s_certificate_signs_no_other(tmp_path, trusted):
    one = make(tmp_path, "one")
    other = make(tmp_path, "other", issuer=one)
    (trusted / "one.der").write_bytes(one.path.read_bytes())
    with pytest.raises(UntrustedError, match="is unknown"):
        check(other.certificate, load_trust(trusted), HOST)


def test_one_file_may_hold_many_and_others_are_left_alone(tmp_path, trusted, authority):
    made = [make(tmp_path, name) for name in ("a", "b")]
    content = b"".join(each.certificate.public_bytes(Encoding.PEM) for each in made)
    (trusted / "both.pem").write_bytes(content)
    (trusted / "README.txt").write_text("what lies here")
    revoked = x509.load_der_x509_crl(authority.revoke(made[0]))
    (trusted / "list.pem").write_bytes(revoked.public_bytes(Encoding.PEM))
    trust = load_trust(trusted)
    assert trust.certificates == tuple(each.certificate for each in made)
    assert len(trust.revocations) == 1
    check(made[1].certificate, trust, HOST)


def test_a_host_is_known_by_name_or_address(tmp_path, trusted, authority):
    scada = authority.issue("scada")
    (trusted / "root.der").write_bytes(authority.root.path.read_bytes())
    check(scada.certificate, load_trust(trusted), HOST)
    with pytest.raises(UntrustedError, match=r"names 127\.0\.0\.1, not scada\.example"):
        check(scada.certificate, load_trust(trusted), "scada.example")
