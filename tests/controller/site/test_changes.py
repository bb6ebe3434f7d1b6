"""What of a changed site file may count while the site runs, and what waits for a restart."""

from dataclasses import replace

import pytest

from controller.core.site import SURPLUS
from controller.site.changes import TAKES, differences, read_as, read_otherwise, taking
from controller.site.load import SITE_FILE
from controller.site.loaded import LoadedSite, read_site
from controller.site.schema import schema_at
from drivers.errors import ConfigError
from tests.controller.daemon.reload.sites import Folder


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def changed(folder, *changes: tuple[str, str]) -> tuple[LoadedSite, LoadedSite]:
    """Return the site before and after."""
    before = read_site(folder.file)
    folder.write(*changes)
    return before, read_site(folder.file)


def judged(folder, *changes: tuple[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what counts at once of these changes, and what waits."""
    running, new = changed(folder, *changes)
    site = taking(running, new)
    return differences(running, site), differences(site, new)


AT_ONCE = {
    "grid.contract": ("contract: 100 kW", "contract: 90 kW"),
    "grid.firm": ("firm: 10 kW", "firm: 9 kW"),
    "grid.ramp_up": ("ramp_up: 2 kW/s", "ramp_up: 1 kW/s"),
    "grid.settle": ("emergency_ramp: 30 kW/s", "emergency_ramp: 30 kW/s\n  settle: 20 s"),
    "nodes.hall.limit": ("limit: 60 kW", "limit: 55 kW"),
    "nodes.pcc.house_load": ("house_load: 3 kW", "house_load: 4 kW"),
    "nodes.annex.limit": ("{id: annex, parent: pcc}", "{id: annex, parent: pcc, limit: 50 kW}"),
    "meters.main.rating": ("rating: 120 kW", "rating: 130 kW"),
    "meters.main.class": ("class: 0.5 %", "class: 0.2 %"),
    "meters.main.modbus.host": ("host: 10.0.0.1", "host: 10.0.0.9"),
    "surplus.modbus.ct_ratio": ("ct_ratio: 200", "ct_ratio: 100"),
    "control.recover": ("economics:", "control: {recover: 9 s}\neconomics:"),
    "economics.tariff": ("tariff: 0.05", "tariff: 0.06"),
    "economics.demand": ("tariff: 0.05 USD/kWh", "tariff: 0.05 USD/kWh\n  demand: {window: 30 min, limit: 50 kW}"),
    "economics.gpu.low": ("low: 0.10", "low: 0.20"),
    "fleet.groups.gpu.priority": ("priority: high", "priority: low"),
    "fleet.groups.s21.protected": ("failsafe: 2 kW}", "failsafe: 2 kW, protected: true}"),
    "orders.tokens.desk": ("orders:\n  tokens:\n", "orders:\n  tokens:\n    - {name: desk, role: operator, token_file: d}\n"),
}  # fmt: skip
WAITING = {
    "tick": ("tick: 1 s", "tick: 2 s"),
    "fleet.lease": ("lease: 20 s", "lease: 25 s"),
    "fleet.groups.s21.failsafe": ("failsafe: 2 kW", "failsafe: 1500 W"),
    "fleet.groups.s21.count": ("count: 2", "count: 3"),
    "fleet.devices.lone.model": ("model: antminer-s19-xp", "model: antminer-s21"),
    "surplus.rating": ("rating: 5 MW", "rating: 6 MW"),
    "meters.other": (
        "meters:\n",
        "meters:\n  - {id: other, node: row, rating: 60 kW, class: 1 %, modbus: {host: 10.0.0.7, profile: schneider_pm5xxx}}\n",
    ),
    "nodes.hall.carries": (
        "limit: 60 kW",
        "limit: 60 kW, carries: {current: 160 A, volts: 380 V, power_factor: 0.9, imbalance: 10 %}",
    ),
    "nodes.yard": ("nodes:\n", "nodes:\n  - {id: yard, parent: pcc}\n"),
    "mqtt.host": ("broker.example", "other.example"),
    "http": ("mqtt:", 'http: {listen: "127.0.0.1:9000"}\nmqtt:'),
}  # fmt: skip


@pytest.mark.parametrize("place", AT_ONCE)
def test_this_counts_at_once_and_is_all_that_changes(folder, place):
    assert judged(folder, AT_ONCE[place]) == ((place,), ())


@pytest.mark.parametrize("place", WAITING)
def test_this_waits_for_a_restart_and_is_named(folder, place):
    taken, waiting = judged(folder, WAITING[place])
    assert taken == ()
    assert waiting
    assert all(each.startswith(place.split(".")[0]) for each in waiting), waiting


def test_what_may_change_counts_beside_what_waits(folder):
    taken, waiting = judged(folder, AT_ONCE["grid.contract"], WAITING["mqtt.host"])
    assert (taken, waiting) == (("grid.contract",), ("mqtt.host",))


def test_the_same_in_other_words_is_no_change(folder):
    assert judged(folder, ("contract: 100 kW", "contract: 0.1 MW  # as agreed")) == ((), ())


def test_what_does_not_fit_what_stays_is_refused(folder):
    gone = ("gpu: {low: 0.10 USD/kWh, high: 900 USD/MWh}", "gpu: {low: 0.10 USD/kWh}")
    group = ("    - {id: gpu, model: hgx-h100, count: 1, agent: a-one, node: annex, priority: high}\n", "")
    running, new = changed(folder, gone, group)
    with pytest.raises(ConfigError, match="priority"):
        taking(running, new)
    assert running == read_site_as_before(folder), "nothing of what runs is touched by that"


def read_site_as_before(folder) -> LoadedSite:
    folder.write()
    return read_site(folder.file)


def test_the_text_of_a_profile_is_a_part_of_the_site(folder):
    before = read_site(folder.file)
    folder.profile.write_text("id: own\nvendor: another\n")
    assert differences(before, read_site(folder.file)) == ("surplus.modbus.profile",)


def test_the_rating_of_a_node_whose_contactor_an_agent_has_waits(folder):
    contactor = "contactor: {trip_after: 10 min, relay: {agent: a-one, device: k1}}"
    feeding = "supply: {controller: elsewhere, broker: elsewhere, agents: {a-one: elsewhere}}\n"
    hall = ("{id: hall, parent: pcc, limit: 60 kW", f"{{id: hall, parent: pcc, {contactor}, limit: 60 kW")
    fed = ("node: hall\n    rating: 60 kW", "node: hall\n    fed_from: elsewhere\n    rating: 60 kW")
    whole = (hall, fed, ("mqtt:", feeding + "mqtt:"))
    folder.write(*whole)
    running = read_site(folder.file)
    folder.write(*whole, ("limit: 60 kW", "limit: 55 kW"))
    new = read_site(folder.file)
    assert differences(taking(running, new), new) == ("nodes.hall.limit",)


def test_every_key_that_may_change_is_one_of_the_site_file():
    def known(takes, loc):
        for key, below in takes.items():
            here = (*loc, key)
            assert schema_at(SITE_FILE.schema, here), here
            if below is not None:
                known(below, (*here, 0) if "items" in schema_at(SITE_FILE.schema, here) else here)

    known(TAKES, ())


def test_a_source_that_is_only_asked_more_often_means_what_it_meant():
    assert read_otherwise(["meters.main.modbus.poll", "meters.main.rating", "grid.contract"]) == frozenset()
    assert read_otherwise(["meters.main.modbus.ct_ratio", "surplus.opcua"]) == {"main", SURPLUS}


@pytest.mark.parametrize(
    "change",
    [
        ("host: 10.0.0.1", "host: 10.0.0.9"),
        ("host: 10.0.0.1", "host: 10.0.0.1, sign: -1"),
        ("host: 10.0.0.1", "host: 10.0.0.1, poll: 2 s"),
        ("rating: 120 kW", "rating: 130 kW"),
        ("contract: 100 kW", "contract: 90 kW"),
    ],
)
def test_a_meter_is_read_as_before_unless_its_samples_mean_something_else(folder, change):
    before, after = changed(folder, change)
    was, now = read_as(before), read_as(after)
    assert {name for name in was if was[name] != now[name]} == read_otherwise(differences(before, after)) - {SURPLUS}


def test_a_meter_is_read_otherwise_where_its_profile_says_something_else(folder):
    now = read_site(folder.file)
    meter = now.site_file.meters[0]
    assert read_as(replace(now, profiles={meter.modbus.profile: "new"}))[meter.id] != read_as(now)[meter.id]
