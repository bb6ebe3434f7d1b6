"""Mistakes of a Modbus source: one line each, with its place and what is allowed."""

import re

import pytest

MAIN = "modbus: {host: 10.0.0.1, profile: schneider_pm5xxx}"
SERIAL = "serial: {device: /dev/ttyUSB0}"

BROKEN = {
    "unit 0 on a serial line": (
        f"{{transport: rtu, {SERIAL}, unit: 0, profile: schneider_pm5xxx}}",
        ["meters[0].modbus.unit: found 0", "1 to 247 on a serial line"],
    ),
    "unit 255 through a device server": (
        "{transport: rtu_over_tcp, host: h, unit: 255, profile: schneider_pm5xxx}",
        ["meters[0].modbus.unit: found 255", "1 to 247 on a serial line"],
    ),
    "any unit on a serial line": (
        f"{{transport: rtu, {SERIAL}, unit: any, profile: schneider_pm5xxx}}",
        ["meters[0].modbus.unit: found 'any'", "1 to 247 on a serial line"],
    ),
    "transactions on a serial line": (
        f"{{transport: rtu, {SERIAL}, ignore_transaction: true, profile: schneider_pm5xxx}}",
        ["meters[0].modbus.ignore_transaction: found true for the transport rtu, which has no transactions"],
    ),
    "a model of another profile": (
        "{host: h, profile: sunspec_203, model: 213}",
        ["meters[0].modbus.model: found 213", "one of 201, 202, 203, 204"],
    ),
    "a model without SunSpec": (
        "{host: h, profile: schneider_pm5xxx, nth: 2}",
        ["meters[0].modbus.nth: found nth for schneider_pm5xxx, which is no profile of SunSpec"],
    ),
    "a power in doubt": (
        "{host: h, profile: schneider_ion7400}",
        ["meters[0].modbus.profile: found 'schneider_ion7400', whose power is in doubt", "power_unit"],
    ),
    "a unit for a power that is sure": (
        "{host: h, profile: schneider_pm5xxx, power_unit: kW}",
        ["meters[0].modbus.power_unit: found power_unit for schneider_pm5xxx, whose power is sure"],
    ),
    "neither host nor serial": ("{profile: schneider_pm5xxx}", ["neither host nor serial", "exactly one"]),
    "host and serial": (f"{{host: h, {SERIAL}, profile: schneider_pm5xxx}}", ["both host and serial"]),
    "serial without its transport": (
        f"{{{SERIAL}, profile: schneider_pm5xxx}}",
        ["meters[0].modbus.serial: found serial for the transport tcp", "host, or another"],
    ),
    "RTU without serial": (
        "{transport: rtu, host: h, profile: schneider_pm5xxx}",
        ["host for the transport rtu", "serial, or another transport"],
    ),
    "TLS without certificates": (
        "{transport: tls, host: h, profile: schneider_pm5xxx}",
        ["tls without tls", "both or neither"],
    ),
    "certificates without TLS": (
        "{host: h, tls: {ca: a.pem}, profile: schneider_pm5xxx}",
        ["meters[0].modbus.tls: found tls for the transport tcp", "both or neither"],
    ),
    "half a client certificate": (
        "{transport: tls, host: h, tls: {ca: a.pem, certificate: b.pem}, profile: schneider_pm5xxx}",
        ["meters[0].modbus.tls", "both or neither"],
    ),
    "unknown transport": ("{transport: udp, host: h, profile: schneider_pm5xxx}", ['"rtu_over_tcp"']),
    "relative device": (
        "{transport: rtu, serial: {device: ttyUSB0}, profile: schneider_pm5xxx}",
        ["meters[0].modbus.serial.device", "absolute path"],
    ),
    "baud": ("{transport: rtu, serial: {device: /dev/t, baud: 9.6}, profile: schneider_pm5xxx}", ["300 to"]),
    "parity": ("{transport: rtu, serial: {device: /dev/t, parity: odds}, profile: schneider_pm5xxx}", ['"odd"']),
    "stop bits": ("{transport: rtu, serial: {device: /dev/t, stop_bits: true}, profile: schneider_pm5xxx}", ["1 to 2"]),
    "slow polls faster than the others": (
        "{host: h, profile: schneider_pm5xxx, poll_slow: 500 ms}",
        ["meters[0].modbus.poll_slow", "at least poll, 1 s"],
    ),
    "polled faster than it measures": (
        "{host: h, profile: eig_shark_100, poll: 500 ms}",
        ["meters[0].modbus.poll", "new values"],
    ),
    "no full scale": (
        "{host: h, profile: satec_pm180}",
        ["no full_scale for satec_pm180", "as it is set in the meter"],
    ),
    "full scale that nothing needs": (
        "{host: h, profile: schneider_pm5xxx, full_scale: 1 MW}",
        ["meters[0].modbus.full_scale", "which shows watts"],
    ),
}


SECONDARY = """\
id: own
vendor: v
model: m
confidence: partial
sources: [s]
word_order: big
secondary: true
registers:
  active_power_w: {fc: 3, address: 0, type: float32, unit: W}
"""


def changed(small: str, modbus: str) -> str:
    assert MAIN in small
    return small.replace(MAIN, f"modbus: {modbus}")


@pytest.mark.parametrize("name", BROKEN)
def test_one_mistake_is_one_line(name, small, complaints):
    modbus, words = BROKEN[name]
    lines = complaints(changed(small, modbus))
    assert len(lines) == 1, lines
    assert "meters[0].modbus" in lines[0]
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    "modbus",
    [
        "{transport: rtu, serial: {device: /dev/ttyUSB0, parity: even, stop_bits: 2}, profile: schneider_pm5xxx}",
        "{transport: rtu_over_tcp, host: h, port: 4001, profile: schneider_pm5xxx, poll: 200 ms}",
        "{transport: tls, host: h, port: 802, tls: {ca: a, certificate: b, private_key: c}, profile: schneider_pm5xxx}",
        "{host: h, profile: satec_pm180, full_scale: 200 kW}",
    ],
)
def test_sound_sources(modbus, small, load_text):
    assert load_text(changed(small, modbus))


def test_a_meter_that_shows_secondary_values_needs_its_ratio(small, complaints, load_text, tmp_path):
    (tmp_path / "profiles/own.yaml").write_text(SECONDARY)
    assert load_text(small)
    [line] = complaints(small.replace(", ct_ratio: 200", ""))
    assert "surplus.modbus: found no ct_ratio for" in line
    assert "ct_ratio, 1 where the meter knows its transformers" in line


def test_meters_that_share_a_connection_agree_on_how_it_speaks(small, complaints):
    text = small.replace("{host: 10.0.0.3,", "{host: 10.0.0.1, transport: rtu_over_tcp, unit: 2,")
    [line] = complaints(text)
    assert "surplus.modbus: found another transport, serial, tls or ignore_transaction than meters[0].modbus" in line


def test_a_meter_that_answers_as_any_unit_is_alone_at_its_address(small, complaints):
    [line] = complaints(small.replace("{host: 10.0.0.3,", "{host: 10.0.0.1, unit: any,"))
    assert "surplus.modbus.unit: found 'any'; allowed is a number: other meters are read at this address" in line


def test_two_meters_in_one_unit_are_two(small, load_text):
    one = "{host: 10.0.0.3, profile: sunspec_203}"
    text = re.sub(r"modbus: \{host: 10\.0\.0\.[13][^}]*\}", f"modbus: {one}", small)
    assert load_text(text.replace(one, one.replace("}", ", nth: 2}"), 1))
