"""The verbs of ``surplusd agent`` that look at devices, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.agent.equipment import equipment_of, found_file
from controller.agent.load import load_agent
from controller.cli import main
from drivers.devices.found import FoundSettings
from simulators.devices.traps import Trap
from tests.controller.agent.halls import FULL_W, OFF_W, Hall, hall_of
from tests.drivers.fleet.test_own_models import EXAMPLE, OWN


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    with hall_of(tmp_path, 3) as hall:
        yield hall


def test_check_tells_what_each_device_says_and_writes_nothing(hall: Hall, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent", "check", str(hall.write())]) == 0
    said = capsys.readouterr().out
    assert "590MHz atm" in said
    assert f"{FULL_W} W (estimate)" in said
    assert f"{OFF_W} to {FULL_W} W" in said
    assert "s19k-001: thermal management (ATM) is on; it is switched off while the device is led" in said
    assert hall.told() == []


def test_check_names_a_device_that_is_another_one_and_one_that_is_silent(
    hall: Hall, capsys: pytest.CaptureFixture[str]
) -> None:
    hall.units["s19k-001"].trap = Trap.WRONG_SERIAL
    hall.units["s19k-002"].cut()
    assert main(["agent", "check", str(hall.write())]) == 1
    said = capsys.readouterr().out
    assert "WRONG  s19k-001: another device: serial OTHER0DEVICE0001" in said
    assert "WRONG  s19k-002: 127.0.0.1:" in said
    assert "WRONG  s19k-003" not in said
    assert hall.told() == []


def test_only_a_relay_that_opens_by_itself_is_a_dead_man(hall: Hall, capsys: pytest.CaptureFixture[str]) -> None:
    raw = hall.raw()
    raw["relays"] = [
        {"id": "coil", "modbus": {"host": "127.0.0.1", "port": 9, "coil": 0, "closed": "on"}},
        {
            "id": "plug",
            "outlet": {"family": "shelly", "host": "127.0.0.1", "port": 9, "mac": "aabbccddeeff", "hold": "30 s"},
        },
    ]
    raw["devices"][0]["relay"], raw["devices"][1]["relay"] = "coil", "plug"
    main(["agent", "check", str(hall.write(raw))])
    said = [
        line.split()[-3:]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("s19k-00") and "back" in line
    ]
    assert said == [["read", "back", "none"], ["plug,", "30", "s"], ["read", "back", "none"]]


def test_check_says_where_the_family_is_slower_than_the_model(hall: Hall, capsys: pytest.CaptureFixture[str]) -> None:
    raw = hall.raw()
    raw["models"] = "own.yaml"
    raw["devices"][0]["model"] = OWN
    (hall.folder / "own.yaml").write_text(EXAMPLE.replace("down: 6 s", "down: 1 s"))
    assert main(["agent", "check", str(hall.write(raw))]) == 0
    said = capsys.readouterr().out
    assert "s19k-001: LuxOS takes 5 s down, its model says 1 s: the agent counts 5 s\n" in said
    assert "s19k-001: LuxOS takes 10 s up" not in said
    assert "25 to 2192 W" in said
    assert hall.told() == []


def test_check_names_a_key_that_is_missing(hall: Hall, capsys: pytest.CaptureFixture[str]) -> None:
    path = hall.write()
    (hall.folder / "keys" / "controller.pub").unlink()
    assert main(["agent", "check", str(path)]) == 1
    assert "controller.pub: No such file" in capsys.readouterr().out


def test_scan_finds_them_by_reading_alone_and_prints_entries_that_are_accepted(
    hall: Hall, capsys: pytest.CaptureFixture[str]
) -> None:
    ports = [f"--port={server.port}" for server in hall.servers.values()]
    assert main(["agent", "scan", "127.0.0.1/32", *ports]) == 0
    stanza = capsys.readouterr().out
    assert hall.told() == []
    assert stanza.count("family: luxos") == 3
    assert 'serial: "SERIAL0001"' in stanza
    stanza = stanza.replace("luxos-127-0-0-1", "one", 1).replace("luxos-127-0-0-1", "two", 1)
    head = "version: 1\nsite: yard\nagent: hall\nmqtt: {host: 127.0.0.1, tls: none}\n"
    path = hall.folder / "scanned.yaml"
    path.write_text(head + stanza)
    assert [device.model for device in load_agent(path).devices] == ["antminer-s19k-pro"] * 3


def test_scan_of_nothing_says_so(hall: Hall, capsys: pytest.CaptureFixture[str]) -> None:
    hall.units["s19k-001"].cut()
    assert main(["agent", "scan", "127.0.0.1/32", f"--port={hall.servers['s19k-001'].port}"]) == 1
    assert "nothing in 127.0.0.1/32 says what it is" in capsys.readouterr().out


@pytest.mark.parametrize("network", ["10.0.0.0/8", "nowhere", "10.0.0.0/33"])
def test_a_network_that_is_none_is_refused(network: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent", "scan", network]) == 1
    assert "allowed" in capsys.readouterr().err


def lead(path: Path, watts: int) -> None:
    """Tell every device of a file, as an agent would, after reading it."""
    file = load_agent(path)

    async def tell() -> None:
        equipment = equipment_of(file, FoundSettings(found_file(file)))
        for guard in equipment.guards.values():
            await guard.read()
            await guard.command(watts)
        await equipment.close()

    asyncio.run(tell())


def test_release_hands_devices_back_as_they_were_found(hall: Hall, capsys: pytest.CaptureFixture[str]) -> None:
    path = hall.write()
    lead(path, 784)
    lead(path, OFF_W)
    assert [unit.told_w for unit in hall.units.values()] == [OFF_W] * 3
    assert main(["agent", "release", str(path)]) == 0
    assert capsys.readouterr().out.count("as it was found") == 3
    assert [unit.told_w for unit in hall.units.values()] == [FULL_W] * 3
    assert [server.atm for server in hall.servers.values()] == [True] * 3
    assert main(["agent", "release", str(path)]) == 0
    assert "no device was led" in capsys.readouterr().out


def test_release_says_what_is_not_as_it_was_found_and_can_be_said_again(
    hall: Hall, capsys: pytest.CaptureFixture[str]
) -> None:
    path = hall.write()
    lead(path, 784)
    hall.units["s19k-002"].trap = Trap.SAYS_OK
    assert main(["agent", "release", str(path)]) == 1
    assert "s19k-002: NOT as it was found: it answered accepted, and is set to" in capsys.readouterr().out
    hall.units["s19k-002"].trap = Trap.OK
    assert main(["agent", "release", str(path), "s19k-002"]) == 0
    assert hall.units["s19k-002"].told_w == FULL_W


def test_release_of_a_device_that_was_never_led_is_refused(hall: Hall, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent", "release", str(hall.write()), "s19k-001"]) == 1
    assert "found s19k-001; allowed are devices that were led" in capsys.readouterr().err


def test_keys_are_made_where_they_stay(hall: Hall, capsys: pytest.CaptureFixture[str]) -> None:
    path = hall.write()
    for name in ("hall.key", "hall.pub", "controller.pub"):
        (hall.folder / "keys" / name).unlink()
    assert main(["agent", "keys", str(path)]) == 0
    said = capsys.readouterr().out
    assert "still missing" in said
    assert (hall.folder / "keys" / "hall.key").stat().st_mode & 0o777 == 0o600
    before = (hall.folder / "keys" / "hall.key").read_bytes()
    assert main(["agent", "keys", str(path)]) == 0
    assert (hall.folder / "keys" / "hall.key").read_bytes() == before
