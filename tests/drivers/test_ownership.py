"""Files that root makes for the service can be read by it."""

import os
import pwd
from pathlib import Path

import pytest

from drivers import ownership
from drivers.fleet.keys import make_keys
from drivers.meters.opcua.certificates import CertificatePair, make, rotate
from drivers.ownership import owner_to_be

SERVICE = (4711, 4712)


@pytest.fixture
def given(monkeypatch):
    """As root, on a machine with the service's user; what is given to whom, by the file's name."""
    owners = {}

    def chown(where, user, group):
        path = Path(f"/proc/self/fd/{where}").readlink() if isinstance(where, int) else where
        owners[Path(path).name] = (user, group)

    entry = pwd.struct_passwd(("surplusd", "x", *SERVICE, "", "/", "/bin/false"))
    monkeypatch.setattr(ownership.os, "geteuid", lambda: 0)
    monkeypatch.setattr(ownership.pwd, "getpwnam", lambda _: entry)
    monkeypatch.setattr("os.fchown", chown)
    monkeypatch.setattr("os.chown", chown)
    return owners


def owned_by(monkeypatch, user, group):
    """Have every path that is there belong to this user."""
    real = Path.stat

    def stat(path, **more):
        found = real(path, **more)
        fields = [*found[:4], user, group, *found[6:]]
        return os.stat_result(fields)

    monkeypatch.setattr(Path, "stat", stat)


def test_the_service_gets_what_would_be_root_s(given, monkeypatch, tmp_path):
    owned_by(monkeypatch, 0, 0)
    make_keys(tmp_path / "keys", ["controller"])
    assert given == dict.fromkeys(("keys", "controller.pub", "controller.key"), SERVICE)


def test_what_stands_in_a_folder_of_somebody_is_theirs_and_what_is_replaced_keeps_its_owner(
    given, monkeypatch, tmp_path
):
    owned_by(monkeypatch, 1000, 1001)
    own = CertificatePair(tmp_path / "own.pem", tmp_path / "own.key")
    make(own, "urn:surplusd:north")
    rotate(own)
    assert set(given.values()) == {(1000, 1001)}
    assert len(given) == 2


def test_who_is_not_root_keeps_what_they_make(tmp_path, monkeypatch):
    monkeypatch.setattr(ownership.os, "geteuid", lambda: 1234)
    assert owner_to_be(tmp_path / "new") == (1234, os.getegid())


def test_without_the_service_s_user_it_stays_root_s(monkeypatch, tmp_path):
    monkeypatch.setattr(ownership.os, "geteuid", lambda: 0)
    monkeypatch.setattr(ownership, "SERVICE", "no-such-user-here")
    owned_by(monkeypatch, 0, 0)
    assert owner_to_be(tmp_path / "new") == (0, 0)
