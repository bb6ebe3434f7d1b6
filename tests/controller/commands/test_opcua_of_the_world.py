"""Behaviours of real OPC UA servers, each a case, each by all five roads: what one road reads, every road reads."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from controller.cli import main
from controller.commands.meter import opcua_source, site_sources
from drivers.meters.opcua import driver
from drivers.meters.opcua.certificates import CertificatePair
from drivers.meters.opcua.certificates import make as make_own
from drivers.meters.opcua.units import unit_id
from simulators.substation.opcua_server import NAMESPACE, Behaviour, Scada
from tests.controller.commands.opcua_roads import ROADS, OpcuaWay
from tests.controller.commands.substation import SOUND, Substation, unit
from tests.drivers.meters.opcua.node_opcua_server import STATION, Another, another_maker
from tests.drivers.meters.opcua.serving import METER as ECM_METER
from tests.drivers.meters.opcua.serving import Grid, Made, endpoint, make

LOAD = f"nsu={NAMESPACE};s=Grid.Surplus"
#: What the source of the surplus shows, so that nobody takes it for the meter.
ELSEWHERE = {name: value / 4 if name.endswith(("_w", "_a", "_var")) else value for name, value in SOUND.items()}
OLD_S = 6 * 365.25 * 86_400


@dataclass(frozen=True, kw_only=True)
class Case:
    """One behaviour: `scada` of the server, `keys` what reads it, `told` what is said beside the value."""

    scada: Mapping[str, Any] = field(default_factory=dict)
    behaviour: Mapping[str, Any] = field(default_factory=dict)
    node: str = LOAD
    keys: str = "security: none"
    told: str = ""
    secure: bool = False
    user: bool = False


def named(name: str, unit: str = "kW", keys: str = "", number: int = -1) -> Case:
    return Case(
        scada={"unit": unit, "stated_unit": unit, "unit_name": name, "unit_id": number},
        keys=f"security: none{keys and f', {keys}'}",
    )


CASES: dict[str, Case] = {
    "a unit of UNECE": Case(scada={"stated_unit": "kW"}),
    # No changes are told
    **{
        f"no subscriptions, {code}": Case(
            scada={"stated_unit": "kW", "no_subscriptions": code},
            told=f"the server tells no changes ({code}): read every 0.5 s",
        )
        for code in ("BadServiceUnsupported", "BadTooManySubscriptions", "BadNotImplemented")
    },
    "no room for a monitored item": Case(
        scada={"stated_unit": "kW", "max_items": 0}, told="the server tells no changes (BadTooManyMonitoredItems)"
    ),
    "an object of ECM, half of it monitored": Case(
        scada={"max_items": 2}, node=ECM_METER, told="the server tells no changes (BadTooManyMonitoredItems)"
    ),
    # Units as plants write them
    "KW": named("KW"),
    "[kW]": named("[kW]"),
    "MW el": named("MW el", "MW"),
    "mw, which is megawatts": named("mw", "MW", 'unit: MW, unit_stated_as: "mw"'),
    "mw beside the number of megawatts": named("mw", "MW", number=unit_id("MAW")),
    "MW gross": named("MW gross", "MW", 'unit: MW, unit_stated_as: "MW gross"'),
    # Time
    "stamps that are years old": Case(
        scada={"stated_unit": "kW"}, behaviour={"stamp_age_s": OLD_S}, told="6 years behind the server's clock"
    ),
    "a clock that moves every ten seconds": Case(scada={"stated_unit": "kW"}, behaviour={"clock_refresh_s": 10.0}),
    # Access
    "signed and not encrypted": Case(scada={"stated_unit": "kW", "modes": ("Sign",)}, secure=True),
    "a user with a certificate": Case(scada={"stated_unit": "kW"}, secure=True, user=True),
    "a user with a certificate, signed only": Case(
        scada={"stated_unit": "kW", "modes": ("Sign",)}, secure=True, user=True
    ),
}


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows a first value comes at once here, and what is refused need not be looked up for long."""
    monkeypatch.setattr(opcua_source, "_REST_S", 0.2)
    monkeypatch.setattr(site_sources, "_REST_S", 0.2)
    monkeypatch.setattr(driver, "LOOKUP_S", 0.2)


