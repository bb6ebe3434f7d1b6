"""What `check` says of meters on DLMS/COSEM."""

import pytest

from controller.daemon.meters.dlms import dlms_meter
from controller.site.changes import read_as, read_otherwise
from controller.site.loaded import read_site
from drivers.errors import ConfigError

MAIN = "modbus: {host: 10.0.0.1, profile: schneider_pm5xxx}"
SOUND = "host: 10.0.0.1, client: 1, profile: dlms_electricity"


@pytest.fixture
def with_meter(small):
    return lambda keys, more="": small.replace(MAIN, f"dlms: {{{keys}}}", 1).replace(
        "surplus:\n", f"{more}surplus:\n", 1
    )


@pytest.mark.parametrize(
    "keys",
    [
        SOUND,
        f"{SOUND}, authentication: low, password_file: pw",
        f'{SOUND}, authentication: high, encryption_key_file: e, authentication_key_file: a, system_title: "{"0f" * 8}"',
        f"{SOUND}, transport: hdlc_over_tcp, physical: 300, address_bytes: 4",
        "transport: hdlc, serial: {device: /dev/ttyS0}, client: 1, physical: 17, profile: dlms_electricity_net",
    ],
)
def test_sound_ones_are_taken(with_meter, load_text, keys):
    assert load_text(with_meter(keys)).meters[0].dlms is not None


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("client: 1, profile: dlms_electricity", "neither host nor serial"),
        (f"{SOUND}, transport: hdlc", "host for the transport hdlc; allowed is serial, or another transport"),
        (f"{SOUND}, physical: 17", "physical for the transport wrapper; allowed is one for HDLC alone"),
        (f"{SOUND.replace('client: 1', 'client: 200')}, transport: hdlc_over_tcp", "allowed is 1 to 127 on HDLC"),
        (f"{SOUND}, transport: hdlc_over_tcp, server: 200", "an address of more than one byte without a physical one"),
        (f"{SOUND}, transport: hdlc_over_tcp, physical: 300, address_bytes: 2", "allowed is 2 for server and physical"),
        (f"{SOUND}, transport: hdlc_over_tcp, physical: 3, address_bytes: 1", "allowed is 2 for server and physical"),
        (f"{SOUND}, authentication: low", "authentication low without password_file"),
        (f"{SOUND}, authentication: high, encryption_key_file: e", "without authentication_key_file"),
        (f"{SOUND}, password_file: pw", "password_file for the authentication none; allowed is none"),
        (f"{SOUND}, counter: 0-0:43.1.1", "counter for the authentication none"),
        (f"{SOUND}, poll: 2 s, poll_slow: 1 s", "allowed is at least poll, 2 s"),
        (f"{SOUND}, poll: 3 s", "with its timeout at most suspect_after"),
        (SOUND.replace("_electricity", "_electricty"), "did you mean"),
        (SOUND.replace("dlms_electricity", "schneider_pm5xxx"), "dlms_electricity"),
        (f"{SOUND}, system_title: 12", "16 hexadecimal digits in quotes"),
    ],
)
def test_what_does_not_fit_is_told(with_meter, complaints, keys, words):
    found = complaints(with_meter(keys))
    assert any(words in line for line in found), found


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("host: 10.0.0.1, client: 2, profile: dlms_electricity", "the place, server and physical address of meters[0]"),
        (
            "transport: hdlc_over_tcp, host: 10.0.0.1, client: 1, physical: 3, profile: dlms_electricity",
            "another transport",
        ),
    ],
)
def test_two_that_are_one_or_cannot_share_a_place_are_told(with_meter, complaints, keys, words):
    more = f"  - {{id: two, node: annex, rating: 120 kW, class: 1 %, dlms: {{{keys}}}}}\n"
    found = complaints(with_meter(SOUND, more))
    assert any(words in line for line in found), found


def test_a_serial_port_speaks_one_protocol(with_meter, complaints):
    modbus = "transport: rtu, serial: {device: /dev/ttyS0}, profile: schneider_pm5xxx"
    more = f"  - {{id: two, node: annex, rating: 120 kW, class: 1 %, modbus: {{{modbus}}}}}\n"
    keys = "transport: hdlc, serial: {device: /dev/ttyS0}, client: 1, profile: dlms_electricity"
    assert any("on which a meter speaks Modbus" in line for line in complaints(with_meter(keys, more)))


def test_one_source_of_a_meter(small, complaints):
    both = small.replace(MAIN, f"{MAIN}\n    dlms: {{{SOUND}}}", 1)
    assert any(
        "both modbus and dlms; allowed is exactly one of modbus, opcua, dlms" in line for line in complaints(both)
    )


def test_a_change_of_its_keys_is_read_otherwise_and_one_of_its_times_is_not():
    assert read_otherwise(["meters.main.dlms.sign", "surplus.dlms.client"]) == {"main", "surplus"}
    assert read_otherwise(["meters.main.dlms.poll", "meters.main.dlms.timeout"]) == frozenset()


def test_what_its_samples_mean_follows_its_profile_file(with_meter, tmp_path):
    own = "id: own\nvendor: V\nmodel: M\nconfidence: partial\nsources: [s]\nquantities:\n  active_power_w: {code: 1-0:16.7.0}\n"
    site = tmp_path / "site.yaml"
    site.write_text(
        with_meter(SOUND.replace("dlms_electricity", "own.yaml")).replace("profiles/own.yaml", "schneider_pm5xxx")
    )
    (tmp_path / "own.yaml").write_text(own)
    first = read_as(read_site(site))
    (tmp_path / "own.yaml").write_text(own.replace("16.7.0", "1.7.0"))
    assert read_as(read_site(site)) != first


@pytest.mark.parametrize("content", ["", "00" * 15, "zz" * 16])
def test_a_key_that_is_none_is_refused_without_being_told(with_meter, load_text, tmp_path, content):
    source = (
        load_text(
            with_meter(
                f"{SOUND}, authentication: high, encryption_key_file: {tmp_path}/e, authentication_key_file: {tmp_path}/e"
            )
        )
        .meters[0]
        .dlms
    )
    (tmp_path / "e").write_text(content)
    with pytest.raises(ConfigError) as error:
        dlms_meter("main", source)
    assert str(tmp_path) in str(error.value)
    assert not content or content not in str(error.value)
