"""``surplusd order`` against a real HTTP interface: what it says, and how it ends."""

from __future__ import annotations

import json
import os

import pytest

from controller.cli import main
from controller.core.limits.orders import Compliance
from controller.daemon.journal.journal import RecordKind
from tests.controller.api.conftest import server_at
from tests.controller.api.test_orders import SOON, kept
from tests.controller.site.conftest import SMALL


@pytest.fixture
def order(tmp_path, capsys):
    """Runs a verb as the authority, and returns its exit status and what it has said."""
    with server_at(tmp_path / "journal.db") as running:
        for role in ("authority", "operator"):
            (tmp_path / f"{role}.token").write_text(f"{role}-secret\n")

        def run(*words: str, by: str = "authority"):
            where = ["--url", running.url, "--token-file", str(tmp_path / f"{by}.token")]
            status = main(["order", *words, *where])
            said = capsys.readouterr()
            return status, said.out.splitlines(), said.err.splitlines()

        run.running = running
        yield run


def test_an_order_is_sent_shown_changed_and_released(order):
    assert order("send", "o-1", "--limit", "40 kW") == (0, ["accepted: authority/o-1, pcc draws at most 40.0 kW"], [])
    assert order("send", "o-1", "--limit", "40 kW")[0] == 0, "once more changes nothing"
    assert order("send", "o-1", "--limit", "20 kW", "--revision", "2")[0] == 0
    kept(order.running, 25e3, Compliance.NOT_MET, revision=2)
    status, said, _ = order("show", "o-1")
    assert (status, said[0]) == (1, "authority/o-1, revision 2: pcc draws at most 20.0 kW")
    assert said[1].startswith("not met since ")
    assert [line.split(", ")[1] for line in said[2:]] == ["accepted", "changed"]
    kept(order.running, 19e3, Compliance.MET, revision=2)
    assert order("show", "o-1")[0] == 0
    status, said, _ = order("list")
    assert (status, [line.split()[:4] for line in said]) == (
        0, [["order", "rev", "state", "node"], ["authority/o-1", "2", "met", "pcc"]],
    )  # fmt: skip
    assert order("release", "o-1") == (0, ["released: authority/o-1"], [])
    assert order("release", "o-1") == (0, ["released: authority/o-1; it had been released before"], [])
    assert len(order("list")[1]) == 1
    assert order("list", "--all")[1][1].split()[2] == "ended"
    assert order("show", "o-1")[1][1].startswith("ended: released at ")


def test_the_history_says_in_plain_words_how_an_order_was_kept_and_by_how_much_not(order):
    order("send", "o-1", "--limit", "20 kW")
    told = {"id": "o-1", "issuer": "authority", "power_w": 25e3, "reasons": []}
    for compliance, missing_w in (("not_met", 5e3), ("met", 0.0)):
        body = told | {"compliance": compliance, "shortfall_w": missing_w}
        order.running.journal.append(RecordKind.COMPLIANCE, body)
    said = [line.partition(", ")[2] for line in order("show", "o-1")[1][3:]]
    assert said == ["not met, drawing 25.0 kW, 5.0 kW too much", "met, drawing 25.0 kW"]


def test_what_is_refused_partial_or_not_durable_ends_with_1_and_says_why(order, monkeypatch):
    status, _, said = order("send", "o-1", "--limit", "2 MW")
    assert (status, said) == (
        1,
        ["refused (order_absurd): limit_w: 2.000 MW is absurd for a site with a contract of 100.0 kW"],
    )
    status, said, _ = order("send", "zero", "--limit", "0 W")
    assert (status, said) == (
        1,
        ["partial: authority/zero, pcc draws at most 0.0 kW; pcc draws 2.1 kW with everything off"],
    )
    assert order("release", "moon")[0] == 1
    assert order("show", "moon") == (1, [], ["refused (order_unknown): id: there is no order moon"])
    monkeypatch.setattr(order.running.journal._storage, "append", lambda lines: 1 / 0)
    status, said, _ = order("send", "o-2", "--percent", "40")
    assert (status, said) == (1, ["accepted: authority/o-2, pcc draws at most 40.0 kW; applied, not durable"])
    assert order("release", "zero")[0] == 1


def test_what_is_to_come_says_when_it_is_worked_out(order):
    status, said, _ = order("send", "later", "--reduce-by", "30 kW", "--starts", SOON, "--node", "feeder")
    assert (status, said[0].partition(";")[0]) == (
        0,
        "accepted: authority/later, feeder draws less, worked out at its start",
    )
    assert order("show", "later")[1][:2] == [
        "authority/later, revision 1: feeder draws 30.0 kW less, worked out at its start",
        "scheduled for 2030-01-01T00:00:00Z",
    ]


def test_with_json_the_answer_is_as_the_daemon_gave_it_also_where_it_refuses(order):
    status, said, _ = order("send", "o-1", "--limit", "40 kW", "--json")
    assert (status, json.loads("\n".join(said))["limit_w"]) == (0, 40e3)
    status, said, errors = order("send", "o-1", "--limit", "50 kW", "--json")
    assert (status, errors) == (1, [])
    assert json.loads("\n".join(said))["error"]["reasons"][0]["code"] == "order_conflict"
    assert json.loads("\n".join(order("show", "o-1", "--json")[1]))["history"][0]["event"] == "accepted"
    assert json.loads("\n".join(order("list", "--json")[1]))["orders"][0]["id"] == "o-1"


