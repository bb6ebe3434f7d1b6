"""An agent's file: every mistake at once, each with its place."""

from __future__ import annotations

import asyncio
import math
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from controller.agent.equipment import equipment_of, found_file, leased_of
from controller.agent.load import AGENT_FILE, load_agent
from controller.site.reference import schema_text, tables
from drivers.devices.found import FoundSettings
from drivers.devices.switched import GuardedOutlet
from drivers.errors import ConfigError, DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.wire import DeadMan, MeasuredBy, Proof

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "configs/agents").glob("*.yaml"))
SMALL = """\
version: 1
site: yard
agent: hall-a
mqtt: {host: 127.0.0.1, tls: none}
devices:
  - {id: one, family: luxos, host: 10.0.0.1, serial: S1, model: antminer-s19k-pro, relay: first}
  - {id: two, family: luxos, host: 10.0.0.2, mac: "02:00:00:00:00:02", model: antminer-s19k-pro, max: 2 kW}
relays:
  - {id: first, modbus: {host: 10.0.0.9, coil: 0, closed: "on"}}
"""


def mistakes(folder: Path, text: str) -> list[str]:
    path = folder / "agent.yaml"
    path.write_text(text)
    try:
        load_agent(path)
    except ConfigError as error:
        return [line.removeprefix(f"{path}:") for line in str(error).splitlines()]
    return []


def test_a_small_file_is_read(tmp_path: Path) -> None:
    assert mistakes(tmp_path, SMALL) == []
    file = load_agent(tmp_path / "agent.yaml")
    assert (file.settle_s, file.report_s, file.mqtt.port) == (15.0, 1.0, 8883)
    assert file.mqtt.keys == tmp_path / "keys"
    assert found_file(file) == tmp_path / "state" / "hall-a.found.json"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_pass_and_fit_their_schema(path: Path) -> None:
    assert len(load_agent(path).devices) > 1
    assert path.read_text().startswith("# yaml-language-server: $schema=../agent.schema.json\n")
    plain: Any = yaml.safe_load(path.read_text())
    jsonschema.validate(plain, AGENT_FILE.schema)


def test_the_schema_is_a_schema_that_is_shipped() -> None:
    jsonschema.Draft202012Validator.check_schema(AGENT_FILE.schema)
    assert (ROOT / "configs/agent.schema.json").read_text() == schema_text(AGENT_FILE.schema)
    assert "| `serial` |" in tables(AGENT_FILE.schema)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("family: luxos, host: 10.0.0.1", "family: luxus, host: 10.0.0.1", "6:23: devices[0].family: found 'luxus'; allowed is one of luxos (did you mean that?)"),
        ("serial: S1", "serial: 185E17", "devices[0].serial: found 1.85e+19; allowed is a serial number, in quotes"),
        ('mac: "02:00:00:00:00:02"', "mac: 2", "devices[1].mac: found 2; allowed is a MAC address, in quotes"),
        ("serial: S1, ", "", "6:5: devices[0]: found neither serial nor mac; allowed is exactly one of the two"),
        ("serial: S1", 'serial: S1, mac: "02:00:00:00:00:01"', "found both serial and mac"),
        ('mac: "02:00:00:00:00:02"', "serial: S1", "devices[1].serial: found 'S1', as devices[0].serial; allowed is a place of its own"),
        ("host: 10.0.0.2", "host: 10.0.0.1", "found 10.0.0.1:4028, as devices[0].host"),
        ("id: two", "id: one", "devices[1].id: found 'one', which devices[0].id has too"),
        ("max: 2 kW", "max: 2 kW, login: x", "devices[1].login: found 'x'; allowed is no login: LuxOS has none"),
        ("max: 2 kW", "max: 500 W", "devices[1].max: found '500 W'; allowed is at least the lowest mode"),
        ("max: 2 kW", "failsafe: 9 kW", "devices[1].failsafe: found '9 kW'; allowed is off, or 0.025 kW to"),
        ("model: antminer-s19k-pro, max", "model: antminer-s21, max", "allowed is a model with modes: LuxOS takes no watts between them"),
        ("model: antminer-s19k-pro, max", "model: hgx-h100, max", "allowed is a model of the kind asic"),
        ("model: antminer-s19k-pro, max", "model: nothing, max", "devices[1].model: found 'nothing'; allowed is one of the models"),
        ("relay: first", "relay: frist", "devices[0].relay: found 'frist'; allowed is one of the relays first (did you mean that?)"),
        (", relay: first", "", "relays[0].id: found 'first'; allowed is the relay of a device"),
        ("max: 2 kW", "relay: first", "devices[1].relay: found 'first', which devices[0].relay has too"),
        ("agent: hall-a", "agent: controller", "3:8: agent: found 'controller'; allowed is another name"),
        ("{host: 127.0.0.1, tls: none}", "{host: broker, tls: none}", "mqtt.tls: found none for the host broker"),
        ("site: yard", "site: yard\ncolour: red", "3:1: colour: found an unknown key"),
        ("coil: 0, ", "coil: 0, unit: 1, ", None),
        ('modbus: {host: 10.0.0.9, coil: 0, closed: "on"}', "outlet: {family: shelly, host: 10.0.0.9, serial: S9}", None),
        ('modbus: {host: 10.0.0.9, coil: 0, closed: "on"}', 'outlet: {family: tasmota, host: 10.0.0.9, mac: "02:00:00:00:00:09", outlet: 2, hold: 30 s}', None),
        ("id: first, ", "id: first, outlet: {family: shelly, host: 10.0.0.8, serial: S}, ", "relays[0]: found both modbus and outlet; allowed is exactly one"),
        ('modbus: {host: 10.0.0.9, coil: 0, closed: "on"}', "outlet: {family: luxos, host: 10.0.0.9, serial: S}", "allowed is a family that only switches: shelly, tasmota"),
        ('modbus: {host: 10.0.0.9, coil: 0, closed: "on"}', "outlet: {family: shelly, host: 10.0.0.9}", "relays[0].outlet: found neither serial nor mac"),
        ('modbus: {host: 10.0.0.9, coil: 0, closed: "on"}', "outlet: {family: snmp-outlet, host: 10.0.0.9, serial: S, outlet: 3, login: l, hold: 30 s}", "does not open by itself"),
        ('modbus: {host: 10.0.0.9, coil: 0, closed: "on"}', "outlet: {family: snmp-outlet, host: 10.0.0.9, serial: S, outlet: 3}", "relays[0].outlet: found no login"),
        (', modbus: {host: 10.0.0.9, coil: 0, closed: "on"}', "", "relays[0]: found neither modbus nor outlet; allowed is exactly one"),
        ('modbus: {host: 10.0.0.9, coil: 0, closed: "on"}', "outlet: {family: shelly, host: 10.0.0.9, serial: S, hold: 5 s}", "relays[0].outlet.hold: found '5 s'; allowed is"),
        ('closed: "on"', "closed: open", "relays[0].modbus.closed: found 'open'; allowed is \"on\" or \"off\""),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(tmp_path: Path, old: str, new: str, expected: str | None) -> None:
    assert old in SMALL
    said = mistakes(tmp_path, SMALL.replace(old, new))
    if expected is None:
        assert said == []
        return
    assert any(expected in line for line in said), said


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    text = (
        SMALL.replace("10.0.0.2", "10.0.0.1").replace("relay: first", "relay: none").replace("version: 1", "version: 2")
    )
    assert len(mistakes(tmp_path, text)) >= 3


