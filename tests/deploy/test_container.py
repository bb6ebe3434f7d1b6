"""The files of the first look in containers, as far as they can be tried without an image."""

from __future__ import annotations

import fnmatch
import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.brokers import MOSQUITTO, BrokerProcess, running
from tests.e2e.yard import options
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/container"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
RECIPE = (FOLDER / "Containerfile").read_text()
PORT = "8420"


def test_the_compose_file_keeps_the_schema_of_its_specification():
    schema = json.loads((ROOT / "tests/data/compose-spec.schema.json").read_text())
    assert [error.message for error in Draft7Validator(schema).iter_errors(COMPOSE)] == []


def test_each_file_that_is_mounted_or_built_from_is_here():
    named = [mount.split(":")[0] for service in COMPOSE["services"].values() for mount in service.get("volumes", ())]
    built = COMPOSE["services"]["demo"]["build"]
    assert len(named) >= 7
    assert [name for name in named if not (FOLDER / name).exists()] == []
    assert (FOLDER / built["context"] / built["dockerfile"]).samefile(FOLDER / "Containerfile")


def test_all_share_the_loopback_of_one_network_and_only_that_one_is_reached_from_the_machine_itself():
    services = COMPOSE["services"]
    assert {name for name, service in services.items() if "network_mode" not in service} == {"mosquitto"}
    assert {service.get("network_mode", "service:mosquitto") for service in services.values()} == {"service:mosquitto"}
    assert all(port.startswith("127.0.0.1:") for port in services["mosquitto"]["ports"])


def test_the_demo_is_called_as_its_verb_takes_it_and_listens_where_all_others_look():
    words = COMPOSE["services"]["demo"]["command"]
    assert words[0] == "demo"
    given = options(*words[1:])
    assert (str(given.port), given.broker) == (PORT, ("127.0.0.1", 1883))
    assert COMPOSE["services"]["demo"]["tmpfs"][0].split(":")[0] == str(given.keep)
    assert f"proxy_pass http://127.0.0.1:{PORT};" in (FOLDER / "page.conf").read_text()
    assert f"127.0.0.1:{PORT}" in (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    assert f"127.0.0.1:{PORT}/healthz" in RECIPE
    (again,) = re.findall(r"^CMD (\[.+\])$", RECIPE, flags=re.MULTILINE)
    assert str(options(*json.loads(again)[1:]).port) == PORT


def test_grafana_finds_its_dashboards_where_they_are_mounted():
    provider = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/surplusd.yaml").read_text())
    mounted = [mount.split(":")[1] for mount in COMPOSE["services"]["grafana"]["volumes"]]
    assert provider["providers"][0]["options"]["path"] in mounted


def test_only_the_package_goes_into_the_build():
    copied = re.findall(r"^COPY (\S+) ", RECIPE, flags=re.MULTILINE)
    ignored, *kept = [
        line for line in (FOLDER / "Containerfile.dockerignore").read_text().splitlines() if line[0] != "#"
    ]
    assert ignored == "*"
    made = "dist/surplusd_0.1.0+1.g01234567_amd64.deb"
    assert all(fnmatch.fnmatch(made, pattern) for pattern in (*copied, *(line.removeprefix("!") for line in kept)))


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
def test_the_broker_takes_its_file(tmp_path):
    port, conf = free_port(), tmp_path / "mosquitto.conf"
    conf.write_text((FOLDER / "mosquitto.conf").read_text().replace("listener 1883", f"listener {port}"))
    with running(BrokerProcess([str(MOSQUITTO), "-c", str(conf)], port, "5")):
        pass


def test_it_says_that_it_is_untried_wherever_somebody_may_begin():
    for text in (RECIPE, (FOLDER / "compose.yaml").read_text(), (ROOT / "docs/first-look.md").read_text()):
        assert "untried" in text.lower()
