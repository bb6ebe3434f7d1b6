"""Each mistake: the place, marked with § in what is put in, and the words; one mistake is one line."""

import re

import pytest

from controller.site.load import load
from drivers.errors import ConfigError

TRUSTING = "{certificate: a.pem, private_key: a.pem, trust: t}"

BROKEN = {
    # one value
    "unknown key": ("tick: 1 s", "§tikc: 1 s", ["tikc", "unknown key", "tick (did you mean that?)"]),
    "unknown key inside": ("limit: 60 kW", "§limt: 60 kW", ["nodes[1].limt", "limit (did you mean that?)"]),
    "key of no kind": ("tick: 1 s", "§1: 1 s", ["unknown key"]),
    "bare number": ("contract: 100 kW", "contract: §100", ["grid.contract", "found 100", "W, kW, MW, GW"]),
    "wrong unit": ("contract: 100 kW", "contract: §100 kV", ["'100 kV'", "W, kW, MW, GW"]),
    "case of a unit": ("contract: 100 kW", "contract: §100 KW", ["'100 KW'"]),
    "negative limit": ("limit: 60 kW", "limit: §-60 kW", ["nodes[1].limit", "'-60 kW'", "above 0 W", "unlimited"]),
    "zero limit": ("limit: 60 kW", "limit: §0 kW", ["nodes[1].limit", "above 0 W"]),
    "limit of NaN": ("limit: 60 kW", "limit: §.nan", ["'.nan'"]),
    "limit of infinity": ("limit: 60 kW", "limit: §1e999 kW", ["'1e999 kW'"]),
    "absurd limit": ("limit: 60 kW", "limit: §600 GW", ["100 GW"]),
    "unlimited contract": ("contract: 100 kW", "contract: §unlimited", ["'unlimited'"]),
    "amperes without their unit": (
        "limit: 60 kW,",
        "limit: 60 kW, carries: {current: §160, volts: 380 V, power_factor: 0.95, imbalance: 10 %},",
        ["nodes[1].carries.current", "found 160", "A, mA, kA"],
    ),
    "amperes and volt-amperes": (
        "limit: 60 kW,",
        "limit: 60 kW, §carries: {current: 160 A, apparent_power: 63 kVA, volts: 380 V, power_factor: 0.95, imbalance: 10 %},",
        ["nodes[1].carries", "both current and apparent_power", "exactly one"],
    ),
    "neither amperes nor volt-amperes": (
        "limit: 60 kW,",
        "limit: 60 kW, §carries: {power_factor: 0.95, imbalance: 10 %},",
        ["nodes[1].carries", "neither current nor apparent_power"],
    ),
    "amperes without the lowest volts": (
        "limit: 60 kW,",
        "limit: 60 kW, §carries: {current: 160 A, power_factor: 0.95, imbalance: 10 %},",
        ["nodes[1].carries", "a current without volts", "lowest voltage"],
    ),
    "volts for volt-amperes": (
        "limit: 60 kW,",
        "limit: 60 kW, carries: {apparent_power: 63 kVA, §volts: 380 V, power_factor: 0.95, imbalance: 10 %},",
        ["nodes[1].carries.volts", "for current alone"],
    ),
    "amperes without the lowest power factor": (
        "limit: 60 kW,",
        "limit: 60 kW, §carries: {current: 160 A, volts: 380 V, imbalance: 10 %},",
        ["nodes[1].carries.power_factor", "found nothing", "lowest power factor"],
    ),
    "power factor above one": (
        "limit: 60 kW,",
        "limit: 60 kW, carries: {current: 160 A, volts: 380 V, power_factor: §1.2, imbalance: 10 %},",
        ["nodes[1].carries.power_factor", "0.1 to 1"],
    ),
    "three phases without their imbalance": (
        "limit: 60 kW,",
        "limit: 60 kW, §carries: {current: 160 A, volts: 380 V, power_factor: 0.95},",
        ["nodes[1].carries", "without their imbalance", "as in 10 %"],
    ),
    "imbalance of one phase": (
        "limit: 60 kW,",
        "limit: 60 kW, carries: {current: 160 A, phases: 1, volts: 230 V, power_factor: 0.95, §imbalance: 10 %},",
        ["nodes[1].carries.imbalance", "three phases alone"],
    ),
    "two phases": (
        "limit: 60 kW,",
        "limit: 60 kW, carries: {current: 160 A, phases: §2, volts: 380 V, power_factor: 0.95, imbalance: 10 %},",
        ["nodes[1].carries.phases", "1 or 3"],
    ),
    "amperes for a limit in watts": (
        "limit: 60 kW,",
        "limit: 60 kW, carries: §160 A,",
        ["nodes[1].carries", "a mapping"],
    ),
    "amperes that do not carry the failsafe watts": (
        "limit: 60 kW,",
        "limit: 60 kW, §carries: {current: 5 A, volts: 380 V, power_factor: 0.95, imbalance: 10 %},",
        ["nodes[1].carries", "2.84213792 kW at its worst values", "at least 7.8 kW"],
    ),
    "window of no part of an hour": (
        "  tariff: 0.05 USD/kWh\n",
        "  tariff: 0.05 USD/kWh\n  demand: {window: §25 min, limit: 50 kW}\n",
        ["economics.demand.window", "30 min or 1 h"],
    ),
    "window without a unit": (
        "  tariff: 0.05 USD/kWh\n",
        "  tariff: 0.05 USD/kWh\n  demand: {window: §30, limit: 50 kW}\n",
        ["economics.demand.window", "found 30"],
    ),
    "demand without a limit": (
        "  tariff: 0.05 USD/kWh\n",
        "  tariff: 0.05 USD/kWh\n  §demand: {window: 30 min}\n",
        ["economics.demand.limit", "found nothing"],
    ),
    "demand under the floor": (
        "  tariff: 0.05 USD/kWh\n",
        "  tariff: 0.05 USD/kWh\n  demand: {window: 30 min, limit: §5 kW}\n",
        ["economics.demand.limit", "at least the floor", "residual watts"],
    ),
    "window that begins after itself": (
        "  tariff: 0.05 USD/kWh\n",
        "  tariff: 0.05 USD/kWh\n  demand: {window: 15 min, limit: 50 kW, begins: §15 min}\n",
        ["economics.demand.begins", "less than the window"],
    ),
    "zero up-ramp": ("ramp_up: 2 kW/s", "ramp_up: §0 kW/s", ["grid.ramp_up", "above 0 W/s"]),
    "zero down-ramp": ("ramp_down: 6 MW/min", "ramp_down: §0 kW/s", ["grid.ramp_down", "above 0 W/s"]),
    "emergency ramp that the end of all leases breaks": (
        "emergency_ramp: 30 kW/s",
        "emergency_ramp: §1 kW/s",
        ["grid.emergency_ramp", "of devices go down within 5.3 s", "a longer lease"],
    ),
    "zero emergency ramp": ("emergency_ramp: 30 kW/s", "emergency_ramp: §0 W/s", ["grid.emergency_ramp"]),
    "tick too short": ("tick: 1 s", "tick: §99 ms", ["100 ms to 10 s"]),
    "tick too long": ("tick: 1 s", "tick: §11 s", ["100 ms to 10 s"]),
    "class of zero": ("class: 0.5 %", "class: §0 %", ["meters[0].class"]),
    "count of zero": ("count: 2,", "count: §0,", ["fleet.groups[0].count", "1 to 100000"]),
    "count of true": ("count: 2,", "count: §true,", ["found true"]),
    "count of text": ("count: 2,", "count: §'2',", ["found '2'"]),
    "port": ("10.0.0.1,", "10.0.0.1, port: §65536,", ["meters[0].modbus.port", "65535"]),
    "unit id": ("10.0.0.1,", "10.0.0.1, unit: §256,", ["meters[0].modbus.unit", "0 to 255, or the word any"]),
    "sign of zero": ("sign: -1", "sign: §0", ["surplus.modbus.sign", "1 or -1"]),
    "sign of true": ("sign: -1", "sign: §true", ["surplus.modbus.sign", "1 or -1"]),
    "ratio of zero": ("ct_ratio: 200", "ct_ratio: §0", ["surplus.modbus.ct_ratio"]),
    "capitals in an id": ("site: small", "site: §Small", ["site", "a-z, 0-9 and -"]),
    "id that starts with a dash": ("id: lone", "id: §-lone", ["fleet.devices[0].id"]),
    "id too long": ("id: lone", f"id: §{'x' * 64}", ["fleet.devices[0].id"]),
    "digits as an id": ("id: lone", "id: §17", ["quote digits"]),
    "version": ("version: 1", "version: §2", ["version", "found 2", "allowed is 1"]),
    "protocol as a number": ("mqtt: {", "mqtt: {protocol: §5, ", ["mqtt.protocol", "found 5", '"5" or "3.1.1"']),
    "role": ("role: authority", "role: §boss", ["orders.tokens[0].role", '"viewer" or "operator" or "authority"']),
    "surplus model": ("model: headroom", "model: §guess", ["surplus.model", '"direct" or "export" or "headroom"']),
    "endpoint": ('"opc.tcp://127.0.0.1:4840"', "§http://x", ["meters[1].opcua.endpoint", "opc.tcp://"]),
    "OPC UA unit": ("unit: kW,", "unit: §kV,", ["meters[1].opcua.unit", '"kW"']),
    "security": ("security: none", "security: §off", ["meters[1].opcua.security", "none, or a mapping"]),
    "half a sentence": (
        "security: none",
        "security: none, unprotected: §yes",
        ["meters[1].opcua.unprotected", '"anyone on this network may read and forge these values"'],
    ),
    "scale of nothing": ("unit: kW,", "unit: kW, scale: §0,", ["meters[1].opcua.scale", "from 1e-06"]),
    "security left empty": ("security: none", "security: §", ["meters[1].opcua.security", "found nothing"]),
    "certificate of unknown format": (
        "security: none",
        "security: {certificate: §a.crt, private_key: a.pem, server_certificate: b.der}",
        ["meters[1].opcua.security.certificate", ".pem or .der"],
    ),
    "price without a currency": ("0.05 USD/kWh", "§0.05/kWh", ["economics.tariff", "USD/kWh"]),
    "price of another thing": ("0.05 USD/kWh", "§0.05 USD/TH/day", ["economics.tariff", "USD/kWh"]),
    "negative hashprice": ("48 USD/PH/day", "§-48 USD/PH/day", ["economics.hashprice", "not negative"]),
    "name of a priority": ("{low:", "{§Low:", ["economics.gpu.Low", "a-z"]),
    "price of a priority": ("0.10 USD/kWh", "§0.10", ["economics.gpu.low"]),
    "profile": (
        "schneider_pm5xxx",
        "§schneider_pm5xx",
        ["meters[0].modbus.profile", "schneider_pm5xxx (did you mean that?)"],
    ),
    "profile file": ("profiles/own.yaml", "§profiles/none.yaml", ["surplus.modbus.profile", "a YAML file that exists"]),
    "profile path": ("profiles/own.yaml", '§"\\0.yaml"', ["surplus.modbus.profile"]),
    "listen": ("mqtt: {", "http: {listen: §localhost}\nmqtt: {", ["http.listen", "HOST:PORT"]),
    "listen port": ("mqtt: {", "http: {listen: '§'}\nmqtt: {".replace("'§'", "§'a:65536'"), ["http.listen"]),
    "token hash": ("token_file: authority.token", "token_sha256: §abc", ["orders.tokens[0].token_sha256", "64"]),
    "frequency of no grid": (
        "contract: 100 kW",
        "frequency: §55 Hz\n  contract: 100 kW",
        ["grid.frequency", "found '55 Hz'", "allowed is 50 Hz or 60 Hz"],
    ),
    "frequency without a unit": (
        "contract: 100 kW",
        "frequency: §60\n  contract: 100 kW",
        ["grid.frequency", "found 60", "50 Hz or 60 Hz"],
    ),
    "mapping for a value": ("contract: 100 kW", "contract: §{a: 1}", ["grid.contract", "found a mapping"]),
    "list for a value": ("contract: 100 kW", "contract: §[1]", ["grid.contract", "found a list"]),
    "value for a mapping": ("mqtt: {", "control: §fast\nmqtt: {", ["control", "found 'fast'", "a mapping"]),
    "value for a list": (
        "tokens:\n    - {name: authority, role: authority, token_file: authority.token}",
        "tokens: §5",
        ["orders.tokens", "found 5", "a list"],
    ),
    "empty value": ("lease: 20 s", "lease:§", ["fleet.lease", "found nothing"]),
    "twice the same key": ("tick: 1 s", "tick: 1 s\n§tick: 2 s", ["tick", "second time", "once"]),
    "tag": ("tick: 1 s", "tick: §!!python/none 1 s", ["tick", "without tags"]),
    "tag that lies": ("count: 2,", "count: §!!int two,", ["fleet.groups[0].count", "without tags"]),
    # a value that is not there
    "no id": ("{id: pcc, house_load", "§{house_load", ["nodes[0].id", "found nothing"]),
    "no contract": ("grid:\n  contract: 100 kW", "§grid:", ["grid.contract", "found nothing", "the most that"]),
    "no site": ("version: 1\nsite: small", "§version: 1", ["site", "found nothing"]),
    "device on no node": (", node: hall, failsafe: 1800 W", ", failsafe: 1800 W", ["fleet.devices[0].node", "nothing"]),
    # references
    "unknown node of a meter": ("node: hall\n", "node: §hal\n", ["meters[1].node", "hall (did you mean that?)"]),
    "unknown node of a group": ("node: row,", "node: §rows,", ["fleet.groups[0].node", "row (did you mean that?)"]),
    "unknown node of a device": ("node: hall, failsafe", "node: §hell, failsafe", ["fleet.devices[0].node"]),
    "unknown model": (
        "antminer-s21,",
        "§antminer-s22,",
        ["fleet.groups[0].model", "antminer-s21 (did you mean that?)"],
    ),
    "unknown priority": ("priority: high", "priority: §hgh", ["fleet.groups[1].priority", "high (did you mean that?)"]),
    "miner with a priority": ("count: 2,", "count: 2, §priority: high,", ["fleet.groups[0].priority", "hashprice"]),
    "GPU without a priority": (", priority: high}", "}", ["fleet.groups[1]", "no priority", "high, low"]),
    "miners without a hashprice": ("  hashprice: 48 USD/PH/day\n", "", ["economics", "no hashprice, but miners"]),
    "protected as a word": ("count: 2,", "count: 2, protected: §yes,", ["fleet.groups[0].protected", "true or false"]),
    "negative time": ("count: 2,", "count: 2, min_up: §-1 s,", ["fleet.groups[0].min_up", "from 0 ms"]),
    "time of more than a day": ("count: 2,", "count: 2, min_down: §25 h,", ["fleet.groups[0].min_down", "24 h"]),
    "settle without a unit": ("count: 2,", "count: 2, settle: §5,", ["fleet.groups[0].settle", "ms, s, min, h"]),
    "cost without a currency": (
        "count: 2,",
        "count: 2, start_cost: §0.02,",
        ["fleet.groups[0].start_cost", "0.02 USD"],
    ),
    "negative cost": ("count: 2,", "count: 2, start_cost: §-1 USD,", ["fleet.groups[0].start_cost", "not negative"]),
    "cost of a start in another currency": (
        "count: 2,",
        "count: 2, start_cost: §5 PKR,",
        ["fleet.groups[0].start_cost", "currency of the tariff, USD"],
    ),
    "cost of a change that is none": (
        "count: 2,",
        "count: 2, §change_cost: 1 USD,",
        ["fleet.groups[0].change_cost", "antminer-s21", "in place"],
    ),
    "carbon intensity without a unit": (
        "economics:\n",
        "economics:\n  carbon_intensity: §450\n",
        ["economics.carbon_intensity", "g/kWh"],
    ),
    "another currency": ("900 USD/MWh", "§900 PKR/MWh", ["economics.gpu.high", "currency of the tariff, USD"]),
    "hashprice in another currency": ("48 USD/PH/day", "§48 EUR/PH/day", ["economics.hashprice", "USD"]),
    "the controller as an agent": ("agent: a-two", "agent: §controller", ["fleet.groups[0].agent", "another name"]),
    # the tree
    "unknown parent": ("parent: hall", "parent: §hal", ["nodes[3].parent", "hall (did you mean that?)"]),
    "two roots": ("id: annex, parent: pcc", "id: §annex", ["nodes[2].id", "'annex' without a parent", "exactly one"]),
    "loop": ("parent: pcc, limit", "parent: §row, limit", ["nodes[1].parent", "hall → row → hall"]),
    "node of itself": ("annex, parent: pcc", "annex, parent: §annex", ["nodes[2].parent", "annex → annex"]),
    # the same id twice
    "node twice": (
        "annex, parent: pcc}",
        "annex, parent: pcc}\n  - {id: §hall, parent: pcc}",
        ["nodes[3].id", "nodes[1].id has too"],
    ),
    "meter twice": ("id: hall-meter", "id: §main", ["meters[1].id", "meters[0].id has too"]),
    "device twice": ("id: lone", "id: §s21-002", ["fleet.devices[0].id", "'s21-002'", "fleet.groups[0] has too"]),
    "a device is called as a node": ("id: lone", "id: §row", ["fleet.devices[0].id", "'row'", "people lock either"]),
    "group twice": ("id: gpu", "id: §s21", ["fleet.groups[1].id", "'s21-001'"]),
    "token twice": (
        "token_file: authority.token}",
        "token_file: a}\n    - {name: §authority, role: viewer, token_file: b}",
        ["orders.tokens[1].name"],
    ),
    "id of a device too long": ("id: s21", f"id: §{'x' * 60}", ["fleet.groups[0].id", "a shorter one"]),
    # figures against each other
    "firm above the contract": ("firm: 10 kW", "firm: §101 kW", ["grid.firm", "at most the contract, 100 kW"]),
    "failsafe above the contract": ("failsafe: 40 kW", "failsafe: §101 kW", ["grid.failsafe", "100 kW"]),
    "contract below the floor": (
        "house_load: 3 kW",
        "house_load: 39 kW",
        ["grid.failsafe", "'40 kW'", "at least 46.95 kW", "failsafe watts of 5.95 kW and house load of 41 kW"],
    ),
    "failsafe below what devices may draw": (
        "failsafe: 40 kW",
        "failsafe: §10.9 kW",
        ["grid.failsafe", "at least 10.95 kW", "failsafe watts of 5.95 kW", "house load of 5 kW"],
    ),
    "node limit below what devices may draw": (
        "limit: 50 kW",
        "limit: §3.9 kW",
        ["nodes[3].limit", "at least 4 kW", "failsafe watts of 4 kW", "house load of 0 kW"],
    ),
    "failsafe above the maximum": ("failsafe: 2 kW", "failsafe: §3501 W", ["fleet.groups[0].failsafe", "to 3.5 kW"]),
    "failsafe below off": ("failsafe: 2 kW", "failsafe: §24 W", ["fleet.groups[0].failsafe", "off, or 0.025 kW"]),
    "failsafe as a boolean": ("failsafe: 2 kW", "failsafe: §false", ["fleet.groups[0].failsafe", "off, or"]),
    "root without a meter": ("node: pcc\n    rating", "node: annex\n    rating", ["meters", "no meter at 'pcc'"]),
    "rating below the contract": ("rating: 120 kW", "rating: §99 kW", ["meters[0].rating", "100 kW"]),
    "rating below the node's limit": (
        "rating: 60 kW",
        "rating: §59 kW",
        ["meters[1].rating", "60 kW", "a `limit` of the node"],
    ),
    "no source": (
        "    modbus: {host: 10.0.0.1, profile: schneider_pm5xxx}\n",
        "",
        ["meters[0]", "neither modbus nor opcua", "exactly one"],
    ),
    "two sources": (
        "model: headroom",
        "model: headroom\n  opcua: {endpoint: 'opc.tcp://[::1]:4840/x', node: i=1, unit: W, security: none}",
        ["surplus", "both modbus and opcua", "exactly one"],
    ),
    "a meter's copy": (
        'opcua: {endpoint: "opc.tcp://127.0.0.1:4840", node: ns=2;s=P, unit: kW, security: none}',
        "§modbus: {host: 10.0.0.1, profile: schneider_pm5xxx}",
        ["meters[1].modbus", "'main'", "every meter once"],
    ),
    "headroom without a rating": ("  rating: 5 MW\n", "", ["surplus", "headroom without a rating"]),
    "rating without headroom": (
        "model: headroom\n  rating",
        "model: direct\n  §rating",
        ["surplus.rating", "headroom alone"],
    ),
    "lease below three ticks": ("lease: 20 s", "lease: §2.9 s", ["fleet.lease", "at least 3 ticks, 3 s"]),
    "poll slower than the doubt": (
        "profile: schneider_pm5xxx",
        "profile: schneider_pm5xxx, poll: §3 s",
        ["meters[0].modbus.poll", "suspect_after, 3 s"],
    ),
    "publishing slower than the doubt": (
        "unit: kW,",
        "unit: kW, publish_interval: §3 s,",
        ["meters[1].opcua.publish_interval", "suspect_after, 3 s"],
    ),
    "suspect after bad": (
        "mqtt: {",
        "control: {suspect_after: §10 s}\nmqtt: {",
        ["control.suspect_after", "less than bad_after, 10 s"],
    ),
    "suspect after stale": (
        "rating: 5 MW",
        "rating: 5 MW\n  stale_after: 5 s",
        ["surplus.suspect_after", "by default"],
    ),
    "half a login at the broker": ("broker.example,", "broker.example, username: x,", ["mqtt", "half a login"]),
    "a sentence beside certificates": (
        "security: none",
        f"security: {TRUSTING}, §unprotected: anyone on this network may read and forge these values",
        ["meters[1].opcua.unprotected", "only beside security: none"],
    ),
    "two trust lists": (
        "security: none",
        "§security: {certificate: a.pem, private_key: a.pem, trust: t, server_certificate: b.der}",
        ["meters[1].opcua.security", "both trust and server_certificate", "exactly one"],
    ),
    "no trust list": (
        "security: none",
        "§security: {certificate: a.pem, private_key: a.pem}",
        ["meters[1].opcua.security", "neither trust nor server_certificate", "exactly one"],
    ),
    "half a login at a server": ("unit: kW,", "unit: kW, username: x,", ["meters[1].opcua", "half a login"]),
    "half a certificate of a user": (
        "unit: kW,",
        "unit: kW, user_certificate: u.der,",
        ["meters[1].opcua", "half a certificate of a user", "both user_certificate and user_private_key"],
    ),
    "two ways to log in": (
        "unit: kW,",
        "unit: kW, username: x, password_file: p, §user_certificate: u.der, user_private_key: u.pem,",
        ["meters[1].opcua.user_certificate", "instead of username"],
    ),
    "a certificate of a user without security": (
        "unit: kW,",
        "unit: kW, §user_certificate: u.der, user_private_key: u.pem,",
        ["meters[1].opcua.user_certificate", "only with security"],
    ),
    "a quoted unit that is said to mean nothing": (
        "unit: kW,",
        'unit_stated_as: §"MW el",',
        ["meters[1].opcua.unit_stated_as", "only beside unit, which says what it means"],
    ),
    "open OPC UA": (
        "opc.tcp://127.0.0.1:4840",
        "opc.tcp://scada.example:4840",
        ["meters[1].opcua.security", "none for opc.tcp://scada.example:4840", "loopback", "unprotected: anyone on"],
    ),
    "open MQTT": (
        "tls: {ca: ca.crt, certificate: c.crt, private_key: c.key}",
        "tls: §none",
        ["mqtt.tls", "none for the host broker.example", "loopback"],
    ),
    "endless lease": ("lease: 20 s", "lease: §16 min", ["fleet.lease", "to 2 min"]),
    "no token": (
        ", token_file: authority.token",
        "",
        ["orders.tokens[0]", "neither token_file nor token_sha256", "exactly one"],
    ),
    "two tokens": (
        "token_file: authority.token",
        f"token_file: a, token_sha256: {'0' * 64}",
        ["orders.tokens[0]", "both"],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_one_mistake_is_one_line_with_its_place(name, small, complaints):
    old, new, words = BROKEN[name]
    assert small.count(old) == 1, "the row must change one place"
    marked = small.replace(old, new)
    lines = complaints(marked.replace("§", ""))
    assert len(lines) == 1, lines
    place, _, text = lines[0].partition(": ")
    if "§" in marked:
        before = marked[: marked.index("§")]
        assert place == f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    assert re.fullmatch(r"[\w.\[\]-]+: found .+; allowed is .+", text)
    for word in words:
        assert word in text


def test_a_sound_file_has_no_complaint(small, load_text):
    assert load_text(small).site == "small"


def test_all_mistakes_at_once_in_the_order_of_the_file(small, complaints):
    text = small
    for old, new in {
        "site: small": "site: Small",
        "failsafe: 40 kW": "failsafe: 4 kW",
        "limit: 60 kW": "limit: -60 kW",
        "parent: hall": "parent: hal",
        "profile: schneider_pm5xxx": "profile: schneider",
        "node: row,": "nod: row,",
        ", node: hall, failsafe: 1800 W": ", failsafe: 1800 kV",
        "lease: 20 s": "lease: 20",
        "role: authority": "role: boss, rol: 1",
    }.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    assert [re.sub(r": found .*", "", line) for line in complaints(text)] == [
        "2:7: site",
        "13:36: nodes[1].limit",
        "15:23: nodes[3].parent",
        "21:39: meters[0].modbus.profile",
        "36:10: fleet.lease",
        "38:62: fleet.groups[0].nod",
        "41:7: fleet.devices[0].node",
        "41:66: fleet.devices[0].failsafe",
        "44:31: orders.tokens[0].role",
        "44:37: orders.tokens[0].rol",
    ]


def test_sums_are_checked_around_mistakes_elsewhere(small, complaints):
    text = small.replace("failsafe: 40 kW", "failsafe: 4 kW").replace("tick: 1 s", "tik: 1 s").replace("5 MW", "5")
    assert [re.sub(r": found .*", "", line) for line in complaints(text)] == [
        "3:1: tik",
        "7:13: grid.failsafe",
        "29:11: surplus.rating",
    ]


def test_the_floor_above_the_contract(small, complaints):
    text = small.replace("house_load: 3 kW", "house_load: 98 kW")
    contract, failsafe = complaints(text)
    assert contract.startswith("5:13: grid.contract: found '100 kW'; allowed is at least the floor, 100.225 kW:")
    assert contract.endswith("residual watts of 0.225 kW and house load of 100 kW")
    assert failsafe.startswith("7:13: grid.failsafe: found '40 kW'; allowed is at least 105.95 kW:")


def test_an_empty_fleet(small, complaints):
    head, _, tail = small.partition("  groups:")
    [line] = complaints(head + tail[tail.index("orders:") :])
    assert line.startswith("35:1: fleet: found no device; allowed is groups or devices")


def test_no_node_at_all(small, complaints):
    start, end = small.index("nodes:"), small.index("meters:")
    lines = complaints(small[:start] + "nodes: []\n" + small[end:])
    assert lines[0] == "11:8: nodes: found no node; allowed is at least one, the site's connection to the grid"


def test_a_loop_through_the_root_is_one_line(complaints, small):
    lines = complaints(small.replace("{id: pcc,", "{id: pcc, parent: row,"))
    assert len(lines) == 1
    assert "nodes[0].parent: found the loop pcc → row → hall → pcc" in lines[0]


def test_two_loops_are_two_lines(complaints, small):
    text = small.replace("annex, parent: pcc", "annex, parent: annex").replace(
        "parent: pcc, limit", "parent: row, limit"
    )
    assert [line.partition(": found the loop")[0] for line in complaints(text)] == [
        "13:24: nodes[1].parent",
        "14:25: nodes[2].parent",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "1:1: found an empty file; allowed is a file with keys"),
        ("# only a comment\n", "1:1: found an empty file; allowed is a file with keys"),
        ("a: [1\n", "2:1: found a mistake in the YAML"),
        ("a: 'open\n", "2:1: found a mistake in the YAML"),
        ("a: b: c\n", "1:5: found a mistake in the YAML"),
        ("\tgrid: 1\n", "1:1: found a mistake in the YAML"),
        ("a: *nothing\n", "1:4: found a mistake in the YAML (found undefined alias"),
        ("a: 1\n---\nb: 2\n", "2:1: found a mistake in the YAML (but found another document"),
        ("a: \x07\n", "1:1: found a mistake in the YAML"),
        ("- 1\n", "1:1: the file: found a list; allowed is a mapping"),
        ("5\n", "1:1: the file: found 5; allowed is a mapping"),
        ("~\n", "1:1: the file: found nothing; allowed is a value"),
        ("&a [*a]\n", "found values nested deeper than 32"),
        ("a: " + "[" * 50_000 + "]" * 50_000, "1:203: found values nested deeper than 200"),
        ("a: " + "{b: " * 50_000 + "}" * 50_000, "found values nested deeper than 200"),
        ("- " * 50_000 + "a", "found values nested deeper than 200"),
        ("? [a]\n: 1\n", "1:3: the file: found a key that is not text; allowed is text as keys"),
    ],
)
def test_what_is_no_site_file(text, line, complaints):
    assert any(line in complaint for complaint in complaints(text))


