"""`surplusd meter probe` against meters on real sockets: what it says, what it asks, and what it leaves alone."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.cli import main
from controller.commands.meter.candidates import Probed, probe
from controller.commands.meter.capture import read_capture
from drivers.meters.profiles import bundled_profiles, load_profile
from drivers.modbus.answers import Answer, Refusal
from drivers.modbus.requests import ReadRequest
from simulators.substation.encoder import SunspecChain, encode, read_data
from simulators.substation.modbus_server import Unit, serve_serial
from tests.controller.commands.substation import SOUND, Speaking, Substation, site_file, unit

#: A feeder that every meter can show: no type of theirs ends below it.
SMALL = SOUND | {
    "active_power_w": 60_000.0, "reactive_power_var": 9_000.0,
    **{f"active_power_l{n}_w": 20_000.0 for n in (1, 2, 3)}, **{f"current_l{n}_a": 90.0 for n in (1, 2, 3)},
}  # fmt: skip
#: Without voltage and frequency in it, nothing gives this one away.
UNKNOWABLE = {"abb_reu615"}


def found_by_name(profile: str, values: dict[str, float] = SMALL) -> Probed:
    """What the probe says of a simulated meter that is asked without a wire."""
    return asyncio.run(probe(Wireless(unit(profile, values)), (), [load_profile(name) for name in bundled_profiles()]))


@dataclass(frozen=True)
class Wireless:
    """A simulated meter that is asked without a wire."""

    meter: Unit

    async def ask(self, request: ReadRequest, within_s: float, *, since_s: float | None = None) -> Answer:
        pdu = self.meter.answer(struct.pack(">BHH", request.fc, request.address, request.count))
        if pdu[0] & 0x80:
            return Refusal(pdu[1], f"exception {pdu[1]} (as it says) for {request}")
        return list(struct.unpack(f">{request.count}H", pdu[2:]))


@pytest.mark.parametrize("profile", sorted(set(bundled_profiles()) - UNKNOWABLE))
def test_every_known_meter_is_found(profile: str) -> None:
    probed = found_by_name(profile)
    fits = {each.profile.id: each.fits for each in probed.candidates}
    needs = load_profile(profile).needs_full_scale
    assert fits.get(profile) in ({"yes", "maybe"} if needs else {"yes"}), (
        probed.candidates,
        probed.failed.get(profile),
    )
    best = probed.candidates[0]
    assert best.profile.id == profile or best.rank == next(
        each.rank for each in probed.candidates if each.profile.id == profile
    ), f"{best.profile.id} is said to fit better: {best}"


def say(substation: Substation, meter: Unit | Speaking, *options: str, **server: object) -> int:
    port = substation.serve(meter, **server)
    return main(["meter", "probe", "127.0.0.1", "--port", str(port), "--pause", "1 ms", *options])


def is_taken_by_a_site_file(out: str, folder: Path) -> bool:
    """Whether the line that the verdict ends with can be put into a site file as it is."""
    mapping = out.splitlines()[-1].strip().removeprefix("modbus: ")
    return main(["check", str(site_file(folder, {"main": mapping}, mapping))]) == 0


def test_the_verdict_names_the_profile_why_and_what_to_write(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(substation, unit("eastron_sdm630")) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "eastron_sdm630  yes   50 Hz; 230.5 / 230.5 / 230.5 V; P = U * I; P = L1 + L2 + L3" in out
    assert "profile: eastron_sdm630" in out.splitlines()[-1]
    assert max(map(len, out.splitlines())) <= 120
    assert is_taken_by_a_site_file(out, tmp_path)


def test_under_load_a_factor_of_1000_decides(substation: Substation, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(substation, unit("schneider_pm8000")) == 0
    out = capsys.readouterr().out
    assert "schneider_pm5xxx   no" in out
    assert "schneider_pm8000   yes" in out
    assert "1000 times less" in out


def test_a_power_in_doubt_is_settled_by_volts_times_amperes_while_there_is_a_load(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(substation, unit("elster_a1140_a1700")) == 0
    out = capsys.readouterr().out
    assert "i volts times amperes confirm its power, which the profile is not sure of" in out
    assert out.splitlines()[-1].endswith("profile: elster_a1140_a1700, confirmed: true}")
    assert "verify active power" not in out
    assert is_taken_by_a_site_file(out, tmp_path)


def test_without_load_a_power_in_doubt_stays_so(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    idle = {name: 0.0 if name.endswith(("_w", "_a", "_var")) else value for name, value in SOUND.items()}
    say(substation, unit("elster_a1140_a1700", idle))
    out = capsys.readouterr().out
    assert "? ask again under load: volts times amperes then settle the power" in " ".join(out.split())
    assert "confirmed: true}" not in out
    assert not is_taken_by_a_site_file(out, tmp_path)


def test_of_a_maker_that_counts_the_other_way_round_the_line_turns_the_power_and_not_the_counters(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meter = unit("sunspec_203")
    away = SOUND | {name: -value for name, value in SOUND.items() if name.endswith(("_w", "_var"))}
    image = encode(read_data("sunspec_203"), away, sunspec=SunspecChain(maker="SolarEdge "))
    meter.image = lambda: image
    port = substation.serve(meter)
    assert main(["meter", "probe", f"127.0.0.1:{port}", "--pause", "1 ms"]) == 0
    out = capsys.readouterr().out
    assert "SunSpec       models 1, 201 SolarEdge" in out
    assert "i SolarEdge counts power out of the site as positive: sign -1 turns it" in out
    line = out.splitlines()[-1].strip().removeprefix("modbus: ")
    assert line.endswith("profile: sunspec_203, sign: -1, swap_counters: false}")
    assert main(["check", "--live", str(site_file(tmp_path, {"main": line}, line))]) == 0
    out = capsys.readouterr().out
    assert "active power    812.5 kW" in out
    assert "import counter  12.34" in out
    assert "export counter  1." in out


def test_of_several_meters_in_one_unit_each_has_a_line(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meter, data = unit("sunspec_203"), read_data("sunspec_203")
    image = encode(data, SOUND, sunspec=SunspecChain(meters=2))
    second = encode(data, SOUND, sunspec=SunspecChain(meters=2, nth=2))
    meter.image = lambda: image | {key: word for key, word in second.items() if key[1] >= 40177}
    assert say(substation, meter) == 0
    out = capsys.readouterr().out
    lines = [line.strip().removeprefix("modbus: ") for line in out.splitlines()[-2:]]
    assert [line[-20:] for line in lines] == [" model: 201, nth: 1}", " model: 201, nth: 2}"]
    site = site_file(tmp_path, {"first": lines[0], "second": lines[1]}, lines[0])
    assert main(["check", "--live", str(site)]) == 0


def test_without_load_it_is_said_that_nothing_tells_them_apart(
    substation: Substation, capsys: pytest.CaptureFixture[str]
) -> None:
    idle = {name: 0.0 if name.endswith(("_w", "_a", "_var")) else value for name, value in SOUND.items()}
    assert say(substation, unit("schneider_pm5xxx", idle)) == 1
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 120
    out = " ".join(out.split())
    assert "schneider_ion7400 cannot be told apart while active power is zero" in out
    assert "P = U * I" not in out


def test_a_meter_that_says_what_it_is_is_asked_little_else(
    substation: Substation, capsys: pytest.CaptureFixture[str]
) -> None:
    meter = Speaking(unit("chint_dtsu666"))
    assert say(substation, meter) == 0
    assert "identity registers at 0" in capsys.readouterr().out
    assert len(meter.asked) < 25


def test_sunspec_is_walked(substation: Substation, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(substation, unit("sunspec_203")) == 0
    out = capsys.readouterr().out
    assert "SunSpec       models 1, 201" in out
    assert "SunSpec model 201; 50 Hz" in out


def test_device_identification_decides_between_makers_models(
    substation: Substation, capsys: pytest.CaptureFixture[str]
) -> None:
    meter = Speaking(unit("schneider_pm5xxx"), texts=("Schneider Electric", "PM5560", "2.3.1"))
    assert say(substation, meter) == 0
    out = capsys.readouterr().out
    assert "calls itself  Schneider Electric PM5560 2.3.1" in out
    assert "schneider_pm5xxx  yes   calls itself PM5560; 50 Hz" in out
    assert "instead" not in out


def test_it_only_reads_and_gives_the_meter_time(substation: Substation) -> None:
    meter = Speaking(unit("eastron_sdm630"))
    say(substation, meter, "--pause", "20 ms")
    assert meter.functions <= {3, 4, 43}
    moments = [at_s for at_s, pdu in meter.asked if pdu[0] != 43]
    assert min(after - before for before, after in itertools.pairwise(moments)) > 0.015
    questions = [pdu for _, pdu in meter.asked]
    assert len(questions) == len(set(questions)), "a question is asked once"


def test_what_does_not_fit_is_listed_on_request(substation: Substation, capsys: pytest.CaptureFixture[str]) -> None:
    say(substation, unit("eastron_sdm630"), "--all")
    out = capsys.readouterr().out
    assert "carlo_gavazzi_em24" in out
    assert "frequency_hz: exception 2" in out


def test_a_meter_that_nobody_knows(substation: Substation, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(substation, Unit(lambda: {(3, 7): 1})) == 1
    assert "None fits" in capsys.readouterr().out


@pytest.mark.parametrize("changes", [{"mute": True}, {"dead": "exception"}, {"dead": "silence"}, {"exception": 11}])
def test_a_silent_meter_is_given_up_with_what_to_look_at(
    substation: Substation, capsys: pytest.CaptureFixture[str], changes: dict[str, object]
) -> None:
    meter = Speaking(unit("eastron_sdm630", **changes))
    assert say(substation, meter, "--timeout", "100 ms", timeout_s=0.02) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "is the unit id right" in err
    assert "Traceback" not in err
    assert len(meter.asked) < 8


@pytest.mark.parametrize(
    ("units", "server", "options", "way"),
    [
        ({1: {}}, {"framing": "rtu"}, (), "--transport rtu_over_tcp"),
        ({1: {}}, {}, ("--transport", "rtu_over_tcp"), "--transport tcp"),
        ({1: {"mute": True}, 255: {}}, {}, (), "--unit 255"),
        ({0: {}}, {}, ("--unit", "7"), "--unit 0"),
        ({1: {"number": 0}}, {}, (), "--ignore-transaction"),
        ({1: {"unit_shift": -1}}, {}, (), "--unit any"),
    ],
)
def test_a_meter_that_says_nothing_is_asked_in_other_ways_and_the_one_that_it_answers_is_told(
    substation: Substation, capsys: pytest.CaptureFixture[str], units, server, options, way
) -> None:
    served = {number: unit("eastron_sdm630", **faults) for number, faults in units.items()}
    port = substation.serve(served, **server)
    assert main(["meter", "probe", f"127.0.0.1:{port}", "--pause", "1 ms", "--timeout", "100 ms", *options]) == 1
    assert capsys.readouterr().err.strip().endswith(f"It answers with {way}")


class Shy(Speaking):
    """A meter that is silent where it has no register: the request is answered as if to another unit."""

    def answer(self, pdu: bytes) -> bytes:
        answer = super().answer(pdu)
        self.faults.unit_shift = int(bool(answer[0] & 0x80))
        return answer


def test_a_meter_that_is_silent_where_it_has_no_register_needs_patience(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.txt"
    assert say(substation, Shy(unit("eastron_sdm630")), "--timeout", "30 ms", "--capture", str(path)) == 1
    assert "--patient goes on" in capsys.readouterr().err
    assert path.read_text().count("= no answer") == 4, "what was asked is kept all the same"
    assert say(substation, Shy(unit("eastron_sdm630")), "--timeout", "30 ms", "--patient") == 0
    assert "eastron_sdm630  yes" in capsys.readouterr().out


def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meter", "probe", "127.0.0.1", "--port", "1", "--timeout", "200 ms"]) == 1
    err = capsys.readouterr().err
    assert "127.0.0.1:1 accepts no connection" in err
    assert len(err.splitlines()) == 1


def test_a_capture_is_what_was_asked_and_is_never_overwritten(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "capture.txt"
    meter = Speaking(unit("schneider_pm5xxx"), texts=("Schneider Electric", "PM5560", "2"))
    assert say(substation, meter, "--capture", str(path)) == 0
    replay = read_capture(path)
    assert replay.identity == ("Schneider Electric", "PM5560", "2")
    assert asyncio.run(replay.read(3, 3109, 2)) == [0x4248, 0]
    assert main(["meter", "test", "schneider_pm5xxx", "--capture", str(path)]) == 0
    before, asked = path.read_text(), len(meter.asked)
    assert say(substation, meter, "--capture", str(path)) == 1
    assert (path.read_text(), len(meter.asked)) == (before, asked)
    assert "there already" in capsys.readouterr().err


def test_rtu_frames_over_tcp(substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(substation, unit("eastron_sdm630"), "--transport", "rtu_over_tcp", framing="rtu") == 0
    out = capsys.readouterr().out
    assert "transport: rtu_over_tcp" in out
    assert is_taken_by_a_site_file(out, tmp_path)


def test_a_serial_port(substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def opened():
        port = serve_serial(units={7: unit("eastron_sdm630")})
        return port, await port.__aenter__()

    port, device = substation.call(opened())
    try:
        options = ["--transport", "rtu", "--unit", "7", "--baud", "115200", "--pause", "1 ms", "--timeout", "500 ms"]
        assert main(["meter", "probe", device, *options]) == 0
    finally:
        substation.call(port.__aexit__(None, None, None))
    out = capsys.readouterr().out
    assert f"transport: rtu, serial: {{device: {device}, baud: 115200" in out
    assert is_taken_by_a_site_file(out, tmp_path)


@pytest.mark.parametrize(
    "options",
    [["--port", "0"], ["--port", "x"], ["--unit", "256"], ["--timeout", "3"], ["--pause", "-1 s"], ["--transport", "udp"], ["--baud", "1"]],
)  # fmt: skip
def test_a_wrong_option_is_status_2(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["meter", "probe", "127.0.0.1", *options])
    assert ended.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_tls(substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    kind = (
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=m",
    )
    made = (
        "openssl",
        "req",
        *kind,
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    )
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    meter = Speaking(unit("eastron_sdm630"), texts=("Eastron", "SDM630", "1"))
    assert say(substation, meter, "--transport", "tls", "--ca", str(certificate), tls=context) == 0
    out = capsys.readouterr().out
    assert "calls itself  Eastron SDM630 1" in out
    assert "transport: tls, host: 127.0.0.1" in out
    assert is_taken_by_a_site_file(out, tmp_path)
    assert say(substation, meter, "--transport", "tls", "--ca", str(key), tls=context) == 1
    assert "key.pem" in capsys.readouterr().err


def test_tls_needs_to_know_whom_to_trust(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meter", "probe", "127.0.0.1", "--transport", "tls"]) == 2
    assert "--ca: found none" in capsys.readouterr().err
