"""Mistakes of a source over HTTP or MQTT: one line each, with its place and what is allowed."""

import pytest

MAIN = "modbus: {host: 10.0.0.1, profile: schneider_pm5xxx}"
VOUCHED = '"anyone on this network may read and forge these values"'
LOGIN = "username: admin, password_file: p"

BROKEN = {
    "neither profile nor place": (
        "http: {url: http://h/x}",
        ["meters[0].http", "neither profile nor at", "exactly one"],
    ),
    "profile and place": ("http: {url: http://h, profile: evcc, at: /p, unit: W}", ["both profile and at"]),
    "a misspelt profile": (
        "http: {url: http://h, profile: evc}",
        ["http.profile: found 'evc'", "evcc (did you mean that?)"],
    ),
    "a profile of the other way": (
        "http: {url: http://h/, profile: evcc_mqtt}",
        ["http.profile: found 'evcc_mqtt', which is read over mqtt", "allowed is evcc, evcc_result"],
    ),
    "a profile of Modbus": (
        "http: {url: http://h, profile: schneider_pm5xxx}",
        ["http.profile: found 'schneider_pm5xxx'; allowed is beside `modbus:` alone; here", "evcc"],
    ),
    "no pointer": ("http: {url: http://h/x, at: /a~2, unit: W}", ["http.at: found '/a~2'", "a JSON pointer"]),
    "a topic over HTTP": (
        "http: {url: http://h/x, at: grid /p, unit: W}",
        ["http.at: found 'grid /p', which does not begin with /", "such as /grid/power", "HTTP has no topics"],
    ),
    "points instead of slashes": (
        "http: {url: http://h/x, at: em:0.total_act_power, unit: W}",
        ["http.at: found 'em:0.total_act_power', which does not begin with /"],
    ),
    "another unit than the profile's": (
        "http: {url: http://h, profile: shelly_em_gen2, unit: kW}",
        ["http.unit: found kW, where shelly_em_gen2 says W", "allowed is W, or none"],
    ),
    "the topic with its end": (
        "mqtt: {host: localhost, topic: shelly-aabb/status/em:0, tls: none, profile: shelly_em_gen2_mqtt}",
        [
            "mqtt.topic: found 'shelly-aabb/status/em:0'",
            "to which shelly_em_gen2_mqtt adds status/em:0",
            "allowed is shelly-aabb",
        ],
    ),
    "a stamp in a topic over HTTP": (
        "http: {url: http://h/x, at: /p, unit: W, stamp: {at: a /t, form: unix_s}}",
        ["found a topic in the place of a value"],
    ),
    "a pointer into a bare text": (
        "http: {url: http://h/x, at: /p, form: text, unit: W}",
        ["found the pointer /p into a bare text", "none: a text has no parts"],
    ),
    "a stamp in a bare text": (
        "mqtt: {host: localhost, topic: t, tls: none, at: p, form: text, unit: W, stamp: {at: s /t, form: unix_s}}",
        ["found the pointer s /t into a bare text"],
    ),
    "no unit": (
        "http: {url: http://h/x, at: /p}",
        ["meters[0].http: found no unit for the power", "unit: W, kW, MW or GW"],
    ),
    "no unit of an entity": (
        "mqtt: {host: localhost, topic: t, tls: none, profile: home_assistant_statestream}",
        ["found no unit for home_assistant_statestream"],
    ),
    "a form beside a profile": (
        "http: {url: http://h, profile: evcc, form: text}",
        ["http.form: found form beside a profile"],
    ),
    "no address": ("http: {url: 10.0.0.5, profile: evcc}", ["http.url: found '10.0.0.5'", "http://10.0.0.5/status"]),
    "a user in the address": (
        "http: {url: http://a:b@h/, profile: evcc}",
        ["http.url: found 'http://…@h/'", "without user and password"],
    ),
    "no path": ("http: {url: http://h:8123, profile: home_assistant}", ["http.url: found", "one with a path"]),
    "https without tls": ("http: {url: https://h, profile: evcc}", ["found https without tls", "both or neither"]),
    "tls without https": ("http: {url: http://h, profile: evcc, tls: {ca: a}}", ["http.tls: found tls for plain http"]),
    "nobody is trusted": ("http: {url: https://h, profile: evcc, tls: {}}", ["http.tls: found neither ca nor sha256"]),
    "half a login": ("http: {url: http://localhost, profile: evcc, username: a}", ["found half a login"]),
    "a token and a user": (
        f"http: {{url: http://localhost, profile: evcc, token_file: t, {LOGIN}}}",
        ["found a token and a user", "one of them"],
    ),
    "a login of nobody": (
        "http: {url: http://h, profile: evcc, login: digest}",
        ["http.login: found login without username"],
    ),
    "a token in the clear": (
        "http: {url: http://h/x, profile: home_assistant, token_file: t}",
        ["http.url: found a token or a password over plain http", "unprotected: anyone on this network"],
    ),
    "vouched for without need": (
        f"http: {{url: http://h, profile: evcc, unprotected: {VOUCHED}}}",
        ["http.unprotected", "only where nothing protects the connection"],
    ),
    "a slow poll": (
        "http: {url: http://h, profile: evcc, poll: 5 s}",
        ["http.poll: found '5 s'", "suspect_after, 3 s"],
    ),
    "a stamp of changes without an end": (
        "http: {url: http://h, profile: evcc, stamp: {at: /t, form: unix_s, of: change}}",
        ["http.stamp: found of: change without max_age"],
    ),
    "an end of what is measured": (
        "http: {url: http://h, profile: evcc, stamp: {at: /t, form: unix_s, max_age: 5 s}}",
        ["http.stamp: found of: measurement with max_age"],
    ),
    "an unknown form of time": (
        "http: {url: http://h, profile: evcc, stamp: {at: /t, form: rfc}}",
        ["http.stamp.form: found 'rfc'", "iso8601"],
    ),
    "a broker in the clear": (
        "mqtt: {host: 10.0.0.6, topic: evcc, tls: none, profile: evcc_mqtt, every: 1 s}",
        ["mqtt.tls: found none for the host 10.0.0.6", "unprotected: anyone on this network"],
    ),
    "half a certificate": (
        "mqtt: {host: h, topic: evcc, tls: {ca: a, certificate: b}, profile: evcc_mqtt, every: 1 s}",
        ["mqtt.tls: found one of certificate and private_key"],
    ),
    "a wildcard": (
        "mqtt: {host: localhost, topic: evcc/#, tls: none, profile: evcc_mqtt, every: 1 s}",
        ["mqtt.topic: found 'evcc/#'", "without wildcards"],
    ),
    "messages that come too seldom": (
        "mqtt: {host: localhost, topic: t, tls: none, profile: tasmota_mqtt}",
        ["meters[0].mqtt: found a message every 10 s", "suspect_after, 3 s"],
    ),
    "an interval that is too long": (
        "mqtt: {host: localhost, topic: t, tls: none, profile: tasmota_mqtt, every: 5 s}",
        ["meters[0].mqtt.every: found a message every 5 s"],
    ),
    "two ways": (
        f"{MAIN}\n    http: {{url: http://h, profile: evcc}}",
        ["found both modbus and http", "exactly one of modbus, opcua"],
    ),
}


