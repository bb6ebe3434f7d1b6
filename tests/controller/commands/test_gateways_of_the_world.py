"""Meters and gateways that send JSON, each by all five roads: what one road reads, every road reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drivers.meters import sessions
from drivers.meters.payloads.profiles import bundled_payloads, load_payload
from simulators.substation.gateway import GatewayLogin
from tests.brokers import BrokerProcess, mosquitto_broker
from tests.controller.commands.gateways import GatewayWay, gateway, over_http, over_mqtt
from tests.controller.commands.roads import ROADS
from tests.controller.commands.substation import Substation
from tests.controller.commands.test_meters_of_the_world import reads_all_by

HTTP = [name for name in bundled_payloads() if "http" in load_payload(name).ways]
MQTT = [name for name in bundled_payloads() if "mqtt" in load_payload(name).ways]
UNITS: Mapping[str, str] = {"home_assistant_statestream": "W"}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with mosquitto_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.mark.parametrize("profile", HTTP)
def test_what_answers_http_is_read_by_every_road(
    profile: str, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reads_all_by(over_http(substation, tmp_path, gateway(profile), {}), capsys)


@pytest.mark.parametrize("profile", MQTT)
def test_what_sends_to_a_broker_is_read_by_every_road(
    profile: str, broker: BrokerProcess, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unit = UNITS.get(profile)
    options = ("--power-unit", unit) if unit else ()
    keys = {"unit": unit} if unit else {}
    with over_mqtt(
        *(substation, tmp_path, gateway(profile, retained=True), broker.port, keys),
        options=options,
        probe_options=("--listen", "2 s"),
        test_options=("--listen", "2 s"),
        watched_for="3 s",  # a connection to the broker may take its time
    ) as way:
        reads_all_by(way, capsys)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One behaviour over HTTP: `faults` of the gateway, `keys` and `options` of who reads it; what is `told` where it is not read."""

    profile: str = "shelly_em_gen2"
    faults: Mapping[str, Any] = field(default_factory=dict)
    login: GatewayLogin = field(default_factory=GatewayLogin)
    keys: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    told: str = ""


def user(way: str, **keys: str) -> Mapping[str, str]:
    return {"username": "admin", "password_file": "secret", "login": way, **keys}


WITH_USER = ("--username", "admin", "--password-file", "SECRET", "--login")

READ: dict[str, Case] = {
    "closes after each answer": Case(faults={"close": True}),
    "says another content type": Case(faults={"content_type": "text/html"}),
    "has no clock": Case(profile="home_assistant", faults={"dated": False}),
    "its clock is an hour ahead, and says so": Case(profile="home_assistant", faults={"clock_s": 3600.0}),
    "its clock is a year behind, and says so": Case(profile="home_assistant", faults={"clock_s": -3.2e7}),
    "a bearer token": Case(
        profile="home_assistant",
        login=GatewayLogin(way="bearer", secret="s3cret"),
        keys={"token_file": "secret"},
        options=("--token-file", "SECRET"),
    ),
    "a basic login": Case(
        profile="shelly_3em_gen1",
        login=GatewayLogin(way="basic", secret="s3cret"),
        keys=user("basic"),
        options=(*WITH_USER, "basic"),
    ),
    "a digest login": Case(
        login=GatewayLogin(way="digest", secret="s3cret"), keys=user("digest"), options=(*WITH_USER, "digest")
    ),
    "a login in the address": Case(
        profile="tasmota",
        login=GatewayLogin(way="query", secret="s3cret"),
        keys=user("query"),
        options=(*WITH_USER, "query"),
    ),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_odd_and_sound_is_read_by_every_road(
    name: str, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case, secret = READ[name], tmp_path / "secret"
    secret.write_text("s3cret\n")
    options = tuple(str(secret) if each == "SECRET" else each for each in case.options)
    served = gateway(case.profile, login=case.login, **case.faults)
    reads_all_by(over_http(substation, tmp_path, served, case.keys, options=options), capsys)


NOT_READ: dict[str, Case] = {
    "another login": Case(
        login=GatewayLogin(way="digest", secret="other"), told="status 401: it refuses the login, and wants digest"
    ),
    "nothing at this path": Case(faults={"status": 404}, told="status 404: it has nothing at /rpc/Shelly.GetStatus"),
    "an error of its own": Case(faults={"status": 500}, told="status 500"),
    "a page": Case(faults={"html": True}, told="an HTML page instead of JSON"),
    "half an answer": Case(faults={"cut_to": 40}, told="bytes read on a total of"),
    "a redirect": Case(
        faults={"redirect": "https://elsewhere/"},
        told="status 302: it sends on to 'https://elsewhere/', which is not followed",
    ),
    "too slow": Case(faults={"delay_s": 0.6}, keys={"timeout": "300 ms"}, told="no whole answer within 0.3 s"),
    "a huge body": Case(faults={"padding": 300_000}, told="allowed are 262144"),
    "no number": Case(faults={"power": "nan"}, told="nan is not finite"),
    "no finite number": Case(faults={"power": "infinite"}, told="inf is not finite"),
    "null": Case(faults={"power": "null"}, told="null is not a number"),
    "true": Case(faults={"power": "true"}, told="true is not a number"),
    "a number as a text": Case(faults={"power": "text"}, told="'812500.0' is not a number"),
    "nothing in its place": Case(faults={"power": "absent"}, told="nothing at /em:0/total_act_power"),
    "an entity without a state": Case(
        profile="home_assistant", faults={"power": "unavailable"}, told="'unavailable' is not a number"
    ),
    "a clock ahead that it does not say": Case(
        profile="home_assistant",
        faults={"clock_s": 3600.0, "dated": False},
        told="3600 s ahead: one of the two clocks is wrong",
    ),
}


@pytest.fixture
def asks_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rest after a login that was refused: a road waits for three losses."""
    monkeypatch.setattr(sessions, "AFTER_A_REFUSED_LOGIN_S", 0.0)


@pytest.mark.usefixtures("asks_on")
@pytest.mark.parametrize("name", NOT_READ)
def test_what_is_no_reading_is_none_by_any_road_and_each_says_why(
    name: str, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = NOT_READ[name]
    way = over_http(
        *(substation, tmp_path, gateway(case.profile, login=case.login, **case.faults), case.keys),
        timeout="300 ms",
        probe_options=("--all",),
    )
    not_read_by_any(way, case.told, capsys)


def not_read_by_any(way: GatewayWay, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    for road, take in ROADS.items():
        status = take(way)
        out, err = capsys.readouterr()
        assert told in " ".join((out + err).split()), f"{road}: {out}{err}"
        assert "812.5 kW" not in out, f"{road}: {out}"
        assert status == 1 or (road == "watch" and "no power" in out), f"{road}: {out}{err}"


def test_a_copy_that_the_broker_has_stored_is_no_reading_by_any_road(
    broker: BrokerProcess, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = gateway("evcc_mqtt", retained=True)
    with over_mqtt(
        *(substation, tmp_path, served, broker.port, {}),
        probe_options=("--listen", "1 s", "--all"),
        test_options=("--listen", "1 s"),
        watched_for="1800 ms",
    ) as way:
        assert ROADS["test"](way) == 0, capsys.readouterr()
        served.faults.silent = True
        capsys.readouterr()
        not_read_by_any(way, "only the broker's stored copy, which may be of any age", capsys)