def test_an_id_that_is_taken_is_refused_with_how_the_order_is_changed(order):
    order("send", "o-1", "--limit", "40 kW")
    order("send", "o-1", "--limit", "30 kW", "--revision", "2")
    status, said, errors = order("send", "o-1", "--limit", "50 kW")
    assert (status, said) == (1, [])
    assert errors[0].startswith("refused (order_conflict): id: order o-1 exists with other content, at revision 2")
    assert errors[1] == "--revision 3 changes it; another order needs another id"
    assert order("send", "o-1", "--limit", "50 kW", "--revision", "3")[0] == 0


def test_an_operator_names_whose_order_it_is(order):
    order("send", "o-1", "--limit", "40 kW")
    order("send", "o-1", "--limit", "50 kW", by="operator")
    status, said, _ = order("show", "o-1", "--issuer", "authority", by="operator")
    assert (status, said[0]) == (0, "authority/o-1, revision 1: pcc draws at most 40.0 kW")
    assert order("release", "o-1", "--issuer", "authority", by="operator")[0] == 1
    assert order("release", "o-1", by="operator")[0] == 0


def test_the_site_file_names_the_daemon_and_the_token(order, tmp_path, capsys):
    listen = order.running.url.removeprefix("http://")
    token = "    - {name: grid, role: authority, token_file: authority.token}\n"
    text = SMALL.replace("profiles/own.yaml", "schneider_pm5xxx").replace("mqtt:", token + "mqtt:", 1)
    (tmp_path / "site.yaml").write_text(f'{text}http: {{listen: "{listen}"}}\n')
    where = ["--site", str(tmp_path / "site.yaml"), "--token-file", str(tmp_path / "authority.token")]
    assert main(["order", "send", "o-1", "--limit", "40 kW", *where]) == 0
    assert capsys.readouterr().out == "accepted: authority/o-1, pcc draws at most 40.0 kW\n"


@pytest.mark.parametrize(
    ("closed", "verb", "sender"),
    [
        ((), "send", "ops"),
        (("operator",), "send", "grid"),
        ((), "list", "view"),
        (("viewer",), "list", "ops"),
        (("viewer", "operator"), "list", "grid"),
    ],
)  # fmt: skip
def test_without_a_token_file_the_first_that_may_and_can_be_read_is_taken_and_said(
    order, tmp_path, capsys, monkeypatch, closed, verb, sender
):
    names = {"viewer": "view", "authority": "grid", "operator": "ops"}
    (tmp_path / "viewer.token").write_text("viewer-secret")
    tokens = "".join(
        f"    - {{name: {name}, role: {role}, token_file: {role}.token}}\n" for role, name in names.items()
    )
    text = SMALL.replace("profiles/own.yaml", "schneider_pm5xxx")
    head, _, rest = text.partition("  tokens:\n")
    listen = order.running.url.removeprefix("http://")
    (tmp_path / "site.yaml").write_text(
        f'{head}  tokens:\n{tokens}{rest[rest.index("mqtt:") :]}http: {{listen: "{listen}"}}\n'
    )
    monkeypatch.setattr(os, "access", lambda path, _: path.stem not in closed)
    words = {"send": ["send", "o-1", "--limit", "40 kW"], "list": ["list"]}[verb]
    assert main(["order", *words, "--site", str(tmp_path / "site.yaml")]) == 0
    assert capsys.readouterr().err == f"as {sender}, by the token that {tmp_path / 'site.yaml'} names\n"
    if verb == "send":
        role = next(role for role, name in names.items() if name == sender)
        assert [limit.id for limit in order.running.book.limits()] == [f"{role}/o-1"], "as the daemon knows the token"
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert main(["order", *words, "--site", str(tmp_path / "site.yaml")]) == 1
    assert "this user can read none of" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["127.0.0.1:8420", "ftp://host", "http://"])
def test_an_address_that_is_none_is_named(tmp_path, capsys, url):
    (tmp_path / "token").write_text("secret")
    assert main(["order", "list", "--url", url, "--token-file", str(tmp_path / "token")]) == 2
    assert "--url: found" in capsys.readouterr().err
    assert main(["order", "list", "--url", url]) == 2
    assert "--token-file: it is needed with --url" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["send", "o-1"], ["send", "o-1", "--limit", "nine"], ["send", "o", "--limit", "1 W", "--percent", "1"], ["send", "o", "--limit", "1 W", "--ends", "tomorrow"], ["send", "o", "--limit", "1 W", "--starts", "2030-01-01T00:00:00"]])  # fmt: skip
def test_a_wrong_command_line_ends_with_2(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["order", *words])
    assert ended.value.code == 2


@pytest.mark.parametrize("url", ["http://127.0.0.1:port", "http://127.0.0.1:99999", "http://[::1"])
def test_an_address_with_a_wrong_port_is_none(tmp_path, capsys, url):
    (tmp_path / "token").write_text("secret")
    assert main(["order", "list", "--url", url, "--token-file", str(tmp_path / "token")]) == 2
    assert "--url: found" in capsys.readouterr().err


def test_a_file_that_is_no_token_is_told_without_what_stands_in_it(order, tmp_path, capsys):
    (tmp_path / "token").write_text("authority-secret\n# of the dispatcher\n")
    assert main(["order", "list", "--url", order.running.url, "--token-file", str(tmp_path / "token")]) == 1
    said = capsys.readouterr()
    assert "the token has other characters than a token may have" in said.err
    assert "secret" not in said.out + said.err