def changed(small: str, source: str) -> str:
    assert MAIN in small
    return small.replace(MAIN, source)


@pytest.mark.parametrize("name", BROKEN)
def test_one_mistake_is_one_line(name, small, complaints):
    source, words = BROKEN[name]
    lines = complaints(changed(small, source))
    assert len(lines) == 1, lines
    assert lines[0].split(":")[0].isdigit()
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    "source",
    [
        "http: {url: http://10.0.0.5, profile: shelly_em_gen2}",
        "http: {url: http://10.0.0.5:7070/api/state?jq=.grid, at: /power, unit: W}",
        'http: {url: http://10.0.0.5/x, at: "", form: text, unit: kW, stamp: none}',
        f"http: {{url: http://h:8123/api/states/sensor.p, profile: home_assistant, token_file: t, unprotected: {VOUCHED}}}",
        "http: {url: https://h/api/states/sensor.p, profile: home_assistant, token_file: t, tls: {ca: ca.pem}}",
        f"http: {{url: http://h, profile: shelly_3em_gen1, {LOGIN}, login: basic, unprotected: {VOUCHED}}}",
        "mqtt: {host: localhost, topic: shellies/x, tls: none, profile: shelly_3em_gen1_mqtt}",
        "mqtt: {host: h, topic: evcc, tls: {ca: a, certificate: b, private_key: c}, profile: evcc_mqtt, every: 2 s}",
        "mqtt: {host: h, topic: ha/sensor/p, tls: {ca: a}, profile: home_assistant_statestream, unit: kW}",
        "mqtt: {host: localhost, topic: t, tls: none, at: a/b /power, unit_at: a/b /unit}",
        "http: {url: http://h, profile: shelly_em_gen2, unit: W}",
        "http: {url: http://h/x, at: /p, unit: W, stamp: {at: /t, form: iso8601, of: change, max_age: 60 s}}",
    ],
)
def test_sound_sources(source, small, load_text):
    assert load_text(changed(small, source))


OPCUA = "opcua: {endpoint: 'opc.tcp://localhost:4840', node: 'ns=2;s=P', unit: kW, security: none"
MQTT = "mqtt: {host: localhost, tls: none, topic"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (
            "http: {url: http://h, profile: evcc}",
            "http: {url: http://h, profile: evcc}",
            "http: found the url and the place",
        ),
        (
            "http: {url: http://h, profile: evcc}",
            "http: {url: http://H:80/api/state, at: /grid/power, unit: kW}",
            "http: found the url and the place",
        ),
        (
            f"{MQTT}: evcc, profile: evcc_mqtt}}",
            f'{MQTT}: evcc/site/grid/power, at: "", form: text, unit: W}}',
            "mqtt: found the broker, the topic and the place",
        ),
        (f"{OPCUA}}}", f"{OPCUA}, sign: -1}}", "opcua: found the endpoint and the node"),
        (
            "dlms: {host: localhost, profile: dlms_electricity}",
            "dlms: {host: localhost, profile: dlms_electricity_net}",
            "dlms: found the place and the address",
        ),
    ],
)
def test_two_meters_that_are_read_at_one_place_are_one(one, other, same, small, complaints):
    copy = f"{one}\n  - {{id: copy, node: pcc, rating: 120 kW, class: 0.5 %, {other}}}"
    lines = complaints(changed(small, copy))
    assert sum(f"meters[1].{same} of 'main'; allowed is every meter once" in line for line in lines) == 1


def test_two_meters_behind_one_address_are_two_where_they_are_read_at_different_places(small, load_text):
    one = f"{MQTT}: a, at: /l1, unit: W}}"
    other = f"\n  - {{id: other, node: pcc, rating: 120 kW, class: 0.5 %, {MQTT}: a, at: /l2, unit: W}}}}"
    assert load_text(changed(small, one + other))