def test_a_file_without_devices_is_refused(tmp_path: Path) -> None:
    text = "version: 1\nsite: yard\nagent: hall-a\nmqtt: {host: 127.0.0.1, tls: none}\ndevices: []\n"
    assert any("found no device; allowed is at least one" in line for line in mistakes(tmp_path, text))


def test_what_a_device_may_draw_and_what_proves_it(tmp_path: Path) -> None:
    assert mistakes(tmp_path, SMALL) == []
    file = load_agent(tmp_path / "agent.yaml")
    one, two = file.devices
    model = load_catalogue()["antminer-s19k-pro"]
    assert leased_of(file, one).max_w == math.inf
    assert leased_of(file, one).failsafe_w == model.off_w
    assert leased_of(file, two).at_most(10_000) == 1916
    assert leased_of(file, one).proof is Proof.READ_BACK
    assert leased_of(file, one).measured_by is MeasuredBy.ESTIMATE


def test_each_device_has_its_guard_and_its_relay(tmp_path: Path) -> None:
    assert mistakes(tmp_path, SMALL) == []
    file = load_agent(tmp_path / "agent.yaml")
    equipment = equipment_of(file, FoundSettings(found_file(file)))
    assert equipment.ports["one"].relay is not None
    assert equipment.ports["two"].relay is None
    assert equipment.ports["one"].device is equipment.guards["one"]


def test_a_relay_that_opens_by_itself_is_renewed_and_stands_in_the_inventory(tmp_path: Path) -> None:
    relay = 'modbus: {host: 10.0.0.9, coil: 0, closed: "on"}'
    assert (
        mistakes(
            tmp_path,
            SMALL.replace(relay, 'outlet: {family: shelly, host: 10.0.0.9, mac: "02:00:00:00:00:09", hold: 30 s}'),
        )
        == []
    )
    equipment = equipment_of(load_agent(tmp_path / "agent.yaml"), FoundSettings(tmp_path / "found.json"))
    assert (equipment.ports["one"].hold_s, equipment.ports["two"].hold_s) == (30.0, None)
    assert equipment.leased["one"].dead_man == DeadMan(after_ms=30_000, falls_to_w=0)
    assert equipment.leased["two"].dead_man is None
    assert isinstance(equipment.ports["one"].relay, GuardedOutlet)


def test_a_login_that_is_missing_silences_its_device_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    two = 'id: two, family: vnish, host: 10.0.0.2, mac: "02:00:00:00:00:02", model: antminer-s19-xp, login: no.login'
    text = re.sub(r"id: two, [^}]*", two, SMALL)
    assert mistakes(tmp_path, text) == []
    file = load_agent(tmp_path / "agent.yaml")
    equipment = equipment_of(file, FoundSettings(found_file(file)))
    assert set(equipment.ports) == {"one", "two"}
    with pytest.raises(DriverLoss, match=r"no\.login: No such file"):
        asyncio.run(equipment.guards["two"].read())
    assert asyncio.run(equipment.guards["two"].command(0)) is CommandOutcome.UNKNOWN
    assert [record.device for record in caplog.records] == ["two"]  # type: ignore[attr-defined]
