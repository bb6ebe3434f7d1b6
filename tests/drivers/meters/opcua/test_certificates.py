"""Certificates of this site: made once, rotated without a gap, retired on purpose."""

from __future__ import annotations

import datetime as dt
import socket
import stat
from pathlib import Path

import pytest
from asyncua.crypto.uacrypto import check_certificate
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from drivers.errors import ConfigError
from drivers.meters.opcua.certificates import CertificatePair, identities, make, retire, rotate


@pytest.fixture
def own(tmp_path: Path) -> CertificatePair:
    return CertificatePair(tmp_path / "keys/site.pem", tmp_path / "keys/site-key.pem")


def matches(identity: CertificatePair) -> bool:
    content = identity.private_key.read_bytes()
    load = load_der_private_key if identity.private_key.suffix == ".der" else load_pem_private_key
    return load(content, None).public_key() == identity.load().public_key()


@pytest.mark.parametrize("suffix", [".pem", ".der"])
def test_what_is_made_is_an_application_s_certificate(tmp_path, suffix):
    own = CertificatePair(tmp_path / f"site{suffix}", tmp_path / f"key{suffix}")
    make(own, "urn:surplusd:ridge")
    certificate = own.load()
    assert own.application_uri() == "urn:surplusd:ridge"
    assert matches(own)
    assert not check_certificate(certificate, "urn:surplusd:ridge", socket.gethostname())
    assert stat.S_IMODE(own.private_key.stat().st_mode) == 0o600
    now = dt.datetime.now(dt.UTC)
    assert certificate.not_valid_before_utc < now - dt.timedelta(hours=23)  # for servers whose clock is behind
    assert certificate.not_valid_after_utc > now + dt.timedelta(days=700)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_nothing_that_is_there_is_overwritten(own):
    make(own, "urn:a")
    before = own.certificate.read_bytes()
    with pytest.raises(ConfigError, match="is there already"):
        make(own, "urn:b")
    own.certificate.unlink()
    with pytest.raises(ConfigError, match="is there already"):
        make(own, "urn:b")
    assert not own.certificate.exists()
    assert before


def test_a_rotation_keeps_the_former_until_it_is_retired(own):
    make(own, "urn:a")
    first = own.load()
    assert identities(own.certificate, own.private_key) == (own,)
    rotate(own)
    assert identities(own.certificate, own.private_key) == (own, own.former)
    assert own.former.load() == first != own.load()
    assert own.application_uri() == "urn:a"
    assert matches(own)
    assert matches(own.former)
    with pytest.raises(ConfigError, match="first surplusd certificates retire"):
        rotate(own)
    assert retire(own)
    assert not retire(own)
    assert identities(own.certificate, own.private_key) == (own,)
    assert matches(own)


def test_what_is_not_there_is_not_rotated(own):
    with pytest.raises(ConfigError, match="are not there: surplusd certificates make"):
        rotate(own)
