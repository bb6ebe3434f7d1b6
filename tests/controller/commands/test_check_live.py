"""`surplusd check --live`: every meter once, at the same time, and what looks wrong."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from controller.cli import main
from drivers.meters.profiles import bundled_profiles, load_profile
from simulators.substation.modbus_server import Unit
from simulators.substation.opcua_server import Behaviour, Scada
from tests.controller.commands.substation import SOUND, Substation, site_file, unit
from tests.drivers.meters.opcua.serving import METER, SURPLUS, endpoint, serving


def modbus(port: int, unit_id: int = 1, profile: str = "schneider_pm5xxx", more: str = "") -> str:
    doubted = profile in bundled_profiles() and load_profile(profile).power_doubt
    settled = ", confirmed: true" if doubted else ""
    return f"{{host: 127.0.0.1, port: {port}, unit: {unit_id}, profile: {profile}{settled}{more}}}"


def check(folder: Path, meters: dict[str, str], surplus: str, *options: str) -> int:
    return main(["check", "--live", str(site_file(folder, meters, surplus)), *options])


def test_sound_meters_of_several_makes(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = substation.serve({1: unit("schneider_pm5xxx"), 2: unit("carlo_gavazzi_em24")})
    meters = {"main": modbus(port), "check": modbus(port, 2, "carlo_gavazzi_em24")}
    assert check(tmp_path, meters, modbus(port)) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0].endswith("10 devices, 1 agents")
    assert lines[1].split() == ["METER", "QUANTITY", "VALUE", "AGE", "QUALITY"]
    rows = [line.split() for line in lines]
    for name in ("main", "check"):
        assert [name, "active", "power", "812.5", "kW"] in [row[:5] for row in rows]
    assert ["surplus", "surplus", "812.5", "kW"] in [row[:4] for row in rows]
    assert lines[-1] == "all were read, and nothing looks wrong"


@pytest.mark.parametrize(
    ("grid_hz", "meter_hz", "said"),
    [
        (60, 60.0, ""),
        (60, 50.0, "50 Hz is no 60 Hz grid (55 to 65 Hz)"),
        (50, 60.0, "60 Hz is no 50 Hz grid (45 to 55 Hz)"),
    ],
)
def test_a_meter_is_held_against_the_frequency_of_its_grid(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str], grid_hz: int, meter_hz: float, said: str
) -> None:
    port = substation.serve(unit("schneider_pm5xxx", SOUND | {"frequency_hz": meter_hz}))
    path = site_file(tmp_path, {"main": modbus(port)}, modbus(port))
    path.write_text(path.read_text().replace("{contract: 1 MW", f"{{frequency: {grid_hz} Hz, contract: 1 MW"))
    assert main(["check", "--live", str(path)]) == bool(said)
    assert (said or "nothing looks wrong") in " ".join(capsys.readouterr().out.split())


def test_meters_that_are_all_turned_are_asked_for_their_sign(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = substation.serve({1: unit("schneider_pm5xxx")})
    assert check(tmp_path, {"main": modbus(port, 1, "schneider_pm5xxx", ", sign: -1")}, modbus(port)) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "; power out of the site is what main shows: is `sign` right?" in told


NEGATIVE = {name: -value for name, value in SOUND.items() if name.startswith("active_power")}


@pytest.mark.parametrize(
    ("trap", "meter", "profile", "said"),
    [
        ("wrong profile, W for kW", unit("schneider_pm5xxx"), "schneider_pm8000", "1000 times as much"),
        ("wrong profile, kW for W", unit("schneider_pm8000"), "schneider_pm5xxx", "1000 times less would fit"),
        ("another maker's profile", unit("siemens_pac3200_4200"), "schneider_pm5xxx", "not read: exception 2"),
        ("word order", unit("phoenix_contact_eempro"), "own.yaml", "is no 50 Hz grid"),
        ("backwards", unit("schneider_pm5xxx", SOUND | NEGATIVE), "schneider_pm5xxx", "sign, or direction of the current transformers?"),
        ("NaN", unit("schneider_pm5xxx", SOUND | {"frequency_hz": float("nan")}), "schneider_pm5xxx", "frequency: "),
        ("not ready", unit("schneider_pm5xxx", dict.fromkeys(SOUND, 0.0)), "schneider_pm5xxx", "everything is zero"),
        ("saturated", unit("schneider_p3u30", SOUND | {"active_power_w": 40e6}), "schneider_p3u30", "active power: saturated"),
        ("a fuse", unit("schneider_pm5xxx", SOUND | {"voltage_l3_n_v": 1.0}), "schneider_pm5xxx", "the phases are uneven"),
        ("a busy meter", unit("schneider_pm5xxx", exception=6), "schneider_pm5xxx", "not read: exception 6 (server device busy)"),
        ("nobody behind the gateway", unit("schneider_pm5xxx", dead="exception"), "schneider_pm5xxx", "not read: exception 11"),
        ("mute", unit("schneider_pm5xxx", mute=True), "schneider_pm5xxx", "not read: no complete answer within 1 s, not a byte: another unit"),
    ],
)  # fmt: skip
def test_what_looks_wrong_stands_under_the_meter(
    substation: Substation,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    trap: str,
    meter: Unit,
    profile: str,
    said: str,
) -> None:
    (tmp_path / "own.yaml").write_text(
        "id: own\nvendor: v\nmodel: m\nconfidence: partial\nsources: [none]\nword_order: big\nregisters:\n"
        "  active_power_w: {fc: 3, address: 32790, type: float32, unit: W}\n"
        "  frequency_hz: {fc: 3, address: 32780, type: float32, unit: Hz}\n"
    )
    port, sound = substation.serve(meter, timeout_s=0.05), substation.serve(unit("schneider_pm5xxx"))
    assert check(tmp_path, {"main": modbus(port, 1, profile), "check": modbus(sound)}, modbus(sound)) == 1, trap
    out, err = capsys.readouterr()
    assert err == ""
    assert said in " ".join(out.split()), trap
    assert out.splitlines()[-1] == "look at: main"
    assert (
        out.splitlines()[-2]
        == "meter-not-read.md of the manual goes from what is said of a meter to the line that mends it"
    )
    assert max(map(len, out.splitlines()[1:])) <= 120


def test_what_the_profile_is_not_sure_of_is_said_and_is_not_wrong(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = substation.serve(unit("janitza_umg801"))
    meter = modbus(port, profile="janitza_umg801")
    assert check(tmp_path, {"main": meter}, meter) == 0
    assert "? verify import counter, export counter: the sum by analogy" in " ".join(capsys.readouterr().out.split())


def test_a_power_that_is_in_doubt_is_not_read_until_somebody_has_settled_it(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load = {name: value / 200 if name.endswith(("_w", "_a", "_var")) else value for name, value in SOUND.items()}
    in_kw = {name: value / 1000 if name.endswith(("_w", "_var")) else value for name, value in load.items()}
    port, sound = substation.serve(unit("schneider_pm8000", in_kw)), modbus(substation.serve(unit("schneider_pm5xxx")))
    plain = f"host: 127.0.0.1, port: {port}, profile: schneider_pm8000"
    assert check(tmp_path, {"main": f"{{{plain}}}"}, sound) == 1
    err = capsys.readouterr().err
    assert "meters[0].modbus.profile: found 'schneider_pm8000', whose power is in doubt (W: one list says kW" in err
    assert "allowed is confirmed: true or power_unit" in err
    assert check(tmp_path, {"main": f"{{{plain}, power_unit: kW}}"}, sound) == 0
    out = capsys.readouterr().out
    assert "4.0625 kW" in out
    assert "verify active power" not in out
    assert check(tmp_path, {"main": "{host: h, profile: schneider_pm5xxx, confirmed: true}"}, sound) == 1
    assert "confirmed for schneider_pm5xxx, whose power is sure" in capsys.readouterr().err


def test_registers_that_the_meter_lacks_are_said_and_are_not_wrong(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = unit("schneider_iem3000")
    image = {key: word for key, word in whole.image().items() if not 3207 <= key[1] <= 3210}
    port = substation.serve(Unit(lambda: image, largest_block=whole.largest_block, unmapped="exception"))
    meter = modbus(port, profile="schneider_iem3000")
    assert check(tmp_path, {"main": meter}, meter) == 0
    assert "- not in this meter: export counter" in capsys.readouterr().out


def test_all_are_read_at_the_same_time_and_a_mute_one_holds_up_none(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mute = [substation.serve(unit("schneider_pm5xxx", mute=True)) for _ in range(6)]
    port = substation.serve(unit("schneider_pm5xxx"))
    meters = {f"mute-{n}": modbus(each, more=", timeout: 4 s") for n, each in enumerate(mute)}
    begun_s = time.monotonic()
    assert check(tmp_path, meters | {"main": modbus(port)}, modbus(port)) == 1
    assert time.monotonic() - begun_s < 15.0, "one after the other they take 24 s"
    assert capsys.readouterr().out.splitlines()[-1] == "look at: " + ", ".join(meters)


def test_what_an_opcua_server_shows_stands_beside_it(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = endpoint()
    scada = serving(Scada(endpoint=at, behaviour=Behaviour()))
    substation.call(scada.__aenter__())
    try:
        meter = f"{{endpoint: '{at}', node: '{METER}', security: none}}"
        surplus = f"{{endpoint: '{at}', node: '{SURPLUS}', unit: kW, security: none}}"
        status = check(tmp_path, {"main": meter}, surplus)
        out, err = capsys.readouterr()
    finally:
        substation.call(scada.__aexit__(None, None, None))
    assert (status, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert ["main", "active", "power", "812.5", "kW"] in [row[:5] for row in rows]
    assert ["frequency", "50", "Hz"] in [row[:3] for row in rows]
    assert ["surplus", "surplus", "500", "kW"] in [row[:4] for row in rows]
    assert f"({at} {METER})" in out


def test_two_meters_of_one_node_that_differ_are_named(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {name: 0.7 * value if name.endswith(("_w", "_a")) else value for name, value in SOUND.items()}
    port = substation.serve({1: unit("schneider_pm5xxx"), 2: unit("schneider_pm5xxx", other)})
    assert check(tmp_path, {"main": modbus(port), "check": modbus(port, 2)}, modbus(port)) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "! meters check and main disagree"


def test_a_contradiction_is_named_also_where_a_meter_has_the_name_of_its_node(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {name: 0.7 * value if name.endswith(("_w", "_a")) else value for name, value in SOUND.items()}
    port = substation.serve({1: unit("schneider_pm5xxx"), 2: unit("schneider_pm5xxx", other)})
    assert check(tmp_path, {"pcc": modbus(port), "check": modbus(port, 2)}, modbus(port)) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "! meters check and pcc disagree"


def test_the_deadline_holds(substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port, mute = substation.serve(unit("schneider_pm5xxx")), substation.serve(unit("schneider_pm5xxx", mute=True))
    meters = {"main": modbus(port), "mute": modbus(mute, more=", timeout: 4 s")}
    assert check(tmp_path, meters, modbus(port), "--within", "1500 ms") == 1
    assert "not read: no answer yet" in capsys.readouterr().out


def test_a_broken_site_file_is_not_read_by(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = site_file(tmp_path, {"main": modbus(1, profile="schneider_pm5xxx")}, modbus(1))
    path.write_text(path.read_text().replace("contract: 1 MW", "contract: -1 MW"))
    assert main(["check", "--live", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "grid.contract" in err


def test_meters_of_one_connection_that_answer_too_slowly_for_their_polls_are_told(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units = {number: unit("siemens_pac3200_4200", delay_s=0.15) for number in range(1, 7)}
    slow, sound = substation.serve(units), modbus(substation.serve(unit("schneider_pm5xxx")))
    meters = {
        f"m{number}": modbus(slow, number, "siemens_pac3200_4200", ", poll: 500 ms, timeout: 2 s") for number in units
    }
    assert check(tmp_path, meters, sound) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert f"! 127.0.0.1:{slow}: one round of power and frequency of m1, m2, m3, m4, m5, m6 took " in out
    assert "which is longer than there is between two; a poll of " in out
    slower = {name: each.replace("poll: 500 ms", "poll: 4 s") for name, each in meters.items()}
    assert check(tmp_path, slower, sound) == 0