def begun(substation: Substation, scada: Scada) -> Scada:
    """Serve in the thread of the substation, until that ends."""
    grid = Grid()
    grid.surplus_w = 812_500.0

    async def begin() -> None:
        started = asyncio.Event()
        running = asyncio.get_running_loop().create_task(scada.run(grid.read, 0.05, started))
        await asyncio.wait([running, asyncio.ensure_future(started.wait())], return_when=asyncio.FIRST_COMPLETED)
        assert started.is_set(), running.exception()

    substation.call(begin())
    return scada


def own(folder: Path, trusted: Path, mode: str) -> str:
    """Make our certificate where there is none; return the keys that name it."""
    pair = CertificatePair(folder / "own/site.pem", folder / "own/site-key.pem")
    if not pair.exists:
        make_own(pair, "urn:surplusd:yard")
    files = f"certificate: {pair.certificate}, private_key: {pair.private_key}, server_certificate: {trusted}"
    return f"security: {{mode: {mode}, {files}}}"


def of_user(user: Made) -> str:
    return f", user_certificate: {user.path}, user_private_key: {user.key_path}"


def served(substation: Substation, case: Case, folder: Path) -> OpcuaWay:
    changes, keys = dict(case.scada), case.keys
    if case.secure:
        server, user = make(folder, "scada"), make(folder, "user")
        changes |= {"certificate": server.path, "private_key": server.key_path}
        changes |= {"users": frozenset({user.path.read_bytes()})} if case.user else {}
        keys = own(folder, server.path, changes.get("modes", ("SignAndEncrypt",))[0])
        keys += of_user(user) if case.user else ""
    scada = begun(substation, Scada(endpoint=endpoint(), behaviour=Behaviour(**case.behaviour), **changes))
    return way_to(substation, scada.endpoint, case.node, folder, keys)


def way_to(substation: Substation, at: str, node: str, folder: Path, keys: str = "security: none") -> OpcuaWay:
    port = substation.serve(unit("schneider_pm5xxx", ELSEWHERE))
    return OpcuaWay(endpoint=at, node=node, surplus_port=port, folder=folder, keys=keys)


def reads_all_by(way: OpcuaWay, capsys: pytest.CaptureFixture[str], told: str = "") -> None:
    for road, take in ROADS.items():
        status = take(way)
        out, err = capsys.readouterr()
        assert status == 0, f"{road}: {out}{err}"
        assert "812.5 kW" in out, f"{road}: {out}{err}"
        if road in {"probe", "test", "check --live"}:
            assert told in " ".join(out.split()), f"{road}: {out}"
        if road == "probe":
            proposed = re.findall(r"^    opcua: (\{.*\})$", out, re.MULTILINE)
            assert proposed
            assert all(main(["check", str(way.site_with(each))]) == 0 for each in proposed), out
            capsys.readouterr()


