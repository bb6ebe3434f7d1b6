"""``surplusd clock confirm`` against a real HTTP interface."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from controller.cli import main
from tests.controller.api.conftest import server_at
from tests.controller.daemon.clock.machine import UNSYNCHRONISED
from tests.controller.site.conftest import SMALL


@pytest.fixture
def daemon(tmp_path):
    """A daemon whose wall clock was stepped, and the site file that names its address."""
    with server_at(tmp_path / "journal.db") as running:
        listen = running.url.removeprefix("http://")
        text = SMALL.replace("profiles/own.yaml", "schneider_pm5xxx")
        (tmp_path / "site.yaml").write_text(f'{text}http: {{listen: "{listen}"}}\n')
        for role in ("authority", "operator"):
            (tmp_path / f"{role}.token").write_text(f"{role}-secret\n")
        running.world.machine.go(1.0, stepped_s=3600.0)
        yield running.world.machine


def confirm(folder, machine, role="authority", off_s=0.0):
    utc = datetime.fromtimestamp(machine.wall_s + off_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    words = ["--utc", utc, "--reason", "radio clock", "--site", str(folder / "site.yaml")]
    return main(["clock", "confirm", *words, "--token-file", str(folder / f"{role}.token")])


def test_an_authority_vouches_and_is_told_that_orders_end_again(daemon, tmp_path, capsys):
    assert confirm(tmp_path, daemon) == 0
    said = capsys.readouterr().out
    assert "is taken for right from now on; this is on record" in said
    assert "orders end by it" in said
    assert daemon.go(1.0).trusted


def test_what_else_is_in_the_way_is_said(daemon, tmp_path, capsys):
    daemon.kernel = UNSYNCHRONISED
    assert confirm(tmp_path, daemon) == 1
    assert "no order ends by it yet: the kernel says that the wall clock is not synchronised" in capsys.readouterr().out


def test_another_time_or_another_role_is_refused(daemon, tmp_path, capsys):
    assert confirm(tmp_path, daemon, off_s=-3600.0) == 1
    assert "the daemon's wall clock is +3600." in capsys.readouterr().err
    assert confirm(tmp_path, daemon, "operator") == 1
    assert "refused (forbidden)" in capsys.readouterr().err
    assert not daemon.go(1.0).trusted