def test_a_billion_laughs_end(complaints):
    lines = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) or 1}]" for n in range(1, 12)]
    assert "found more than" in complaints("a0: &a0 [1]\n" + "\n".join(lines))[0]


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"site: \xff")
    for name in ("none.yaml", "latin.yaml", "."):
        with pytest.raises(ConfigError, match="found no readable text"):
            load(tmp_path / name)


def test_words_of_yaml_11_are_words(small, load_text):
    site = load_text(small.replace("name: authority", "name: yes").replace("ns=2;s=P", "12:30"))
    assert site.orders.tokens[0].name == "yes"
    assert site.meters[1].opcua.node == "12:30"


def test_anchors_are_fine(small, load_text):
    text = small.replace("failsafe: 2 kW", "failsafe: &few 2 kW").replace("failsafe: 1800 W", "failsafe: *few")
    assert load_text(text).fleet.devices[0].failsafe == 2000.0


def test_a_limit_that_is_just_the_sum_is_enough(small, load_text, complaints):
    # 3 kW of house load, 3 x 0.1 kW more, and 5.95 kW of failsafe watts: not exact in binary.
    tenths = "".join(f"  - {{id: t{n}, parent: pcc, house_load: 0.1 kW}}\n" for n in range(3))
    text = small.replace("meters:\n", tenths + "meters:\n")
    load_text(text.replace("failsafe: 40 kW", "failsafe: 11.25 kW"))
    assert "at least 11.25 kW" in complaints(text.replace("failsafe: 40 kW", "failsafe: 11.249 kW"))[0]


def test_a_long_list_of_names_is_cut(small, complaints):
    nodes = "".join(f"  - {{id: n{number:03d}, parent: pcc}}\n" for number in range(100))
    [line] = complaints(small.replace("meters:\n", nodes + "meters:\n").replace("node: row", "node: raw"))
    assert "row (did you mean that?), annex, hall" in line
    assert line.endswith("and 83 more")


@pytest.mark.parametrize(("limit", "fits"), [("3.61 kW", True), ("3.59 kW", False)])
def test_what_is_protected_must_fit_at_its_lowest_mode(limit, fits, small, load_text, complaints):
    text = small.replace("priority: high}", "priority: high, protected: true}")
    text = text.replace("{id: annex, parent: pcc}", f"{{id: annex, parent: pcc, limit: {limit}}}")
    if fits:
        load_text(text)
    else:
        [line] = complaints(text)
        assert "nodes[2].limit: found '3.59 kW'; allowed is at least 3.6 kW: protected devices" in line


def test_the_carbon_intensity_is_read(small, load_text):
    text = small.replace("economics:\n", "economics:\n  carbon_intensity: 450 kg/MWh\n")
    assert load_text(text).economics.carbon_g_kwh == 450.0
    assert load_text(small).economics.carbon_g_kwh is None