def test_a_probe_shows_units_that_only_the_plant_knows_and_no_security_in_words(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    probe = ROADS["probe"]
    probe(served(substation, named("kilo watt netto"), tmp_path))
    told = " ".join(capsys.readouterr().out.split())
    assert "and 2 more: the unit 'kilo watt netto' is unknown; where it is a power, unit and unit_stated_as" in told
    assert "nothing is protected (security: none): Anonymous" in told
    probe(served(substation, named("kvar"), tmp_path))
    assert "is unknown" not in capsys.readouterr().out


@pytest.mark.parametrize("name", CASES)
def test_what_one_road_reads_every_road_reads(
    name: str, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reads_all_by(served(substation, CASES[name], tmp_path), capsys, CASES[name].told)


REFUSED: dict[str, tuple[Case, str]] = {
    "mw": (named("mw", "MW"), "which may be MW or mW"),
    "degrees Celsius that are called MW": (
        named("MW", "MW", number=unit_id("CEL")),
        "(UNECE CEL) that is not MW as it is called",
    ),
    "a quoted name that the server has put right": (
        named("MW el", "MW", 'unit: MW, unit_stated_as: "mw"'),
        "calls the unit 'MW el', the site file says unit_stated_as: 'mw'",
    ),
    "a unit of something else": (named("Mvar", "MW", "unit: MW"), "states the unit Mvar, which is none of"),
    "signed only, and the site file wants more": (
        Case(scada={"stated_unit": "kW", "modes": ("Sign",)}, secure=True),
        "offers no Basic256Sha256 SignAndEncrypt, only",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_one_road_refuses_every_road_refuses(
    name: str, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case, told = REFUSED[name]
    sound = served(substation, case, tmp_path)
    way = OpcuaWay(
        endpoint=sound.endpoint,
        node=sound.node,
        surplus_port=sound.surplus_port,
        folder=tmp_path,
        keys=sound.keys.replace("mode: Sign,", "mode: SignAndEncrypt,"),
        only=True,
    )
    for road, take in ROADS.items():
        status = take(way)
        out = " ".join("".join(capsys.readouterr()).split())
        assert (road, status) == (road, 1)
        assert told in out, road
        assert "812.5" not in out, road


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Another]:
    with another_maker(tmp_path_factory.mktemp("another")) as servers:
        yield servers


#: Node of the server of another maker -> keys, and what is said beside the value.
FOREIGN: dict[str, tuple[str, str]] = {
    "Feeder7.Power": ("", ""),
    "Feeder7.Loud": ("", ""),
    "Feeder7.Electrical": ("", ""),
    "Feeder7.Small": ('unit: MW, unit_stated_as: "mw"', ""),
    "Feeder7.Bare": ("unit: kW", ""),
    "Feeder7.Counts": ("unit: kW, scale: 0.1", ""),
    "Feeder7.Stamped": ("", "its source stamped it on 2016-05-04"),
    "Meter": ("", ""),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_server_of_another_maker_is_read_by_every_road(
    name: str, another: Another, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys, told = FOREIGN[name]
    given = f"security: none{keys and f', {keys}'}"
    reads_all_by(way_to(substation, another.open, f"{STATION};s={name}", tmp_path, given), capsys, told)


@pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
def test_a_server_of_another_maker_is_read_in_safety(
    mode: str, another: Another, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = own(tmp_path, another.certificate.path, mode)
    reads_all_by(way_to(substation, another.open, f"{STATION};s=Meter", tmp_path, keys), capsys)


def test_a_narrow_server_of_another_maker_is_polled_by_a_user_with_a_certificate(
    another: Another, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = own(tmp_path, another.certificate.path, "Sign") + of_user(another.user)
    way = way_to(substation, another.narrow, f"{STATION};s=Meter", tmp_path, keys)
    reads_all_by(way, capsys, "the server tells no changes (BadTooManySubscriptions)")


def test_where_another_maker_s_server_monitors_one_item_the_others_are_polled(
    another: Another, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    way = way_to(substation, another.few, f"{STATION};s=Meter", tmp_path)
    reads_all_by(way, capsys, "the server tells no changes (BadTooManyMonitoredItems)")
    assert main(["meter", "test", way.node, "--host", way.endpoint]) == 0
    out = capsys.readouterr().out
    assert all(each in out for each in ("50 Hz", "12.3457 MWh", "1.2 kWh")), out


def test_a_unit_of_another_maker_that_contradicts_itself_is_no_value(
    another: Another, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    way = way_to(substation, another.open, f"{STATION};s=Feeder7.Contradicted", tmp_path)
    for take in (ROADS["test"], ROADS["check --live"], ROADS["daemon"]):
        assert take(way) == 1
        assert "UNECE CEL" in "".join(capsys.readouterr())
