"""What the running site tells about its health, and whom it lets in."""

import hashlib
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from controller.api.auth import Token
from controller.core.modes import Mode
from controller.daemon.orders.book import Role
from controller.daemon.run import _health, _readiness, _token
from controller.daemon.tick import Tick
from controller.site.model import Token as TokenEntry
from drivers.clock import boottime_s
from drivers.errors import ConfigError
from tests.controller.north import make_decision


def recorder(mode=Mode.NORMAL, *, ended_ago_s=0.1, reason=""):
    tick = Tick(decision=replace(make_decision(), mode=mode, reason=reason), duration_s=0.004, late_s=0.0)
    return SimpleNamespace(latest=tick, ended_s=boottime_s() - ended_ago_s)


NEVER = SimpleNamespace(latest=None, ended_s=-math.inf)


def test_before_the_first_tick_it_is_neither_healthy_nor_ready():
    assert not _health(NEVER, 1.0).ok
    assert _health(NEVER, 1.0).tick_age_s is None
    assert not _readiness(NEVER).ready


@pytest.mark.parametrize(
    ("period_s", "age_s", "ok"),
    [(0.1, 0.2, True), (0.1, 4.9, True), (0.1, 5.1, False), (1.0, 5.1, False), (2.0, 9.9, True), (2.0, 10.1, False)],
)
def test_a_tick_that_hangs_is_ill(period_s, age_s, ok):
    health = _health(recorder(ended_ago_s=age_s), period_s)
    assert health.ok is ok
    assert health.tick_age_s == pytest.approx(age_s, abs=0.05)


@pytest.mark.parametrize("mode", list(Mode))
def test_ready_is_every_mode_but_init(mode):
    readiness = _readiness(recorder(mode, reason="starting"))
    assert readiness.ready is (mode is not Mode.INIT)
    assert readiness.reason == ("starting" if mode is Mode.INIT else "")


def entry(**fields) -> TokenEntry:
    return TokenEntry.model_construct(
        **{"name": "grid", "role": "authority", "token_file": None, "token_sha256": None} | fields
    )


def test_a_token_may_stand_as_a_hash_or_in_a_file(tmp_path):
    digest = hashlib.sha256(b"secret word").hexdigest()
    (tmp_path / "grid.token").write_text("secret word\n")
    expected = Token(name="grid", role=Role.AUTHORITY, sha256=digest)
    assert _token(entry(token_sha256=digest)) == expected
    assert _token(entry(token_file=tmp_path / "grid.token")) == expected


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_token_file_that_is_missing_or_empty_lets_nobody_in(tmp_path, content):
    path = tmp_path / "grid.token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"grid\.token"):
        _token(entry(token_file=path))


def test_no_token_at_all_lets_nobody_in():
    with pytest.raises(ConfigError, match="grid"):
        _token(entry())
