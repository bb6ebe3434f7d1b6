"""What values become, and what is there without being written."""

import math
from pathlib import Path

import pytest

from controller.site.measures import Price
from controller.site.texts import Listen


def test_defaults(small, load_text):
    site = load_text(small)
    assert site.tick_s == 1.0
    assert site.grid.settle_s == 15.0
    assert site.nodes[0].limit_w == math.inf
    assert site.nodes[2].house_load_w == 0.0
    modbus = site.meters[0].modbus
    assert (modbus.port, modbus.unit, modbus.poll_s, modbus.timeout_s, modbus.sign, modbus.ct_ratio) == (
        502, 1, 1.0, 0.5, 1, 1.0,
    )  # fmt: skip
    opcua = site.meters[1].opcua
    assert (opcua.security, opcua.sign, opcua.publish_interval_s, opcua.timeout_s) == (None, 1, 0.5, 2.0)
    assert opcua.source_max_age_s is None
    assert (site.surplus.skew_s, site.surplus.stale_after_s) == (2.0, 60.0)
    assert site.fleet.groups[1].failsafe == "off"
    assert (site.mqtt.port, site.mqtt.protocol) == (8883, "5")
    assert site.http.listen == Listen("127.0.0.1", 8420)


def test_without_orders_nobody_may_order(small, load_text):
    start, end = small.index("orders:"), small.index("mqtt:")
    assert load_text(small[:start] + small[end:]).orders.tokens == ()


def test_relative_paths_start_at_the_folder_of_the_file(small, load_text, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    site = load_text(small + "state: /var/lib/x\n")
    assert site.orders.tokens[0].token_file == tmp_path / "authority.token"
    assert site.mqtt.keys == tmp_path / "keys"
    assert site.mqtt.tls.private_key == tmp_path / "c.key"
    assert site.surplus.modbus.profile == str(tmp_path / "profiles/own.yaml")
    assert site.meters[0].modbus.profile == "schneider_pm5xxx"
    assert site.state == Path("/var/lib/x")


def test_prices_in_one_unit(small, load_text):
    economics = load_text(small).economics
    assert economics.tariff == Price(0.05, "USD")
    assert economics.hashprice == Price(pytest.approx(0.048), "USD")
    assert economics.gpu["high"] == Price(pytest.approx(0.9), "USD")


def test_a_tariff_may_be_negative(small, load_text):
    assert load_text(small.replace("0.05 USD/kWh", "-12.5 EUR/MWh").replace("USD", "EUR")).economics.tariff == Price(
        -0.0125, "EUR"
    )


def test_unlimited_is_a_word(small, load_text):
    site = load_text(small.replace("limit: 50 kW", "limit: unlimited"))
    assert site.nodes[3].limit_w == math.inf


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("'[::1]:0'", Listen("::1", 0)),
        ("0.0.0.0:80", Listen("0.0.0.0", 80)),
        ("site-1.lan:65535", Listen("site-1.lan", 65535)),
    ],
)
def test_listen(text, listen, small, load_text):
    assert load_text(small + f"http: {{listen: {text}}}\n").http.listen == listen


def test_opcua_security(small, load_text, tmp_path):
    keys = "{certificate: a.der, private_key: /k/a.pem, server_certificate: s.der}"
    security = load_text(small.replace("security: none", f"security: {keys}")).meters[1].opcua.security
    assert security.policy == "Basic256Sha256"
    assert (security.certificate, security.private_key) == (tmp_path / "a.der", Path("/k/a.pem"))
    assert (security.server_certificate, security.trust) == (tmp_path / "s.der", None)
    listed = small.replace("security: none", f"security: {keys.replace('server_certificate: s.der', 'trust: opcua')}")
    assert load_text(listed).meters[1].opcua.security.trust == tmp_path / "opcua"


def test_without_security_beyond_loopback_somebody_says_so_in_words(small, load_text):
    words = "security: none, unprotected: anyone on this network may read and forge these values"
    text = small.replace("127.0.0.1:4840", "scada.example:4840").replace("security: none", words)
    assert load_text(text).meters[1].opcua.security is None


def test_the_unit_of_a_server_s_value_may_be_left_to_the_server(small, load_text):
    opcua = load_text(small.replace("unit: kW,", "")).meters[1].opcua
    assert (opcua.unit, opcua.scale) == (None, 1.0)


def test_a_site_file_cannot_be_changed(small, load_text):
    site = load_text(small)
    with pytest.raises(ValueError, match="frozen"):
        site.grid.contract_w = 1e9


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.0.1", "::1"])
def test_on_loopback_nothing_need_be_secured(host, small, load_text):
    tls = "tls: {ca: ca.crt, certificate: c.crt, private_key: c.key}"
    in_url = f"[{host}]" if ":" in host else host
    text = small.replace("host: broker.example", f"host: '{host}'").replace(tls, "tls: none")
    for address in (f"opc.tcp://{in_url}:4840/a:b", f"opc.tcp://{in_url}"):
        site = load_text(text.replace("opc.tcp://127.0.0.1:4840", address))
        assert (site.mqtt.tls, site.meters[1].opcua.security) == (None, None)


def test_the_longest_lease_is_what_the_wire_allows():
    from controller.site.load import SITE_FILE
    from drivers.fleet.wire import MAX_TTL_MS

    assert (
        f"to {MAX_TTL_MS // 60_000} min" in SITE_FILE.schema["$defs"]["FleetSection"]["properties"]["lease"]["$comment"]
    )
