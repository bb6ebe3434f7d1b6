"""What `meter-not-read.md` says of gateways is true: each text that it names is said, and the line beside it mends the gateway."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from controller.cli import main
from simulators.substation.gateway import GatewayLogin
from tests.brokers import MOSQUITTO, BrokerProcess, mosquitto_broker, running
from tests.controller.commands.gateways import TOPIC, GatewayWay, gateway, over_http, over_mqtt
from tests.controller.commands.substation import Substation
from tests.controller.commands.test_meter_not_read import PAGE, quoted, table_rows
from tests.ports import free_port

SECTION = PAGE.read_text().partition("## It sends JSON")[2].partition("\n## ")[0]
SECRET = GatewayLogin(way="bearer", secret="s3cret")


@dataclass(frozen=True, kw_only=True)
class Ill:
    """A gateway that is not read: what it is, what it does, `form` of its stamp, and `keys` of the site file."""

    profile: str = "shelly_em_gen2"
    faults: Mapping[str, Any] = field(default_factory=dict)
    login: GatewayLogin = field(default_factory=GatewayLogin)
    keys: Mapping[str, str] = field(default_factory=dict)
    form: str = ""


def login(way: str) -> Mapping[str, str]:
    return {"username": "admin", "password_file": "secret", "login": way}


#: Row of the page -> a gateway over HTTP of which it is said.
OVER_HTTP: dict[tuple[str, str], Ill] = {
    ("Connect call failed", "url: ADDRESS"): Ill(keys={"url": f"http://127.0.0.1:{free_port()}"}),
    ("no whole answer within", "timeout: 2 s"): Ill(faults={"delay_s": 0.4}, keys={"timeout": "200 ms"}),
    ("it refuses the login, and wants digest", "login: digest"): Ill(
        login=GatewayLogin(way="digest", secret="s3cret"), keys=login("basic")
    ),
    ("it refuses this user or password", "password_file: secret"): Ill(
        login=GatewayLogin(way="digest", secret="s3cret"), keys={**login("digest"), "password_file": "other"}
    ),
    ("it refuses the login, and wants bearer", "token_file: secret"): Ill(profile="home_assistant", login=SECRET),
    ("status 404: it has nothing at", "profile: shelly_3em_gen1"): Ill(
        profile="shelly_3em_gen1", keys={"profile": "shelly_em_gen2"}
    ),
    ("which is not followed", "-"): Ill(faults={"redirect": "https://127.0.0.1/"}),
    ("an HTML page instead of JSON", "url: ADDRESS"): Ill(faults={"html": True}),
    ("nothing at /grid/power", "at: /state"): Ill(
        profile="home_assistant", keys={"profile": "", "at": "/grid/power", "unit": "W", "written": "true"}
    ),
    ("nothing at /em:0/total_act_power", "profile: shelly_em1_gen2"): Ill(
        profile="shelly_em1_gen2", keys={"profile": "shelly_em_gen2"}
    ),
    ("is not a number", "written: true"): Ill(
        profile="home_assistant", keys={"profile": "", "at": "/state", "unit": "W"}
    ),
    ("without its offset from UTC: another form", "stamp: none"): Ill(profile="home_assistant", form="iso8601_utc"),
    ("ahead: one of the two clocks is wrong", "-"): Ill(
        profile="home_assistant", faults={"clock_s": 3600.0, "dated": False}
    ),
}
#: The same over MQTT.
OVER_MQTT: dict[tuple[str, str], Ill] = {
    ("is the topic right, and does its sender send?", "topic: TOPIC"): Ill(profile="evcc_mqtt", keys={"topic": "evc"}),
    ("Connection refused", "port: PORT"): Ill(profile="evcc_mqtt", keys={"port": str(free_port())}),
    ("only the broker's stored copy", "-"): Ill(profile="evcc_mqtt", faults={"retained": True}),
    ("refused: Not authorized", "-"): Ill(profile="evcc_mqtt", keys={"username": "me", "password_file": "secret"}),
    ("no unit for home_assistant_statestream", "unit: W"): Ill(profile="home_assistant_statestream"),
    ("found a message every 10 s", "every: 1 s"): Ill(profile="evcc_mqtt", keys={"every": ""}),
}


def test_every_row_of_the_section_is_tried() -> None:
    assert {(quoted(cell), line) for cell, line in table_rows(SECTION)} == {*OVER_HTTP, *OVER_MQTT}


def checked(way: GatewayWay, keys: Mapping[str, str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return the status and the words of `check --live` with these keys; an empty one is left out."""
    made = {**way.source, **keys}
    given = GatewayWay(**{**_fields(way), "source": {key: value for key, value in made.items() if value}})
    status = main(["check", "--live", str(given.site), "--within", "8 s"])
    return status, " ".join("".join(capsys.readouterr()).split())


def _fields(way: GatewayWay) -> dict[str, Any]:
    return {name: getattr(way, name) for name in way.__dataclass_fields__}


@pytest.mark.parametrize("row", OVER_HTTP, ids=" -> ".join)
def test_a_row_about_http_is_said_and_its_line_mends_the_gateway(
    row: tuple[str, str], substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (said, line), ill = row, OVER_HTTP[row]
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "other").write_text("another\n")
    served = gateway(ill.profile, login=ill.login, **ill.faults)
    way = over_http(substation, tmp_path, served, {})
    if ill.form:
        served.data["stamp"]["form"] = ill.form
    status, out = checked(way, ill.keys, capsys)
    assert (status, said in out) == (1, True), out
    if line == "-":
        return
    served.faults.html = False
    key, _, value = line.partition(": ")
    status, out = checked(way, {**ill.keys, key: way.source["url"] if value == "ADDRESS" else value}, capsys)
    assert status == 0, out


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with mosquitto_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.mark.parametrize("row", OVER_MQTT, ids=" -> ".join)
def test_a_row_about_mqtt_is_said_and_its_line_mends_the_gateway(
    row: tuple[str, str],
    brokers: BrokerProcess,
    substation: Substation,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (said, line), ill = row, OVER_MQTT[row]
    (tmp_path / "secret").write_text("s3cret\n")
    served = gateway(ill.profile, **ill.faults)
    with contextlib.ExitStack() as stack:
        way = stack.enter_context(over_mqtt(substation, tmp_path, served, brokers.port, {}))
        if said == "only the broker's stored copy":
            assert checked(way, {}, capsys)[0] == 0
            served.faults.silent = True
        if said.startswith("refused"):
            port = stack.enter_context(_refusing(tmp_path))
            way = GatewayWay(**{**_fields(way), "source": {**way.source, "port": str(port)}})
        status, out = checked(way, ill.keys, capsys)
        assert (status, said in out) == (1, True), out
        if line != "-":
            key, _, value = line.partition(": ")
            status, out = checked(
                way, {**ill.keys, key: {"TOPIC": TOPIC, "PORT": way.source["port"]}.get(value, value)}, capsys
            )
            assert status == 0, out


@contextlib.contextmanager
def _refusing(folder: Path) -> Iterator[int]:
    """A broker that lets nobody in."""
    port, conf = free_port(), folder / "refusing.conf"
    (folder / "passwords").write_text("")
    (folder / "passwords").chmod(0o600)
    conf.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {folder}/passwords\nuser root\nlog_type none\n"
    )
    assert MOSQUITTO is not None
    with running(BrokerProcess([MOSQUITTO, "-c", str(conf)], port, "5")):
        yield port
