"""``surplusd status`` and ``surplusd top`` over a real server, in the prepared states."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from controller import cli
from controller.commands import asking, clock, following, top
from controller.commands.daemon_client import DaemonClient
from controller.commands.following import Happening
from controller.commands.site_panel import SiteLook, panel_of
from controller.commands.trip import reset
from controller.daemon.service import Health
from tests.controller.api.conftest import server_at
from tests.controller.api.page.serving import page_in

#: By state: what stands in the answer, in its sequence.
SAID = {
    "normal": ["state       NORMAL: everything is trusted, and nothing is to be done, since 2026-11-18 10:51:40Z (0:15:00)", "mode        NORMAL, since", "620.9 kW", "690.0 kW  allowed by surplus", "6, none silent", "sources     ", "21.37 USD an hour"],
    "over": [
        "state       OVER THE LIMIT, since 2026-11-18 11:05:05Z (0:01:35)",
        "! pcc has drawn more than it may for 32 s, 38.4 kW too much now, since 2026-11-18 11:05:05Z (0:01:35)", "  > At once:",
        "! agent hall-a1 has been silent", "  > Look at the agent's machine",
        "620.9 kW  38.4 kW above the envelope", "6, 1 silent: hall-a1 (47 s)",
    ],
    "not_met": [
        "AN ORDER IS NOT MET, since 2026-11-18 11:05:05Z",
        "! order authority/cut-7 is not met: pcc is 31.2 kW above it, since 2026-11-18 11:05:05Z", "  > Wait a minute",
        "! agent hall-b1 has no proof", "by order:authority/cut-7", "NOT MET by 31.2 kW",
    ],
    "doubted": ["HOLD: nothing is raised, since", "! meters pcc-check and pcc-main disagree", "clamp meter", "1 doubted: pcc-check"],
    "failsafe": ["FAILSAFE: power goes down", "! no trusted meter", "site power  unknown", "2 doubted: pcc-check (74 s), pcc-main (74 s)"],
}  # fmt: skip


@pytest.fixture
def token(tmp_path):
    path = tmp_path / "viewer.token"
    path.write_text("viewer-secret\n")
    path.chmod(0o600)
    return str(path)


@pytest.mark.parametrize("state", SAID)
def test_what_is_wrong_since_when_and_what_to_do_is_said(state, tmp_path, token, capsys):
    with page_in(state, tmp_path) as (url, _):
        status = cli.main(["status", "--url", url, "--token-file", token])
    said = capsys.readouterr().out
    place = -1
    for words in SAID[state]:
        place = said.find(words, place + 1)
        assert place >= 0, (words, said)
    assert status == (0 if state == "normal" else 1)
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) <= 120


def test_of_a_site_that_is_over_its_limit_an_order_that_is_not_met_says_nothing_of_waiting(tmp_path, token, capsys):
    with page_in("not_met", tmp_path) as (url, _):
        cli.main(["status", "--url", url, "--token-file", token, "--json"])
        status = json.loads(capsys.readouterr().out)
        orders = DaemonClient(url, "viewer-secret").ask("GET", "/api/v1/orders")["orders"]
    notes = {}
    for state in ("over", "not_met"):
        look = SiteLook(status=status | {"state": state}, orders=orders, utc=datetime(2026, 1, 1, tzinfo=UTC))
        notes[state] = panel_of(look).notes[0]
    assert notes["over"].words == notes["not_met"].words
    assert (notes["over"].remedy, notes["not_met"].remedy[:13]) == ("", "Wait a minute")


def test_as_json_it_is_the_status_of_the_daemon(tmp_path, token, capsys):
    with page_in("over", tmp_path) as (url, _):
        assert cli.main(["status", "--url", url, "--token-file", token, "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["state"], answer["site"]) == ("over", "demo")


def test_a_demand_that_is_billed_is_said_with_what_it_holds_back(tmp_path, token, capsys):
    with page_in("normal", tmp_path) as (url, _):
        cli.main(["status", "--url", url, "--token-file", token, "--json"])
    status = json.loads(capsys.readouterr().out)
    demand = {"used_wh": 410e3, "ends_in_s": 720.0, "cap_w": 1.52e6, "held_back_w": 80e3}
    for given, words in (
        (None, None),
        (demand, "410.0 kWh used, 12 min left, at most 1.520 MW, which holds 80.0 kW back"),
    ):
        look = SiteLook(status=status | {"demand": given}, orders=[], utc=datetime(2026, 1, 1, tzinfo=UTC))
        assert next((fact.words for fact in panel_of(look).facts if fact.name == "demand"), None) == words


@pytest.mark.parametrize("verb", ["status", "top"])
def test_no_answer_is_not_good(verb, token, capsys):
    assert cli.main([verb, "--url", "http://127.0.0.1:9", "--token-file", token]) == 1
    assert "does not answer" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["status", "top", "doctor"])
def test_a_daemon_of_another_build_is_said_to_be_one(verb, tmp_path, token, capsys, monkeypatch):
    """One of before has no `state`."""
    with page_in("normal", tmp_path) as (url, _):
        real = DaemonClient.ask
        monkeypatch.setattr(DaemonClient, "ask", lambda *of: {k: v for k, v in real(*of).items() if k != "state"})
        monkeypatch.setattr(following, "follow", lambda _: (each for each in [Happening("state", "", {"status": {}})]))
        assert cli.main([verb, "--url", url, "--token-file", token]) == 1
    said = capsys.readouterr()
    assert "no surplusd of this build: its status has no" in said.out + said.err


def test_where_the_tick_stands_no_meter_is_said_to_be_well(tmp_path, token, capsys):
    with server_at(tmp_path / "journal.db", health=Health(ok=False, tick_age_s=60.0)) as running:
        assert cli.main(["status", "--url", running.url, "--token-file", token]) == 1
    said = capsys.readouterr().out
    assert "UNKNOWN: no news of the control" in said
    assert "1, judged by nobody now" in said


def test_a_journal_that_cannot_be_written_is_said(tmp_path, token, capsys, monkeypatch):
    with page_in("normal", tmp_path) as (url, service):
        monkeypatch.setattr(type(service.feed), "failure", property(lambda _: "disk full"))
        assert cli.main(["status", "--url", url, "--token-file", token]) == 1
        assert cli.main(["doctor", "--url", url, "--token-file", token]) == 1
    said = capsys.readouterr().out
    assert "NORMAL, with warnings" in said
    assert said.count("cannot be written: disk full") == 2
    assert said.count("make room on the disk") == 2


def test_top_looks_again_and_again_and_says_what_it_misses(tmp_path, token, capsys, monkeypatch):
    looks = []
    real = top._watch
    monkeypatch.setattr(top, "_watch", lambda iterator, show, place: real(seen(iterator), show, place))

    def seen(iterator):
        for look in iterator:
            looks.append(look)
            yield look

    with page_in("over", tmp_path) as (url, _):
        assert cli.main(["top", "--url", url, "--token-file", token, "--looks", "3", "--every", "10 ms"]) == 0
    said = capsys.readouterr().out
    assert len(looks) == said.count("OVER THE LIMIT") == 3
    assert "site        █" in said.splitlines()[-12:][0] or "site        ███" in said
    assert "\x1b" not in said


def test_top_ends_by_ctrl_c_and_leaves_the_terminal_as_it_was(tmp_path, token, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    def interrupted(looks, show, _place):
        next(looks)
        raise KeyboardInterrupt

    monkeypatch.setattr(top, "_watch", interrupted)
    with page_in("normal", tmp_path) as (url, _):
        assert cli.main(["top", "--url", url, "--token-file", token]) == 0
    assert capsys.readouterr().out.endswith("\x1b[?25h\x1b[?1049l")


def test_a_site_that_ceases_to_answer_is_said_to(tmp_path, token):
    shown = []
    with page_in("normal", tmp_path) as (url, _):
        daemon = DaemonClient(url, "viewer-secret")
        looks = top._looks(daemon, 0.0)
        found = [next(looks)]
    found.append(next(looks))
    top._watch(iter(found), lambda panel, told: shown.append((panel, told)), daemon.place)
    assert "NO ANSWER" in shown[1][0].facts[0].words
    assert "does not answer" in shown[1][1]["error"]


@pytest.mark.parametrize("words", [["status"], ["top"], ["clock", "confirm", "--utc", "2026-11-21T18:00:00Z", "--reason", "seen", "--token-file", "TOKEN"], ["trip", "reset", "pcc", "--reason", "seen"], ["doctor"]], ids=lambda words: words[0])  # fmt: skip
def test_where_this_machine_has_no_site_file_it_is_said_how_another_is_named(
    words, tmp_path, token, capsys, monkeypatch
):
    monkeypatch.setattr(asking, "SITE", tmp_path / "none.yaml")
    monkeypatch.setattr(clock, "SITE", tmp_path / "none.yaml")
    monkeypatch.setattr(reset, "SITE", tmp_path / "none.yaml")
    assert cli.main([token if word == "TOKEN" else word for word in words]) == 1
    said = capsys.readouterr()
    assert "--site FILE names another one" in " ".join((said.out + said.err).split())
